"""What is known before the tables are: the error of each scheme as soon as all samples know it."""

import math
from collections.abc import Callable, Sequence

from fmq_theory.report.base.progress import Stages
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.shown import counted, shown

__all__ = ["early_lines"]


def early_lines(
    bar: Stages, schemes: Sequence[str], bits: Sequence[int], repeats: int
) -> Callable[[str, Sequence[float]], None]:
    """Gives the ``ready`` of ``compare_law``: a line a scheme above the bar, under a line of headings.

    Args:
        bar: on a terminal; elsewhere nothing is printed.
        schemes: names of those that the reader asked for.
        bits: bit-widths.
        repeats: samples.
    """
    labels = {name: shown(style_of(name).label) for name in schemes}
    width = max(map(len, labels.values()), default=0)
    waiting = [True]

    def line(label: str, cells: Sequence[str]) -> str:
        return f"{label:{width}}  {' '.join(f'{cell:>8}' for cell in cells)}"

    def ready(name: str, errors: Sequence[float]) -> None:
        if name not in labels:
            return
        if waiting.pop() if waiting else False:
            words = f"own error, mean of {counted(repeats, 'sample')}, by bits; the tables follow"
            bar.tell(words)
            bar.tell(line("", list(map(str, bits))))
        bar.tell(line(labels[name], ["–" if math.isnan(error) else f"{error:.3g}" for error in errors]))

    return ready
