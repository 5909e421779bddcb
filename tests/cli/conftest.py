"""Where a command runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is empty and the test's own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def on_one_torch_thread() -> Iterator[None]:
    """Tiny networks are faster so."""
    from tests.flow.random_fields import one_thread

    with one_thread():
        yield
