"""Matplotlib settings shared by every figure."""

from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from fmq_theory.report.base.files import write_atomically

__all__ = ["PAGE_WIDTH", "figure_style", "heading", "save_figure"]

PAGE_WIDTH = 9.3
"""Inches: the text of a page of the site. A figure that is wider is shrunk there, and its words with it."""


def figure_style() -> AbstractContextManager[None]:
    """Matplotlib settings for print: small sans-serif, thin axes, text kept as text in SVG and PDF."""
    return mpl.rc_context(  # pyright: ignore[reportUnknownMemberType]
        {
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "grid.linewidth": 0.5,
            "lines.linewidth": 1.3,
            "lines.markersize": 4.5,
            "legend.frameon": False,
            "legend.fontsize": 8,
            "svg.fonttype": "none",
            "svg.hashsalt": "fmq_theory",
            "pdf.fonttype": 42,
            "figure.dpi": 120,
            "savefig.dpi": 200,
        }
    )


def heading(figure: Figure, text: str, *, size: float = 9.0) -> None:
    """Writes ``text`` above all panels, from the left edge on, in as many lines as the width asks for."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=size, wrap=True)  # pyright: ignore[reportUnknownMemberType]


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure, whole or not at all; without a date, so that the same run gives the same bytes.

    Args:
        figure: drawn, and saved, within ``figure_style``.
        path: its ending names the format: svg, pdf or png.
    """
    kind = path.suffix[1:]
    dated = {"svg": "Date", "pdf": "CreationDate"}.get(kind)
    metadata = {dated: None} if dated else {}
    write_atomically(path, lambda place: figure.savefig(place, format=kind, metadata=metadata))  # pyright: ignore[reportUnknownMemberType]
