"""Each lemma runs once a session."""

import functools
from collections.abc import Callable

import pytest

from proofs_check.registry import LEMMAS
from proofs_check.runner import Outcome, run_lemma


@pytest.fixture(scope="session")
def run() -> Callable[[str], Outcome]:
    return functools.cache(lambda name: run_lemma(LEMMAS[name]))
