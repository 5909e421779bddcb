"""NormalFloat: the sixteen levels of QLoRA."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fmq_theory.quantizers.fixed_table import FixedTable

__all__ = ["NF4"]

# Printed to float32 in Dettmers et al. 2023, appendix E. tests/ recompute it from normal quantiles.
_TABLE = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


@dataclass(frozen=True, slots=True)
class NF4(FixedTable):
    """Normal quantiles scaled to [-1, 1], with an exact zero: 7 levels below it and 8 above.

    With q the standard normal quantile and d = 0.9677083 the levels are q at 9 even steps from d
    to 1/2 above zero (the last left out) and -q at 8 such steps below, over q(d).

    Args:
        sample_size: n, for a law only: max|x| is that of its typical range among n weights.

    Reference:
        Dettmers, Pagnoni, Holtzman, Zettlemoyer, "QLoRA", NeurIPS 2023, arXiv:2305.14314, app. E.

    Examples:
        The table is scaled to the largest magnitude, and a zero stays zero:

        >>> from fmq_theory import quantizers, sources
        >>> levels = quantizers.NF4().design(sources.Empirical([-2.0, 0.0, 1.0]), 16).levels
        >>> levels.size, float(levels[0]), float(levels[7]), float(levels[15])
        (16, -2.0, 0.0, 2.0)
    """

    name: ClassVar[str] = "nf4"

    def table(self) -> NDArray[np.float64]:
        return np.array(_TABLE)
