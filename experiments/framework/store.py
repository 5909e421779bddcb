"""Finished cells on disk: each is computed once, whatever happens to the run."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from experiments.framework.table import Row
from fmq_theory.errors import OutputError

__all__ = ["CellStore", "Finished"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cells (
    experiment TEXT NOT NULL, key TEXT NOT NULL,
    rows TEXT NOT NULL, seconds REAL NOT NULL, code TEXT NOT NULL,
    PRIMARY KEY (experiment, key)
)
"""

Finished = tuple[list[dict[str, Any]], float, str]
"""Rows, the seconds they took, and the digest of the code that made them."""


class CellStore:
    """A SQLite file. A cell is there whole or not at all: a kill loses the cell at work and no other.

    Failed cells are not kept, so that the next run tries them again.

    Args:
        path: of the file, which is made where there is none; its folder exists.

    Raises:
        OutputError: it is no such file, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, timeout=60.0)
            with self._connection as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise OutputError(
                f"store {path}", f"it cannot be used ({error})", "move it away or choose another --out"
            ) from error

    def get(self, experiment: str, key: str) -> Finished | None:
        """What is known of a cell; None for nothing."""
        found = self._connection.execute(
            "SELECT rows, seconds, code FROM cells WHERE experiment = ? AND key = ?", (experiment, key)
        ).fetchone()
        if found is None:
            return None
        return cast("list[dict[str, Any]]", json.loads(found[0])), float(found[1]), str(found[2])

    def put(self, experiment: str, key: str, rows: Sequence[Row], seconds: float, code: str) -> None:
        """Keeps a cell; one that is known already is replaced.

        Raises:
            OutputError: the disk is full, or the file is gone.
        """
        text = json.dumps([dict(row) for row in rows])
        try:
            with self._connection as connection:
                connection.execute(
                    "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?)",
                    (experiment, key, text, seconds, code),
                )
        except sqlite3.Error as error:
            raise OutputError(
                f"store {self.path}", f"a cell cannot be kept ({error})", "free some space; then run again"
            ) from error

    def forget(self, experiment: str) -> None:
        """Drops all cells of an experiment."""
        with self._connection as connection:
            connection.execute("DELETE FROM cells WHERE experiment = ?", (experiment,))

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()
