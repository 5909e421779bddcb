"""Published tables of levels, judged by the codebook oracle; ``python -m experiments.external_checks``."""
