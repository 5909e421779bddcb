"""An audit on a Dask cluster: what a task costs, how it scales, and what a large checkpoint takes."""
