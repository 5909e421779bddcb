"""The files a command writes: refused before the work begins, written whole at its end."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmq_theory.shown import escaped, file_stem

if TYPE_CHECKING:
    from fmq_theory.claims import Comparison

__all__ = ["Outputs", "say_next"]

_FIGURE_SUFFIXES = (".svg", ".pdf", ".png")


def say_next(path: Path, words: str) -> None:
    """Says what to do next with what was just written to ``path``; a device keeps nothing of it."""
    if path.is_file() or path.is_dir():
        click.echo(f"Next: {words}")
    else:
        click.echo(f"Next: name a file, {escaped(path)} keeps nothing.")


@dataclass(slots=True)
class Outputs:
    """Where the figure, the JSON and the CSV go.

    A figure that the user did not name goes to the current folder under a name made of the input; a run with
    the same input replaces it. Files that the user named are replaced only with --force.
    """

    plot: Path | None
    no_plot: bool
    json_path: Path | None
    csv_path: Path | None
    force: bool
    quiet: bool = False
    _figure: Path | None = field(default=None, init=False)

    def check(self, default_name: str) -> None:
        """Settles the figure's name and refuses what cannot be written, before any work is done.

        Raises:
            OutputError: see ``storage.check_outputs``.
        """
        from fmq_theory.storage import check_output, check_outputs

        if self.plot is not None and self.no_plot:
            raise click.UsageError("--plot and --no-plot exclude each other")
        if self.plot is not None and self.plot.suffix not in _FIGURE_SUFFIXES:
            raise click.UsageError(
                f"--plot {self.plot}: the suffix must be one of {', '.join(_FIGURE_SUFFIXES)}"
            )
        if not self.no_plot:
            self._figure = self.plot or Path(f"{file_stem(default_name)}.svg")
        named = [path for path in (self.plot, self.json_path, self.csv_path) if path is not None]
        check_outputs(named, overwrite=self.force)
        if self._figure is not None and self.plot is None:
            check_output(self._figure, overwrite=True)

    def write(self, comparison: "Comparison") -> None:
        """Prints the tables, writes the files, says where these are and what to run next.

        The tables come first: a figure takes a second to draw. What is printed may get lost, as when its
        reader leaves; that stops no file.
        """
        from fmq_theory.report import print_comparison, write_csv, write_json

        print_comparison(comparison, quiet=self.quiet)
        sys.stdout.flush()
        written: list[tuple[str, Path]] = []
        if self._figure is not None:
            from fmq_theory.report import progress_bar

            with progress_bar("figure", "drawing"):
                from fmq_theory.report.comparison.figure import write_comparison_figure

                write_comparison_figure(comparison, self._figure)
            written.append(("Figure", self._figure))
        if self.json_path is not None:
            write_json(comparison, self.json_path)
            written.append(("JSON", self.json_path))
        if self.csv_path is not None:
            write_csv(comparison, self.csv_path)
            written.append(("CSV", self.csv_path))
        for kind, path in written:
            click.echo(f"{kind}: {escaped(path)}")
        if self.json_path is None and not comparison.tensors:
            click.echo("Next: --json FILE keeps the numbers; --checkpoint FILE measures your weights.")
