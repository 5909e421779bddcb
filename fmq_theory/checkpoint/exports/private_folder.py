"""A folder beside an output of several files, in which they are finished before they get their names."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fmq_theory.errors import OutputError

__all__ = ["private_folder"]


@contextmanager
def private_folder(place: Path) -> Generator[Path]:
    """A folder on the file system of ``place``, gone afterwards.

    Args:
        place: of the output.

    Raises:
        OutputError: the disk refused, here or while it was used.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".fmq-", dir=place.parent) as name:
            yield Path(name)
    except OSError as error:
        raise OutputError(
            f"output {place}", error.strerror or str(error), "free some space or choose another place"
        ) from error
