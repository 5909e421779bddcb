"""What the doctor found, in a terminal."""

from collections.abc import Sequence

from rich.text import Text

from fmq_theory.report.base.tables import print_prose, terminal

__all__ = ["print_health"]

_LOOKS = {"ok": "green", "note": "yellow", "broken": "bold red"}
_SIGNS = {"ok": "ok    ", "note": "note  ", "broken": "BROKEN"}
_INDENT = 7
_BESIDE = 80
"""Characters from which on what was found stands beside the name of the check."""


def print_health(checks: Sequence[tuple[str, str, str, str]]) -> None:
    """Prints name, status, what was found and what to do, then a line that sums it up."""
    console = terminal()
    width = max((len(name) for name, *_ in checks), default=0)
    indent = _INDENT + width + 1 if console.width >= _BESIDE else _INDENT
    for name, status, found, remedy in checks:
        shown = Text.assemble((_SIGNS[status], _LOOKS[status]), f" {name}")
        if indent > _INDENT:
            print_prose(console, found, indent=indent, before=shown)
        else:
            console.print(shown, soft_wrap=True)
            print_prose(console, found, indent=indent)
        if remedy:
            print_prose(console, f"→ {remedy}", style="bold", indent=indent)
    broken = [name for name, status, _, _ in checks if status == "broken"]
    console.print()
    if broken:
        print_prose(console, ", ".join(broken), head="Broken:")
    else:
        print_prose(console, "Everything works.")
