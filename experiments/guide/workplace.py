"""Where the blocks of a page run: an empty folder with the published checkpoints."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.documents.places import ROOT
from experiments.guide.page import NOT_RUN, Block, commands

__all__ = ["CHECKPOINTS", "PAGE", "Workplace", "rerun", "workplace"]

CHECKPOINTS = ROOT.parent / "shared" / "checkpoints"
PAGE = {"COLUMNS": "100"}
"""Variables of the commands whose output the pages show."""


@contextmanager
def workplace(
    checkpoints: Path = CHECKPOINTS, environment: Mapping[str, str] = PAGE
) -> Iterator["Workplace"]:
    """An empty folder with the checkpoints, and ``fmq`` and ``python`` of this interpreter.

    Args:
        checkpoints: folder of the published ones.
        environment: variables that the commands find, beside those of this process.

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
        yield Workplace(folder, programs, environment)


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where the blocks of one page run."""

    folder: Path
    programs: Path
    environment: Mapping[str, str]

    def run(self, command: Sequence[str]) -> str:
        """What it prints on either stream, and its exit status unless that is 0."""
        environment = {
            **os.environ,
            "PATH": os.pathsep.join((str(self.programs), os.environ["PATH"])),
            "PYTHONPATH": str(ROOT),
            **self.environment,
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
