"""Hypothesis profiles, and the places of inputs that are not part of the repository."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadlines: a first example may compile a kernel.
settings.register_profile("default", max_examples=25, deadline=None)
# The same examples at every run, so that a change is judged and not its luck.
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# A worker of pytest-xdist has one core: threads of BLAS and OpenMP on all cores would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})

# A fault of the package is a traceback here, and not the short message that a user gets.
os.environ["FMQ_TRACEBACK"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses tests whose names differ between processes: workers of pytest-xdist must agree on them."""
    if unstable := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"give these parameters an id, theirs holds an address: {unstable}")


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
