"""The guides: ``python -m experiments.guide`` runs what they show and writes what it printed.

A page is Markdown. In a ``console`` block each line that begins with ``$ `` is a command, and what follows
it is its output; a ``python`` block is run too, and the ``text`` block right behind it holds what it printed.
All blocks of a page run in order in one empty folder that has the published checkpoints under
``checkpoints/``. A comment in the line before a block says what is special about it:

* ``<!-- as printed -->``: versions and paths of one machine; written, but not compared;
* ``<!-- slow -->``: compared by ``--check`` and by the slow tests alone;
* ``<!-- not run -->``: left as it is, because it needs what is not here;
* ``<!-- file NAME -->``: the block is not run but saved under that name, for the commands after it.
"""

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fmq_theory.report import write_text_atomically

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "guide"
PATTERN = "*.md"
CHECKPOINTS = ROOT.parent / "shared" / "checkpoints"

AS_PRINTED, SLOW, NOT_RUN = "as printed", "slow", "not run"
_FENCE = re.compile(r"^```(\w*)$")
_MARK = re.compile(r"^<!-- (as printed|slow|not run|file [\w.-]+) -->$")
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
# A number may be off by one in its last digit, where a library sums in another order.
_TOLERANCE = 2e-3


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a page.

    Attributes:
        kind: language of a fenced block; empty for prose.
        lines: without the fence.
        mark: what the comment before it says; empty without one.
    """

    kind: str
    lines: tuple[str, ...]
    mark: str = ""

    @property
    def text(self) -> str:
        """As it stands in the page."""
        lines = (f"```{self.kind}", *self.lines, "```") if self.kind else self.lines
        return "\n".join(lines)


def parse(text: str) -> list[Block]:
    """The blocks of a page; joined by line ends they are the page again.

    Raises:
        ValueError: a fenced block has no end.
    """
    blocks: list[Block] = []
    prose: list[str] = []
    fenced: list[str] | None = None
    kind = ""
    for line in text.removesuffix("\n").split("\n"):
        if fenced is not None:
            if line == "```":
                mark = _MARK.match(prose[-1]) if prose else None
                if prose:
                    blocks.append(Block("", tuple(prose)))
                blocks.append(Block(kind, tuple(fenced), mark[1] if mark else ""))
                prose, fenced = [], None
            else:
                fenced.append(line)
        elif (fence := _FENCE.match(line)) and fence[1]:
            kind, fenced = fence[1], []
        else:
            prose.append(line)
    if fenced is not None:
        raise ValueError(f"a block of {kind} has no end")
    return [*blocks, Block("", tuple(prose))] if prose else blocks


def written(blocks: Sequence[Block]) -> str:
    """The page of the blocks."""
    return "\n".join(block.text for block in blocks) + "\n"


@contextmanager
def workplace(checkpoints: Path = CHECKPOINTS) -> Iterator["Workplace"]:
    """An empty folder with the checkpoints, and ``fmq`` and ``python`` of this interpreter.

    Raises:
        FileNotFoundError: there are no checkpoints.
    """
    if not checkpoints.is_dir():
        raise FileNotFoundError(f"{checkpoints} is missing: the pages show published checkpoints")
    with tempfile.TemporaryDirectory() as name:
        folder, programs = Path(name) / "work", Path(name) / "bin"
        folder.mkdir()
        programs.mkdir()
        (folder / "checkpoints").symlink_to(checkpoints)
        fmq = " -c \"from fmq_theory.cli.main import main; main(prog_name='fmq')\""
        for program, arguments in (("python", ""), ("fmq", fmq)):
            path = programs / program
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n', encoding="utf-8")
            path.chmod(0o755)
        yield Workplace(folder, programs)


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where the blocks of one page run."""

    folder: Path
    programs: Path

    def run(self, command: Sequence[str]) -> str:
        """What it prints on either stream, and its exit status unless that is 0."""
        environment = {
            **os.environ,
            "PATH": os.pathsep.join((str(self.programs), os.environ["PATH"])),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "100",
        }
        done = subprocess.run(  # noqa: S603 (what the page itself says)
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        status = f"[exit status {done.returncode}]\n" if done.returncode else ""
        return done.stdout.rstrip("\n") + "\n" * bool(done.stdout) + status


def commands(block: Block) -> list[str]:
    """Those of a console block; a line that ends in a backslash goes on in the next one."""
    found: list[str] = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append(line[2:])
        elif found and found[-1].endswith("\\"):
            found[-1] += f"\n{line}"
    return found


def rerun(blocks: Sequence[Block], place: Workplace, skip: Sequence[str] = (NOT_RUN,)) -> list[Block]:
    """The blocks with what their commands print now.

    Args:
        blocks: of a page.
        place: where they run.
        skip: blocks with one of these marks stay as they are.
    """
    found: list[Block] = []
    printed = ""
    for block in blocks:
        if block.mark in skip:
            found.append(block)
        elif block.mark.startswith("file "):
            path = place.folder / block.mark.removeprefix("file ")
            path.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
            found.append(block)
        elif block.kind == "console":
            lines: list[str] = []
            for command in commands(block):
                output = place.run(["bash", "-c", command])
                lines += [*f"$ {command}".split("\n"), *_lines(output)]
            found.append(replace(block, lines=tuple(lines)))
        elif block.kind == "python":
            printed = place.run(["python", "-c", "\n".join(block.lines)])
            found.append(block)
        elif block.kind == "text" and len(found) > 1 and "python" in (found[-1].kind, found[-2].kind):
            found.append(replace(block, lines=tuple(_lines(printed))))
        else:
            found.append(block)
    return found


def _lines(output: str) -> list[str]:
    return [line.rstrip() for line in output.removesuffix("\n").split("\n")] if output else []


def differences(shown: Sequence[Block], now: Sequence[Block]) -> list[str]:
    """Where two runs of a page disagree: in words, or in numbers by more than rounding."""
    found: list[str] = []
    for one, other in zip(shown, now, strict=True):
        if one.mark == AS_PRINTED or one.lines == other.lines:
            continue
        if len(one.lines) != len(other.lines):
            found.append(f"{len(one.lines)} lines shown, {len(other.lines)} now: {other.lines[:1]}")
        found += [
            f"shown {a!r}, now {b!r}"
            for a, b in zip(one.lines, other.lines, strict=False)
            if not _alike(a, b)
        ]
    return found


def _alike(one: str, other: str) -> bool:
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    return all(
        a == b or math.isclose(_value(a), _value(b), rel_tol=_TOLERANCE) or _last_digit(a, b)
        for a, b in zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    )


def _value(number: str) -> float:
    return float(number.replace(",", "").rstrip("."))


def _last_digit(one: str, other: str) -> bool:
    """Whether two roundings differ by one in the last digit that is shown."""
    places = len(one.partition(".")[2])
    same = places == len(other.partition(".")[2]) and places > 0 and "e" not in one + other
    return same and abs(_value(one) - _value(other)) < 1.5 * 10.0**-places


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pages, or compares them with what their commands print now."""
    parser = argparse.ArgumentParser(prog="python -m experiments.guide", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 if a page differs")
    parser.add_argument("--jobs", type=int, default=1, help="pages at once (default: 1)")
    parser.add_argument("pages", nargs="*", type=Path, help="default: all of docs/guide")
    asked = parser.parse_args(arguments)
    pages = asked.pages or sorted(PAGES.glob(PATTERN))
    status = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        for path, (shown, now) in zip(pages, pool.map(_shown_and_now, pages), strict=True):
            print(path.name, flush=True)
            if not asked.check:
                write_text_atomically(path, written(now))
            elif found := differences(shown, now):
                print("\n".join(f"  {difference}" for difference in found), file=sys.stderr)
                status = 1
    return status


def _shown_and_now(path: Path) -> tuple[list[Block], list[Block]]:
    shown = parse(path.read_text(encoding="utf-8"))
    with workplace() as place:
        return shown, rerun(shown, place)


if __name__ == "__main__":
    sys.exit(main())
