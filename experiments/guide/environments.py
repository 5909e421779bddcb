"""The guides where nobody sees them in a wide terminal: a narrow pipe, no colour, ASCII alone.

Every command of a page runs in each environment of ``ENVIRONMENTS``, and what it prints is judged by rules
that hold for every command. The page is the expectation: the same words and the same exit status, however
narrow the terminal and however small its alphabet.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.guide.page import AS_PRINTED, NOT_RUN, Block, commands, parse
from experiments.guide.workplace import rerun, workplace

__all__ = ["ENVIRONMENTS", "WIDTH", "Replayed", "faults", "replayed"]

WIDTH = 80
_PIPE = {"COLUMNS": str(WIDTH), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
ENVIRONMENTS = {
    "pipe": _PIPE,
    "ASCII": {**_PIPE, "NO_COLOR": "1", "LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
}
_DRAWN = "│┃─━"
_STEPS = ("Next: ", "  or: ")  # commands, with a comment behind
_STATUS = "[exit status"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A console block of a page, run in one environment.

    Attributes:
        environment: a key of ``ENVIRONMENTS``.
        shown: the block as it stands in the page.
        now: the same commands with what they printed.
        seconds: that they took.
        broken: names of ``.json`` files in the folder that hold no whole value of JSON.
    """

    environment: str
    shown: Block
    now: Block
    seconds: float = 0.0
    broken: tuple[str, ...] = ()


def replayed(path: Path, environment: str, checkpoints: Path) -> Iterator[Replayed]:
    """Runs a page in an environment; its console blocks come one by one.

    Args:
        path: of the page.
        environment: a key of ``ENVIRONMENTS``.
        checkpoints: folder of the published ones.
    """
    with workplace(checkpoints, ENVIRONMENTS[environment]) as place:
        for block in parse(path.read_text(encoding="utf-8")):
            begin = time.perf_counter()
            (now,) = rerun([block], place)
            if now.kind == "console" and now.mark != NOT_RUN:
                seconds = time.perf_counter() - begin
                yield Replayed(environment, block, now, seconds, tuple(_broken(place.folder)))


def faults(ran: Replayed) -> list[str]:
    """What is wrong with a block, a line each.

    * Each exit status is the one on the page; no line is a traceback, or tells of a fault of ours.
    * No escape sequence and no ellipsis: a pipe is no terminal, and nothing is cut.
    * No row of a table is wider than ``WIDTH``. Sentences, commands and paths are a line each, as they are
      copied and searched for; a terminal folds them.
    * No word of the page is missing. In ASCII, no word of ASCII.
    * Files of JSON are whole.

    Args:
        ran: a block that was run.
    """
    lines, before = _printed(ran.now), _printed(ran.shown)
    text = "\n".join(lines)
    found = [f"{name} in the output" for name, sign in _FORBIDDEN.items() if sign in text]
    found += [f"a row of {len(line)} columns: {line}" for line in lines if _is_wide_row(line)]
    found += [f"{name} is no JSON" for name in ran.broken]
    if ran.environment == "ASCII" and not text.isascii():
        found.append(f"not ASCII: {next(line for line in lines if not line.isascii())}")
    if (now := _statuses(lines)) != (then := _statuses(before)):
        found.append(f"{now or 'exit status 0'}, the page has {then or 'exit status 0'}")
    if ran.shown.mark != AS_PRINTED:
        missing = _words(before) - _words(lines)
        missing = {word for word in missing if ran.environment != "ASCII" or word.isascii()}
        found += [f"missing: {' '.join(sorted(missing))}"] if missing else []
    return found


_FORBIDDEN = {
    "an escape sequence": "\x1b",
    "an ellipsis": "…",
    "a traceback": "Traceback (most recent call last)",
    "a fault of ours": "fault of fmq_theory",
}


def _printed(block: Block) -> list[str]:
    """The lines of a block without its commands."""
    asked = {line for command in commands(block) for line in f"$ {command}".split("\n")}
    return [line for line in block.lines if line not in asked]


def _is_wide_row(line: str) -> bool:
    """Whether a line wider than it may be is of a table: it has cells two spaces apart, or is a rule."""
    if len(line) <= WIDTH or line.startswith(_STEPS):
        return False
    return "  " in line.strip() or any(sign in line for sign in _DRAWN)


def _statuses(lines: Sequence[str]) -> str:
    return " ".join(line for line in lines if line.startswith(_STATUS))


def _words(lines: Sequence[str]) -> set[str]:
    return {word for word in " ".join(lines).split() if not set(word) <= set(_DRAWN)}


def _broken(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.json")):
        try:
            json.loads(path.read_text("ascii"), parse_constant=_refused)
        except ValueError:
            yield path.name


def _refused(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are Python's and no JSON
