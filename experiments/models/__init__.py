"""Networks of published checkpoints, for ``--model experiments.models.<name>:build``."""
