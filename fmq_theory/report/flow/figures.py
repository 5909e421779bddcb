"""The figures of a flow experiment, each as SVG and PNG."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.report.base.style import figure_style, save_figure
from fmq_theory.report.flow.fidelity_figures import latent_figure, samples_figure, similarity_figure
from fmq_theory.report.flow.ladder_figures import error_figure, ladder_figure

__all__ = ["FIGURES", "write_flow_figures"]

FIGURES: dict[str, Callable[[FlowReport], Figure | None]] = {
    "similarity": similarity_figure,
    "ladder": ladder_figure,
    "error": error_figure,
    "latent": latent_figure,
    "samples": samples_figure,
}
"""By the name of the file; a figure that has nothing to show is None."""


def write_flow_figures(report: FlowReport, folder: Path) -> list[Path]:
    """Draws every figure that has something to show; gives the SVG files."""
    written: list[Path] = []
    for name, draw in FIGURES.items():
        with figure_style():
            figure = draw(report)
            if figure is None:
                continue
            for suffix in (".svg", ".png"):
                save_figure(figure, folder / f"{name}{suffix}")
            written.append(folder / f"{name}.svg")
    return written
