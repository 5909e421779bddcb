"""``python -m experiments.external_checks``."""

import sys

from experiments.external_checks.command import main

sys.exit(main())
