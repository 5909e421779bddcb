"""Where reports are written: see ``fmq_theory.storage``, which every room uses."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fmq_theory.storage import check_output, write_atomically, write_text_atomically

__all__ = ["check_writable", "write_atomically", "write_rows", "write_text_atomically"]


def check_writable(path: Path, *, overwrite: bool) -> None:
    """``check_output`` for a report.

    Args:
        path: where the report is to go.
        overwrite: whether a file that is there may be replaced.

    Raises:
        OutputError: the folder is missing or not writable, the file exists and may not be replaced, or it is
            one that is read.
    """
    check_output(path, overwrite=overwrite)


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a CSV file, whole or not at all.

    Args:
        path: of the file.
        columns: names in the order of the file.
        rows: by the names of columns; what a row does not have is empty.

    Raises:
        ValueError: a row has a name that is no column.
    """

    def write(place: Path) -> None:
        with place.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, columns)
            table.writeheader()
            table.writerows(rows)

    write_atomically(path, write)
