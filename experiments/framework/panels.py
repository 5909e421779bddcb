"""Pieces that several figures are made of: grids of panels with names at their right, bars, fractions."""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fmq_theory.report.direct_labels import EndLabel, label_ends
from fmq_theory.report.looks import look

__all__ = ["error_bars", "grid", "label_curves", "law_colours"]

_COLUMNS = 4
_HEIGHT = 2.1


def grid(
    names: Sequence[str],
    title: Callable[[str], str],
    draw: Callable[[Axes, str], None],
    explain: Callable[[Axes], None],
) -> Figure:
    """A panel a name over bits, curves named beside each, and what line and point mean in the last place.

    Args:
        names: of the panels, in order.
        title: of a panel.
        draw: fills a panel.
        explain: adds to a panel empty curves with labels, and the name of the y axis.
    """
    columns = min(_COLUMNS, len(names) + 1)
    lines = -(-(len(names) + 1) // columns)
    figure = Figure(figsize=(3.5 * columns, (_HEIGHT + 0.55) * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        draw(axes, name)
        axes.set_title(title(name), loc="left", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    explain(panels[len(names)])
    panels[len(names)].legend(loc="center left", fontsize=8.5)
    for axes in panels[: len(names) : columns]:
        axes.set_ylabel(panels[len(names)].get_ylabel())
    for axes in panels[max(0, len(names) - columns) : len(names)]:
        axes.set_xlabel("bits per weight b")
    return figure


def label_curves(axes: Axes, ends: Mapping[str, tuple[float, float]]) -> None:
    """The short name of each scheme where its curve ends: beside the panel, or at a point inside it."""
    last = max(x for x, _ in ends.values())
    inside = [name for name, end in ends.items() if end[0] < last]
    for rank, name in enumerate(sorted(inside, key=lambda name: ends[name][1])):
        axes.annotate(
            look(name).short, ends[name], xytext=(4, 5 if rank else -5), textcoords="offset points",
            fontsize=6.5, color=look(name).colour, va="center",
        )  # fmt: skip
    labels = [
        EndLabel(look(name).short, *end, look(name).colour)
        for name, end in ends.items()
        if name not in inside
    ]
    label_ends(axes, labels, height=_HEIGHT, size=6.5)


def error_bars(values: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> list[list[float]]:
    """Lengths down and up for a log axis: an interval that reaches zero stops at a hundredth of the value."""
    return [
        [max(0.0, min(value - low, 0.99 * value)) for value, low in zip(values, lows, strict=True)],
        [max(0.0, high - value) for value, high in zip(values, highs, strict=True)],
    ]


def law_colours(laws: Sequence[str]) -> dict[str, str]:
    """From dark violet (light tails) to orange (heavy ones): ever lighter, so that grey tells them too."""
    shades = np.linspace(0.0, 0.82, len(laws))
    return {name: to_hex(mpl.colormaps["plasma"](shade)) for name, shade in zip(laws, shades, strict=True)}
