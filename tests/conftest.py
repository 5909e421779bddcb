"""Hypothesis profiles, and the places of inputs that are not part of the repository."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadlines: a first example may compile a kernel.
settings.register_profile("fast", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# A fault of the package is a traceback here, and not the short message that a user gets.
os.environ["FMQ_TRACEBACK"] = "1"

_SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(name: str) -> Path:
    folder = _SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs the folder ../shared/{name} beside the repository")
    return folder


@pytest.fixture(scope="session")
def shared_checkpoints() -> Path:
    """The folder of real checkpoints."""
    return _folder("checkpoints")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets."""
    return _folder("data")
