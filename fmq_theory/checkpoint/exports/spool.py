"""Arrays that wait on the disk until their turn in a file comes, as codes do behind all scales of a model."""

import os
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spool"]

Bytes = NDArray[np.uint8]


class Spool:
    """Bytes by name in a temporary file, of which none stays in memory.

    Args:
        path: of a file that is made here; its owner removes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def put(self, name: str, data: Bytes) -> None:
        """Keeps the bytes of one array.

        Args:
            name: under which it is asked for.
            data: of any shape.

        Raises:
            OSError: the disk refused.
        """
        flat = np.ascontiguousarray(data).reshape(-1)
        with self._path.open("ab") as file:
            file.write(cast("Any", flat))
        self._places[name] = self._end, flat.size
        self._end += flat.size

    def get(self, name: str) -> Bytes:
        """The bytes of one array, shape ``[n]``.

        Args:
            name: of what was kept.

        Raises:
            OSError: the disk refused.
        """
        offset, count = self._places[name]
        return np.fromfile(self._path, dtype=np.uint8, count=count, offset=offset)
