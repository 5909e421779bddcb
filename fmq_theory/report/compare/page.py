"""Comparisons as one self-contained page: files side by side, every layer to sort and find; no network."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from fmq_theory.checkpoint.compare.result import FileScore
from fmq_theory.report.base.environment import environment
from fmq_theory.report.base.files import write_text_atomically
from fmq_theory.report.base.pages import filled_page
from fmq_theory.report.base.words import percent, size_of
from fmq_theory.report.compare.words import (
    decibels,
    format_of,
    keeping,
    legend,
    notes_of,
    partly,
    times,
)  # fmt: skip
from fmq_theory.shown import counted, shown

__all__ = ["scores_html", "write_scores_html"]


def write_scores_html(scores: Sequence[FileScore], path: Path) -> None:
    """Writes the page, whole or not at all.

    Args:
        scores: of one original.
        path: of the file.
    """
    write_text_atomically(path, scores_html(scores))


def scores_html(scores: Sequence[FileScore]) -> str:
    """The page.

    Args:
        scores: of one original, at least one.
    """
    return filled_page(
        "fmq_theory.report.compare",
        "compare.html.j2",
        {
            "breakable": _breakable,
            "counted": counted,
            "decibels": decibels,
            "format_of": format_of,
            "keeping": keeping,
            "notes_of": notes_of,
            "partly": partly,
            "percent": percent,
            "size": size_of,
            "times": times,
        },
        scores=scores,
        title=Path(scores[0].original).name,
        totals=scores[0].totals,
        legend=legend(scores),
        environment=environment(),
    )


def _breakable(name: str) -> Markup:
    """A name that may be broken after its dots and slashes."""
    parts = [Markup("/<wbr>").join(part.split("/")) for part in shown(name).split(".")]
    return Markup(".<wbr>").join(parts)
