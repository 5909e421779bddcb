"""Numbers and sentences of a comparison that the terminal and the page share."""

import math
from collections.abc import Sequence

from fmq_theory.checkpoint.compare.result import FileScore
from fmq_theory.report.base.reasons import by_reason
from fmq_theory.report.base.words import ABSENT, percent
from fmq_theory.shown import counted, shown

__all__ = ["decibels", "format_of", "keeping", "legend", "notes_of", "partly", "times"]

_MOST_NAMED = 3
_WIDE = 16.0  # bits


def decibels(value: float | None) -> str:
    """An SQNR; "inf" where nothing is lost."""
    if value is None:
        return ABSENT
    return "inf" if math.isinf(value) else f"{value:.1f}"


def times(value: float | None) -> str:
    """A factor."""
    if value is None:
        return ABSENT
    return "inf" if math.isinf(value) else f"{value:.2f}×" if value < 1000 else f"{value:.0f}×"


def partly(value: float | None, count: int, layers: int) -> str:
    """A factor, and of how many layers it is where these are not all."""
    return times(value) + (f" ({count})" if value is not None and count < layers else "")


def format_of(score: FileScore) -> str:
    """The format of most weights, and how many others there are."""
    rest = len(score.formats) - 1
    return score.formats[0] + (f" and {counted(rest, 'other')}" if rest else "")


def legend(scores: Sequence[FileScore]) -> str:
    """What the columns mean, as far as they have numbers."""
    words = ["error: ‖W − Q‖ / ‖W‖", "SQNR in dB", "bits a weight with all that is stored of a layer"]
    if any(score.totals.over_own is not None for score in scores):
        words.append("own: squared error over the optimum of the file's own format, where that is computed")
    if any(score.totals.over_best is not None for score in scores):
        words.append(
            "best: squared error over the best of what fmq quantize chooses from at the size of each layer; "
            "below 1 the file is better than that"
        )
    if any(
        0 < count < s.totals.layers for s in scores for count in (s.totals.own_layers, s.totals.best_layers)
    ):
        words.append("in brackets: of so many layers")
    return "; ".join(words)


def keeping(score: FileScore) -> str:
    """What keeping layers in 16 bits gains."""
    if not score.keep:
        if score.totals.sse == 0.0:
            return "Nothing is lost: there is nothing to keep in 16 bits."
        if all(layer.effective_bits >= _WIDE for layer in score.layers):
            return "Every layer has 16 bits or more."
        return "No layer stands out: keeping any in 16 bits costs as much as it gains, or more than a tenth."
    last, names = score.keep[-1], [step.name for step in score.keep]
    growth = last.bytes_after / score.totals.num_bytes - 1.0
    return (
        f"Keeping {counted(len(names), 'layer')} in 16 bits ({_named(names)}) leaves "
        f"{percent(last.error_left)} of the squared error, at {percent(growth)} more bytes. "
        "This is of the weights; samples need not follow it."
    )


def notes_of(score: FileScore) -> list[str]:
    """What a reader of the numbers has to know, and what was left out."""
    groups = by_reason((name, reason) for name, _, reason in score.left_out)
    return [
        *score.notes,
        *(f"left out, {reason}: {_named(names)}" for reason, names in groups.items()),
    ]


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(shown(name) for name in names[:_MOST_NAMED]) + more
