"""Where ``fmq flow`` keeps what it finds."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from fmq_theory.cli.outputs import say_next
from fmq_theory.shown import counted, escaped, file_stem, shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from fmq_theory.flow import FlowModel
    from fmq_theory.flow.cell_store import CellStore
    from fmq_theory.flow.flow_report import FlowReport

__all__ = ["FlowFolder"]

CELLS = "cells.jsonl"
REPORT = "flow.json"
_DRAWN = "figures"


@dataclass(slots=True)
class FlowFolder:
    """The results' folder: refused before the work begins, filled at its end.

    A folder that the user did not name is in the current one under a name made of the input; a finished run
    in it is replaced, an unfinished one is not.
    """

    out: Path | None
    short: str
    json_path: Path | None
    csv_path: Path | None
    no_plot: bool
    resume: bool
    force: bool
    _store: "CellStore | None" = field(default=None, init=False, repr=False)
    _made: bool = field(default=False, init=False, repr=False)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.out or Path(f"fmq-flow-{file_stem(self.short)}")

    def check(self) -> None:
        """Makes the folder, or refuses one that holds results which nobody gave up.

        Raises:
            OutputError: with what to pass.
        """
        from fmq_theory.errors import OutputError
        from fmq_theory.storage import check_output, check_outputs

        path = self.path
        if path.exists() and not path.is_dir():
            raise OutputError(f"output {path}", "it is a file", "name a folder")
        finished, begun = (path / REPORT).exists(), (path / CELLS).exists()
        if begun and not finished and not (self.resume or self.force):
            raise OutputError(
                f"output {path}", "it holds a run that was stopped", "pass --resume to go on, or --force"
            )
        if finished and self.out is not None and not (self.resume or self.force):
            raise OutputError(
                f"output {path}",
                "it holds a finished run",
                "pass --resume to add cells, or --force to replace it",
            )
        if not path.exists():
            check_output(path, overwrite=True)
            path.mkdir()
            self._made = True
        elif not os.access(path, os.W_OK):
            raise OutputError(f"output {path}", "the folder is not writable", "choose another folder")
        named = [named for named in (self.json_path, self.csv_path) if named is not None]
        check_outputs(named, overwrite=self.force)

    def locked(self) -> "AbstractContextManager[None]":
        """Keeps other runs out while this one fills the folder.

        Raises:
            OutputError: another run has it.
        """
        from fmq_theory.storage import locked_folder

        return locked_folder(self.path, f"output {self.path}")

    def forget(self) -> None:
        """Takes away what a run leaves that failed before its first cell; it would pass for a stopped one."""
        if self.kept or self.resume:
            return
        with suppress(OSError):  # the error that ended the run is the one to tell
            if self._store is not None:
                self._store.path.unlink(missing_ok=True)
            if self._made:
                self.path.rmdir()

    @property
    def kept(self) -> int:
        """How many finished cells are there; 0 before ``store``."""
        return 0 if self._store is None else len(self._store)

    def store(self, model: "FlowModel", about: "Mapping[str, object]") -> "CellStore":
        """The finished cells of a run with the same weights and settings, or none.

        Args:
            model: with its weights.
            about: all else that a cell depends on, as JSON values.
        """
        from fmq_theory import __version__
        from fmq_theory.flow.cell_store import CellStore
        from fmq_theory.flow.identity import model_digest, weights_digest

        known = {"weights": weights_digest(model), "network": model_digest(model)}
        settings = {"fmq_theory": __version__, **known, **about}
        store = self._store = CellStore(self.path / CELLS, settings)
        if self.resume:
            store.resume()
            click.echo(f"{counted(len(store), 'cell')} kept from before", err=True)
        else:
            # The report of the run before would pass for this one's if this one is stopped.
            (self.path / REPORT).unlink(missing_ok=True)
            store.start()
        return store

    def write(self, report: "FlowReport", command: str) -> None:
        """Writes the files, prints the tables, says where the files are and what to run next."""
        from fmq_theory.report import write_text_atomically
        from fmq_theory.report.flow.files import write_flow_csv, write_flow_json
        from fmq_theory.report.flow.markdown import flow_markdown
        from fmq_theory.report.flow.tables import print_flow

        json_path, csv_path = self.json_path or self.path / REPORT, self.csv_path or self.path / "rows.csv"
        write_flow_csv(report, csv_path)
        figures: list[str] = []
        if not self.no_plot:
            figures = self._figures(report)
        write_text_atomically(self.path / "report.md", flow_markdown(report, command, figures))
        write_flow_json(report, json_path)
        print_flow(report)
        if figures:
            click.echo(f"Figures in {escaped(self.path)}: {', '.join(figures)}")
        click.echo(f"JSON: {escaped(json_path)}   CSV: {escaped(csv_path)}")
        what = "outputs" if report.measure == "velocity" else "samples"
        say_next(
            json_path,
            f"fmq claims --fidelity {shell_word(json_path)} judges the paper's claims on these {what}.",
        )

    def _figures(self, report: "FlowReport") -> list[str]:
        """Names of the figures; those that an earlier run drew of the same report are kept."""
        from fmq_theory.flow.kept_parts import report_digest

        digest = report_digest(report)
        kept = None if self._store is None else self._store.part(_DRAWN)
        if isinstance(kept, dict):
            drawn = cast("dict[str, Any]", kept)
            names = [str(name) for name in drawn.get("names", ())]
            files = [(self.path / name).with_suffix(end) for name in names for end in (".svg", ".png")]
            if drawn.get("digest") == digest and all(file.is_file() for file in files):
                return names
        from fmq_theory.report import progress_bar

        with progress_bar("figures", "drawing"):
            from fmq_theory.report.flow.figures import write_flow_figures

            names = [path.name for path in write_flow_figures(report, self.path)]
        if self._store is not None:
            self._store.keep_part(_DRAWN, {"digest": digest, "names": names})
        return names
