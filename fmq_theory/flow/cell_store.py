"""Finished cells on disk: one line each, so that a run that was stopped goes on where it was."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from fmq_theory.errors import OutputError, Way
from fmq_theory.flow.cell import Cell
from fmq_theory.storage import write_text_atomically
from fmq_theory.storage.lines import append_line, digest_of, records_of, sealed_line, unsealed

__all__ = ["CellStore", "kept_cells"]

_FORMAT = "fmq-flow-cells-2"  # 1 had lines without a checksum, and data known by their name
_PART = {"part", "values"}
_AGAIN = (Way("start_again", "call start()"), " to start again")


def kept_cells(path: Path) -> list[Cell]:
    """The whole cells in the file of a store, whatever its settings are.

    Args:
        path: of the file.
    """
    lines = path.read_text("utf-8").splitlines()[1:]
    records = [found[1] for line in lines if (found := unsealed(line)) is not None]
    return [Cell.from_json(record) for record in records if record.keys() != _PART]


class CellStore:
    """A file of JSON lines: what the run was asked for, then a line a cell.

    A line counts only if it is whole and its checksum fits: a kill in the middle of a write loses that cell
    alone, and a cell that was damaged or edited, or comes from another store, is measured again.

    Args:
        path: of the file; its folder exists.
        settings: what the cells depend on, as JSON values. Cells of other settings are never used.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._header = {"format": _FORMAT, "settings": dict(settings)}
        self._key = digest_of(self._header)
        self._cells: dict[tuple[str, int], Cell] = {}
        self._parts: dict[str, Any] = {}

    def start(self) -> None:
        """Begins anew; what the file held is gone.

        Raises:
            OutputError: the file cannot be written.
        """
        self._cells, self._parts = {}, {}
        self._rewrite()

    def resume(self) -> None:
        """Reads the cells of an earlier run with the same settings, or begins anew if there is no file.

        Raises:
            OutputError: the file is of other settings, or cannot be read or written.
        """
        if not self.path.exists():
            self.start()
            return
        try:
            lines = self.path.read_text("utf-8").splitlines()
            header: object = json.loads(lines[0]) if lines else {}
        except (OSError, ValueError, RecursionError) as error:
            raise OutputError(f"cells {self.path}", f"they cannot be read ({error})", _AGAIN) from error
        if not isinstance(header, dict):
            raise OutputError(f"cells {self.path}", "it is a file of something else", _AGAIN)
        header = cast("dict[str, Any]", header)
        if header != json.loads(json.dumps(self._header)):
            raise OutputError(
                f"cells {self.path}",
                f"they are of a run with other settings ({_difference(header, self._header)})",
                (*_AGAIN, ", or name another folder"),
            )
        self._cells, self._parts = {}, {}
        for record in records_of(lines[1:], self._key):
            if record.keys() == _PART:
                self._parts[str(record["part"])] = record["values"]
                continue
            try:
                cell = Cell.from_json(record)
            except (ValueError, KeyError, TypeError):
                continue
            if not cell.failed:
                self._cells[cell.scheme, cell.bits] = cell
        self._rewrite()

    def get(self, scheme: str, bits: int) -> Cell | None:
        """A finished cell."""
        return self._cells.get((scheme, bits))

    def put(self, cell: Cell) -> None:
        """Keeps a cell: it is on the disk when this returns.

        Raises:
            OutputError: the disk refused.
        """
        self._cells[cell.scheme, cell.bits] = cell
        self._append(cell.to_json())

    def part(self, name: str) -> Any:
        """What was kept under a name besides the cells, as JSON values; None for nothing."""
        return self._parts.get(name)

    def keep_part(self, name: str, values: Any) -> None:
        """Keeps what else a run worked out, as ``put`` keeps a cell.

        Args:
            name: what it is.
            values: plain JSON values, not None.

        Raises:
            OutputError: the disk refused.
        """
        self._parts[name] = values
        self._append({"part": name, "values": values})

    def _append(self, record: Mapping[str, Any]) -> None:
        try:
            append_line(self.path, sealed_line(self._key, record))
        except OSError as error:
            remedy = "free some space and ", Way("resume_cells", "resume()")
            raise OutputError(f"cells {self.path}", str(error), remedy) from error

    def __len__(self) -> int:
        return len(self._cells)

    def _rewrite(self) -> None:
        lines = [json.dumps(self._header) + "\n"]
        records = [{"part": name, "values": values} for name, values in self._parts.items()]
        records += [cell.to_json() for cell in self._cells.values()]
        lines += [sealed_line(self._key, record) for record in records]
        write_text_atomically(self.path, "".join(lines))


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first settings that differ, in words."""
    if found.get("format") != wanted["format"]:
        return "another format"
    kept, new = found.get("settings"), cast("dict[str, Any]", wanted["settings"])
    old = cast("dict[str, Any]", kept) if isinstance(kept, dict) else {}
    keys = [key for key in new if old.get(key) != new[key]]
    return ", ".join(f"{key} {old.get(key)!r}, not {new[key]!r}" for key in keys[:3]) or "fewer of them"
