"""A page of the guide as blocks: prose, what is run, what it printed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["AS_PRINTED", "NOT_RUN", "SLOW", "Block", "commands", "parse", "written"]

AS_PRINTED, SLOW, NOT_RUN = "as printed", "slow", "not run"
_FENCE = re.compile(r"^```(\w*)$")
_MARK = re.compile(r"^<!-- (as printed|slow|not run|file [\w.-]+) -->$")


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


def commands(block: Block) -> list[str]:
    """Those of a console block; a line that ends in a backslash goes on in the next one."""
    found: list[str] = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append(line[2:])
        elif found and found[-1].endswith("\\"):
            found[-1] += f"\n{line}"
    return found
