"""Pieces that several figures are made of: grids of panels with names at their right, fractions."""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fmq_theory.report.base.direct_labels import EndLabel, label_ends
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import PAGE_WIDTH

__all__ = ["Blocks", "blocks", "grid", "label_curves", "law_colours", "leave_out", "name_columns"]

_COLUMNS = 3
_HEIGHT = 1.95


@dataclass(frozen=True, slots=True)
class Blocks:
    """Panels of several subjects, a few side by side, each a small column of panels.

    Attributes:
        figure: that holds them.
        panels: by subject, from above.
        first: subjects at the left, whose panels name their axes.
        labelled: the subject whose curves are named; at the right, so that there is room.
        spare: an empty panel where the last row has room for one: the place for a legend.
    """

    figure: Figure
    panels: Mapping[str, Sequence[Axes]]
    first: Sequence[str]
    labelled: str
    spare: Axes | None


def blocks(
    names: Sequence[str], lines: int, *, height: float = _HEIGHT, share_x: bool = True, share_y: bool = True
) -> Blocks:
    """Three subjects side by side and as many rows of them as it takes, ``lines`` panels each.

    Args:
        names: of the subjects, in order.
        lines: panels of each.
        height: of a panel in inches.
        share_x: all panels have one x axis.
        share_y: panels in the same place of their columns have one y axis.
    """
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    width = PAGE_WIDTH if columns == _COLUMNS else 3.4 * columns + 1.2
    figure = Figure(figsize=(width, (height + 0.35) * lines * rows + 0.3 * rows), layout="constrained")
    axes = figure.subplots(lines * rows, columns, squeeze=False)
    panels: dict[str, Sequence[Axes]] = {}
    spare: Axes | None = None
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        own = list(axes[row * lines : (row + 1) * lines, column])
        if place >= len(names):
            for one in own:
                one.set_axis_off()
            spare = spare or own[0]
            continue
        panels[names[place]] = own
        for line, one in enumerate(own):
            if share_x and one is not axes[0, 0]:
                one.sharex(axes[0, 0])
            if share_x and line < lines - 1:
                one.tick_params(labelbottom=False)
            if share_y and place:
                one.sharey(axes[line, 0])
                one.tick_params(labelleft=column == 0)
    return Blocks(figure, panels, names[::columns], names[columns - 1], spare)


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
    figure = Figure(figsize=(PAGE_WIDTH / _COLUMNS * columns, (_HEIGHT + 0.5) * lines), layout="constrained")
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


def leave_out(axes: Axes, why: str) -> None:
    """A place of a grid of panels that holds words and no panel.

    Args:
        axes: the place.
        why: what is said there.
    """
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", color="0.5")


def name_columns(panels: NDArray[np.object_], words: str) -> None:
    """Numbers below every panel of a grid, and the name of the x axis below the last one of each column.

    Args:
        panels: of a grid whose columns share their x axis; some places may be left out.
        words: the name of the x axis.
    """
    for column in panels.T:
        seen = [axes for axes in column if axes.axison]
        for axes in seen:
            axes.tick_params(labelbottom=True)
        for axes in seen[-1:]:
            axes.set_xlabel(words)


def label_curves(axes: Axes, ends: Mapping[str, tuple[float, float]]) -> None:
    """The short name of each scheme where its curve ends: beside the panel, or at a point inside it."""
    last = max(x for x, _ in ends.values())
    inside = [name for name, end in ends.items() if end[0] < last]
    for rank, name in enumerate(sorted(inside, key=lambda name: ends[name][1])):
        axes.annotate(
            style_of(name).short, ends[name], xytext=(4, 5 if rank else -5), textcoords="offset points",
            fontsize=6.5, color=style_of(name).colour, va="center",
        )  # fmt: skip
    labels = [
        EndLabel(style_of(name).short, *end, style_of(name).colour)
        for name, end in ends.items()
        if name not in inside
    ]
    label_ends(axes, labels, height=_HEIGHT, size=6.5)


def law_colours(laws: Sequence[str]) -> dict[str, str]:
    """From dark violet (light tails) to orange (heavy ones): ever lighter, so that grey tells them too."""
    shades = np.linspace(0.0, 0.82, len(laws))
    return {name: to_hex(mpl.colormaps["plasma"](shade)) for name, shade in zip(laws, shades, strict=True)}
