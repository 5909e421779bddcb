"""``python -m experiments.cluster``."""

import sys

from experiments.cluster.command import main

if __name__ == "__main__":
    sys.exit(main())
