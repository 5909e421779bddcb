"""``python -m experiments.documents``."""

import sys

from experiments.documents.command import main

sys.exit(main())
