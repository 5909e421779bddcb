"""What the doctor found, in a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["print_health"]

_LOOKS = {"ok": "[green]ok[/green]", "note": "[yellow]note[/yellow]", "broken": "[bold red]BROKEN[/bold red]"}
_PIPE_WIDTH = 150


def print_health(checks: Sequence[tuple[str, str, str, str]]) -> None:
    """Prints name, status, what was found and what to do, then a line that sums it up."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    table = Table(box=None, pad_edge=False)
    for heading in ("", "check", "found"):
        table.add_column(heading, no_wrap=heading == "check", overflow="fold")
    for name, status, found, remedy in checks:
        words = escape(found) + (f"\n[bold]→ {escape(remedy)}[/bold]" if remedy else "")
        table.add_row(_LOOKS[status], escape(name), words)
    console.print(table, highlight=False)
    broken = [name for name, status, _, _ in checks if status == "broken"]
    if broken:
        console.print(f"\n[bold red]Broken:[/bold red] {escape(', '.join(broken))}", highlight=False)
    else:
        console.print("\nEverything works.", highlight=False)
