"""Tables that fit any terminal: what does not fit is stacked, and no label and no number is ever cut.

A table of one line a label and bit-width is printed whole where the terminal is wide enough. Where it is not,
each label (a scheme, a tensor) stands on a line of its own above its numbers, and the columns follow in as
many blocks as the width asks for, each with the bit-width in front. A label that is longer than the terminal
is printed in one piece; the terminal breaks it, and a copy of it is whole (beyond some 120 characters the
middle is left out, and how much). Names that others chose are made fit to be shown here, for every table.
"""

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from fmq_theory.shown import one_line, shown

__all__ = ["Line", "Section", "Sheet", "print_prose", "print_sheet", "terminal"]

_PIPE_WIDTH = 150
_NARROWEST = 20
_GAP = 2
_INDENT = 2
_MOST_OF_PROSE = 10_000
_MOST_BLOCKS = 3  # of columns beside repeated labels; beyond that labels stand on lines of their own


@dataclass(frozen=True, slots=True)
class Line:
    """One line of numbers.

    Attributes:
        cells: one a column, in the order of ``Sheet.columns``; a plain text is no markup.
        key: what tells lines of one section apart (a bit-width); empty where a section has one line.
        note: words that stand in place of the cells; None for a line of numbers.
    """

    cells: Sequence[str | Text]
    key: str = ""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under one label."""

    label: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table before its layout is known.

    Attributes:
        sections: from top to bottom.
        columns: headings of the cells; a heading may have several lines.
        label: heading of the labels.
        key: heading of the keys; empty where lines have none.
        title: above the table.
        caption: below it.
        left: headings of columns that are words, not numbers.
    """

    sections: Sequence[Section]
    columns: Sequence[str]
    label: str = ""
    key: str = ""
    title: str = ""
    caption: str = ""
    left: frozenset[str] = field(default_factory=frozenset[str])


def terminal(*, pipe_width: int = _PIPE_WIDTH) -> Console:
    """Standard output, as wide as it is.

    A pipe has no width to respect, and a folded table is hard to read and to search: there it is
    ``pipe_width``, unless the variable COLUMNS says otherwise.
    """
    console = Console(highlight=False)
    width = os.environ.get("COLUMNS", "")
    if console.is_terminal or (width.isascii() and width.isdigit() and int(width) > 0):
        return console if console.width >= _NARROWEST else Console(highlight=False, width=_NARROWEST)
    return Console(highlight=False, width=pipe_width)


def print_prose(
    console: Console,
    text: str,
    *,
    style: str = "",
    head: str = "",
    indent: int = 0,
    before: Text | None = None,
) -> None:
    """Prints sentences, broken between words; a word longer than a line (a path, a name) stays whole.

    Args:
        console: where.
        text: without markup; names in it are made fit to be shown.
        style: of the text.
        head: bold words before it.
        indent: of every line.
        before: what stands in the indent of the first line.
    """
    bold = len(head)
    start = Text("") if before is None else before
    whole = one_line(f"{head} {text}" if head else text, _MOST_OF_PROSE)
    for line in _wrapped(whole, max(console.width - indent, _NARROWEST)):
        whole = start.append(" " * (indent - start.cell_len)).append(line, style=style or None)
        if bold:
            whole.stylize("bold", indent, indent + bold)
        _put(console, whole)
        bold, start = 0, Text("")


