"""An audit of a checkpoint: in a terminal, as a page, for programs."""
