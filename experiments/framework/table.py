"""Tidy tables: one observation a row, in CSV, and beside each what it came from, in JSON."""

import csv
import io
import json
import math
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from fmq_theory.errors import FmqError
from fmq_theory.report import write_text_atomically

__all__ = ["Row", "Table", "TableError", "provenance", "read_table", "write_table"]

Row = Mapping[str, Any]
"""Numbers, words, bools or None by the name of the column. The column ``error`` says what failed."""

_PACKAGES = ("fmq_theory", "numpy", "scipy", "numba", "torch", "POT")
_DIGITS = 10


class TableError(FmqError, ValueError):
    """A table that is missing or is none."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows and what they came from.

    Attributes:
        rows: a missing value is None; failed cells are rows with an ``error``.
        about: config, versions, commit, seconds.
    """

    rows: tuple[dict[str, Any], ...]
    about: dict[str, Any]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def config(self) -> dict[str, Any]:
        """The settings of the run."""
        return cast("dict[str, Any]", self.about["config"])

    def where(self, **wanted: Any) -> "Table":
        """The rows without an error that have these values."""
        return self.that(lambda row: all(row.get(name) == value for name, value in wanted.items()))

    def that(self, is_wanted: Callable[[dict[str, Any]], bool]) -> "Table":
        """The rows without an error that fulfil a condition."""
        return Table(tuple(row for row in self.rows if not row.get("error") and is_wanted(row)), self.about)

    def column(self, name: str) -> list[Any]:
        """The values of a column, None where there is none."""
        return [row.get(name) for row in self.rows]

    def numbers(self, name: str) -> list[float]:
        """A column of numbers, nan where there is none."""
        return [math.nan if value is None else float(value) for value in self.column(name)]

    @property
    def work(self) -> str:
        """How long its cells took, in words."""
        seconds = self.about["seconds"]
        return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.0f} seconds"

    def values(self, name: str) -> list[Any]:
        """The different values of a column, in order of appearance, None left out."""
        return list(dict.fromkeys(value for value in self.column(name) if value is not None))


def write_table(folder: Path, name: str, rows: Sequence[Row], about: Mapping[str, Any]) -> Path:
    """NAME.csv and NAME.json in ``folder``, each whole or not at all; gives the path of the CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_written(row.get(column)) for column in columns] for row in rows])
    path = folder / f"{name}.csv"
    write_text_atomically(folder / f"{name}.json", json.dumps(dict(about), indent=1) + "\n")
    write_text_atomically(path, text.getvalue())
    return path


def read_table(folder: Path, name: str) -> Table:
    """What ``write_table`` wrote.

    Raises:
        TableError: there is none, or it cannot be read.
    """
    try:
        about = json.loads((folder / f"{name}.json").read_text("utf-8"))
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = [{key: _read(value) for key, value in row.items()} for row in csv.DictReader(file)]
    except FileNotFoundError as error:
        raise TableError(
            f"table {name!r}", f"{folder} holds none", f"make it: python -m experiments run {name}"
        ) from error
    except (OSError, ValueError, AttributeError) as error:
        raise TableError(
            f"table {name!r} in {folder}", f"it cannot be read ({error})"[:160], "run the experiment again"
        ) from error
    return Table(tuple(rows), about)


def provenance() -> dict[str, Any]:
    """Versions, machine and commit: what a number may depend on beside the config."""
    versions: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": versions,
        "commit": _commit(),
    }


def _commit() -> str:
    """Of the checkout; "+" for one with changes; empty outside git."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True, text=True, check=True, timeout=20,
        )  # fmt: skip
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "fmq_theory", "experiments")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    return str(value)


def _read(text: str) -> Any:
    if text == "":
        return None
    if text in ("yes", "no"):
        return text == "yes"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