def print_sheet(console: Console, sheet: Sheet) -> None:
    """Prints a table in the widest form that fits."""
    if sheet.title:
        print_prose(console, sheet.title, style="italic")
    columns = [_column(sheet, place) for place in range(len(sheet.columns))]
    labels = [shown(section.label) for section in sheet.sections]
    front = [_Column.of(sheet.label, labels, left=True)] if any(labels) else []
    if sheet.key:
        keys = [line.key for section in sheet.sections for line in section.lines]
        front.append(_Column.of(sheet.key, keys, left=False))
    gap = next((g for g in (_GAP, 1) if _whole([*front, *columns], g) <= console.width), _GAP)
    blocks = _blocks(columns, console.width - _whole(front, gap) - gap, gap)
    narrow = not sheet.key and 2 * _whole(front, gap) <= console.width and len(blocks) <= _MOST_BLOCKS
    if len(blocks) == 1 or narrow or not any(labels):
        for block in blocks:
            _print_grid(console, front, columns, block, _in_front(sheet, labelled=any(labels)), gap=gap)
    elif sheet.key:
        _print_stacked(console, sheet, front[1:], columns)
    else:
        _print_pairs(console, sheet)
    if sheet.caption:
        print_prose(console, sheet.caption, style="italic")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column whose width is settled: nothing in it is wider."""

    heading: Sequence[str]
    width: int
    left: bool

    @classmethod
    def of(cls, heading: str, cells: Sequence[str | Text], *, left: bool) -> "_Column":
        lines = heading.strip("\n").split("\n")
        return cls(lines, max(_text(part).cell_len for part in (*lines, *cells)), left)

    def aligned(self, cell: str | Text) -> Text:
        text = _text(cell).copy()
        spaces = " " * max(0, self.width - text.cell_len)
        return text.append(spaces) if self.left else Text(spaces).append_text(text)

    def heading_line(self, row: int, height: int) -> str:
        """Headings stand on the rule: the last line of each is in the last row."""
        place = row - (height - len(self.heading))
        return self.heading[place] if place >= 0 else ""


def _column(sheet: Sheet, place: int) -> _Column:
    heading = sheet.columns[place]
    cells = [line.cells[place] for s in sheet.sections for line in s.lines if line.note is None]
    return _Column.of(heading, cells, left=heading in sheet.left)


def _whole(columns: Sequence[_Column], gap: int) -> int:
    """Width of these columns side by side."""
    return sum(column.width for column in columns) + gap * (len(columns) - 1)


def _blocks(columns: Sequence[_Column], room: int, gap: int = _GAP) -> list[list[int]]:
    """Places of the columns in as few blocks as fit; one that fits nowhere has a block of its own."""
    blocks: list[list[int]] = []
    used = room
    for place, column in enumerate(columns):
        if used + gap + column.width > room:
            blocks.append([])
            used = -gap
        blocks[-1].append(place)
        used += gap + column.width
    return blocks


def _in_front(sheet: Sheet, *, labelled: bool) -> list[tuple[list[str], Line]]:
    """Each line with what stands in front of it: the label, on the first line of its section, and the key."""
    found: list[tuple[list[str], Line]] = []
    for section in sheet.sections:
        for place, line in enumerate(section.lines):
            label = [shown(section.label) if place == 0 else ""] if labelled else []
            found.append(([*label, *([line.key] if sheet.key else [])], line))
    return found


def _print_grid(
    console: Console,
    front: Sequence[_Column],
    columns: Sequence[_Column],
    block: Sequence[int],
    lines: Sequence[tuple[list[str], Line]],
    *,
    indent: int = 0,
    gap: int = _GAP,
) -> None:
    """The front columns and one block of the others, under their headings."""
    side = [*front, *(columns[place] for place in block)]
    height = max(len(column.heading) for column in side)
    for row in range(height):
        parts = [column.aligned(column.heading_line(row, height)) for column in side]
        _put(console, _joined(parts, indent, gap), style="bold")
    stroke = "─" if console.encoding.lower().startswith("utf") else "-"
    _put(console, Text(" " * indent + stroke * _whole(side, gap)), style="dim")
    for number, (before, line) in enumerate(lines):
        if number and before and before[0] and not lines[number - 1][0][0]:
            _put(console, Text(""))  # between sections of several lines
        start = [column.aligned(text) for column, text in zip(front, before, strict=True)]
        if line.note is None:
            cells = [columns[place].aligned(line.cells[place]) for place in block]
            _put(console, _joined([*start, *cells], indent, gap))
        else:
            _put_note(console, _joined([*start, Text("")], indent, gap), line.note)
    _put(console, Text(""))


def _joined(parts: Sequence[Text], indent: int, gap: int) -> Text:
    return Text(" " * indent).append_text(Text(" " * gap).join(parts))


def _put_note(console: Console, start: Text, note: str) -> None:
    """Words in place of numbers may be longer than the columns: they go on under their own beginning."""
    begin = start.cell_len
    for words in _wrapped(one_line(note, _MOST_OF_PROSE), max(console.width - begin, _NARROWEST)):
        _put(console, start.append(words, style="dim"))
        start = Text(" " * begin)


def _print_stacked(
    console: Console, sheet: Sheet, front: Sequence[_Column], columns: Sequence[_Column]
) -> None:
    """A label above its lines; the columns in blocks, each with the key in front."""
    blocks = _blocks(columns, console.width - _INDENT - _whole(front, _GAP) - _GAP)
    _put(console, Text(sheet.label), style="dim")
    for section in sheet.sections:
        _put(console, Text(shown(section.label)), style="bold")
        for block in blocks:
            # A note is said once, in the first block.
            lines = [([line.key], line) for line in section.lines if line.note is None or block is blocks[0]]
            if lines:
                _print_grid(console, front, columns, block, lines, indent=_INDENT)


def _print_pairs(console: Console, sheet: Sheet) -> None:
    """A label, and under it ``heading number`` pairs in as few lines as the width asks for."""
    _put(console, Text(sheet.label), style="dim")
    for section in sheet.sections:
        _put(console, Text(shown(section.label)), style="bold")
        for line in section.lines:
            if line.note is not None:
                print_prose(console, line.note, indent=_INDENT)
                continue
            row = Text(" " * _INDENT)
            for heading, cell in zip(sheet.columns, line.cells, strict=True):
                pair = Text(heading.strip("\n").replace("\n", " ") + " ").append_text(_text(cell))
                if row.cell_len > _INDENT and row.cell_len + 3 + pair.cell_len > console.width:
                    _put(console, row)
                    row = Text(" " * _INDENT)
                row.append(" · " if row.cell_len > _INDENT else "").append_text(pair)
            _put(console, row)
    _put(console, Text(""))


def _text(cell: str | Text) -> Text:
    return Text(shown(cell)) if isinstance(cell, str) else cell


def _wrapped(text: str, width: int) -> list[str]:
    """Lines broken between words only."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _put(console: Console, text: Text, *, style: str = "") -> None:
    """One line as it is: rich neither folds nor crops it."""
    text.rstrip()
    console.print(text, style=style or None, soft_wrap=True)
