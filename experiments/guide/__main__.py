"""``python -m experiments.guide``."""

import sys

from experiments.guide.command import main

sys.exit(main())
