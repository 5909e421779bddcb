"""``python -m fmq_theory.bounds`` is ``fmq bounds``."""

from fmq_theory.cli.bounds import main

main()
