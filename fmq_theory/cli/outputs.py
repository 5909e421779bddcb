"""The files a command writes: refused before the work begins, written whole at its end."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmq_theory.shown import escaped, file_stem, json_text

if TYPE_CHECKING:
    from fmq_theory.claims import Comparison

__all__ = ["Outputs", "ReportFiles", "say_next"]

_FIGURE_SUFFIXES = (".svg", ".pdf", ".png")


def say_next(path: Path, words: str) -> None:
    """Says what to do next with what was just written to ``path``; a device keeps nothing of it."""
    if path.is_file() or path.is_dir():
        click.echo(f"Next: {words}")
    else:
        click.echo(f"Next: name a file, {escaped(path)} keeps nothing.")


@dataclass(slots=True)
class ReportFiles:
    """The files that ``--json``, ``--csv`` and ``--html`` name.

    Attributes:
        json_path: "-" where the JSON is printed in place of what a command prints else.
        csv_path: None for none.
        html_path: None for none.
        force: files that are there may be replaced.
    """

    json_path: str | None = None
    csv_path: Path | None = None
    html_path: Path | None = None
    force: bool = False
    _written: list[tuple[str, Path]] = field(default_factory=list[tuple[str, Path]], init=False)

    @property
    def prints_json(self) -> bool:
        """Nothing but the JSON is printed to the standard output."""
        return self.json_path == "-"

    @property
    def json_file(self) -> Path | None:
        """Where the JSON is written; None where it is printed, or not asked for."""
        return None if self.json_path is None or self.prints_json else Path(self.json_path)

    def check(self, *others: Path) -> None:
        """Refuses what cannot be written, before any work is done.

        Args:
            others: further files that the command writes.

        Raises:
            OutputError: see ``storage.check_outputs``.
        """
        from fmq_theory.storage import check_outputs

        named = (*others, self.json_file, self.csv_path, self.html_path)
        check_outputs((path for path in named if path is not None), overwrite=self.force)

    def write(
        self,
        report: Callable[[], Mapping[str, Any]],
        csv: Callable[[Path], None] | None = None,
        html: Callable[[Path], None] | None = None,
    ) -> None:
        """Writes each file that was named, whole or not at all, and prints the JSON if it was asked for.

        Args:
            report: the JSON's values.
            csv: writes the CSV; it may be missing where the command has no such option.
            html: writes the page; it may be missing for the same reason.

        Raises:
            OutputError: the disk refused.
        """
        from fmq_theory.storage import write_text_atomically

        if self.json_path is not None:
            text = json_text(report(), ascii_only=True)
            if (path := self.json_file) is None:
                click.echo(text)
            else:
                write_text_atomically(path, text + "\n")
                self._written.append(("JSON", path))
        for kind, path, writer in (("CSV", self.csv_path, csv), ("HTML", self.html_path, html)):
            if path is not None and writer is not None:
                writer(path)
                self._written.append((kind, path))

    def tell(self) -> None:
        """Says which files were written, on the standard error where the output is the JSON."""
        for kind, path in self._written:
            click.echo(f"{kind}: {escaped(path)}", err=self.prints_json)


@dataclass(slots=True)
class Outputs:
    """Where the figure, the JSON and the CSV go.

    A figure that the user did not name goes to the current folder under a name made of the input; a run with
    the same input replaces it. Files that the user named are replaced only with --force.
    """

    plot: Path | None
    no_plot: bool
    files: ReportFiles
    quiet: bool = False
    _figure: Path | None = field(default=None, init=False)

    def check(self, default_name: str) -> None:
        """Settles the figure's name and refuses what cannot be written, before any work is done.

        Raises:
            OutputError: see ``storage.check_outputs``.
        """
        from fmq_theory.storage import check_output

        if self.plot is not None and self.no_plot:
            raise click.UsageError("--plot and --no-plot exclude each other")
        if self.plot is not None and self.plot.suffix not in _FIGURE_SUFFIXES:
            raise click.UsageError(
                f"--plot {self.plot}: the suffix must be one of {', '.join(_FIGURE_SUFFIXES)}"
            )
        if not self.no_plot:
            self._figure = self.plot or Path(f"{file_stem(default_name)}.svg")
        self.files.check(*filter(None, [self.plot]))
        if self._figure is not None and self.plot is None:
            check_output(self._figure, overwrite=True)

    def write(self, comparison: "Comparison") -> None:
        """Prints the tables, writes the files, says where these are and what to run next.

        The tables come first: a figure takes a second to draw. What is printed may get lost, as when its
        reader leaves; that stops no file.
        """
        from fmq_theory.report import print_comparison, write_csv
        from fmq_theory.report.comparison.files import comparison_as_json

        if not self.files.prints_json:
            print_comparison(comparison, quiet=self.quiet)
            sys.stdout.flush()
        if self._figure is not None:
            from fmq_theory.report import progress_bar

            with progress_bar("figure", "drawing"):
                from fmq_theory.report.comparison.figure import write_comparison_figure

                write_comparison_figure(comparison, self._figure)
            click.echo(f"Figure: {escaped(self._figure)}", err=self.files.prints_json)
        self.files.write(lambda: comparison_as_json(comparison), lambda path: write_csv(comparison, path))
        self.files.tell()
        if self.files.json_path is None and not comparison.tensors:
            click.echo("Next: --json FILE keeps the numbers; --checkpoint FILE measures your weights.")
