"""Figures on disk: vector and PNG, the same bytes from the same table."""

from pathlib import Path

from experiments.framework.experiment import Experiment
from experiments.framework.table import Table
from fmq_theory.report.base.style import figure_style, save_figure

__all__ = ["write_figures"]


def write_figures(
    experiment: Experiment, table: Table, folder: Path, *, vector_only: bool = False
) -> list[Path]:
    """Draws every figure of an experiment as SVG, and as PNG unless told otherwise; gives the SVG files."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with figure_style():
        for part, figure in experiment.plot(table).items():
            name = f"{experiment.name}{'-' if part else ''}{part}"
            for suffix in (".svg",) if vector_only else (".svg", ".png"):
                save_figure(figure, folder / f"{name}{suffix}")
            written.append(folder / f"{name}.svg")
    return written
