"""Names written beside the ends of curves, in place of a legend, and kept apart."""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from matplotlib.axes import Axes

__all__ = ["EndLabel", "label_ends", "spread_apart"]

_LINE = 1.15
"""Height of a line of text in font sizes."""


@dataclass(frozen=True, slots=True)
class EndLabel:
    """A name, where its curve ends (x and y in data units), and its colour."""

    text: str
    x: float
    y: float
    colour: str


def label_ends(axes: Axes, labels: Sequence[EndLabel], *, height: float, size: float = 8.0) -> None:
    """Writes each name to the right of the axes at the height of its curve's end, joined by a thin line.

    Call it when all curves are drawn.

    Args:
        axes: where the curves are.
        labels: the ends; those that are not finite are left out.
        height: of the axes in inches, about.
        size: of the font in points.
    """
    known = [label for label in labels if math.isfinite(label.x) and math.isfinite(label.y)]
    axes.autoscale_view()  # limits are settled when they are asked for, and not before
    to_fraction = axes.transData + axes.transAxes.inverted()
    ends = [cast("tuple[float, float]", tuple(to_fraction.transform((label.x, label.y)))) for label in known]
    gap = _LINE * size / 72.0 / height
    places = spread_apart([min(1.0, max(0.0, end[1])) for end in ends], gap)
    for label, end, place in zip(known, ends, places, strict=True):
        axes.annotate(
            label.text, xy=(min(1.0, end[0]), min(1.0, max(0.0, end[1]))), xycoords="axes fraction",
            xytext=(1.03, place), textcoords="axes fraction", fontsize=size, color=label.colour,
            va="center", ha="left", annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": label.colour, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 3,
                "alpha": 0.7, "relpos": (0.0, 0.5),
            },
        )  # fmt: skip


def spread_apart(places: Sequence[float], gap: float) -> list[float]:
    """The nearest places in [0, 1] (least squares) in the same order, at least ``gap`` apart.

    More than fit are allowed to run over the top.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    # With k gaps taken off the k-th, "at least a gap apart" is "not decreasing": pool what violates it.
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        mean, count = places[index] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            before, members = pools.pop()
            mean = (mean * count + before * members) / (count + members)
            count += members
        pools.append((mean, count))
    most = max(0.0, 1.0 - (len(places) - 1) * gap)
    flat = [min(most, max(0.0, mean)) for mean, count in pools for _ in range(count)]
    found = [0.0] * len(places)
    for rank, index in enumerate(order):
        found[index] = flat[rank] + rank * gap
    return found
