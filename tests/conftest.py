"""Hypothesis profiles: ``pytest --hypothesis-profile=thorough``; ``ci`` is chosen where CI is set."""

import os

from hypothesis import HealthCheck, settings

# No deadline: the first example of a test may compile a kernel.
_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("dev", _COMMON, max_examples=40)
settings.register_profile("ci", _COMMON, max_examples=60, derandomize=True, print_blob=True)
settings.register_profile("thorough", _COMMON, max_examples=1000)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
