"""Figures on disk: vector and PNG, the same bytes from the same table."""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

from pathlib import Path

from experiments.framework.experiment import Experiment
from experiments.framework.table import Table
from fmq_theory.report.files import write_atomically
from fmq_theory.report.style import figure_style

__all__ = ["write_figures"]


def write_figures(
    experiment: Experiment, table: Table, folder: Path, *, vector_only: bool = False
) -> list[Path]:
    """Draws every figure of an experiment as SVG, and as PNG unless told otherwise; gives the SVG files."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with figure_style():
        for part, figure in experiment.plot(table).items():
            for suffix in (".svg",) if vector_only else (".svg", ".png"):
                path = folder / f"{experiment.name}{'-' if part else ''}{part}{suffix}"
                # No date in the file: the same table gives the same bytes.
                metadata = {"Date": None} if suffix == ".svg" else {}
                write_atomically(
                    path,
                    lambda place, figure=figure, kind=suffix[1:], metadata=metadata: figure.savefig(
                        place, format=kind, metadata=metadata
                    ),
                )
            written.append(folder / f"{experiment.name}{'-' if part else ''}{part}.svg")
    return written
