"""Four-bit floating point E2M1."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fmq_theory.quantizers.fixed_table import FixedTable

__all__ = ["FP4"]

_MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True, slots=True)
class FP4(FixedTable):
    """One sign, two exponent and one mantissa bit: +-{0, .5, 1, 1.5, 2, 3, 4, 6} / 6 of max|x|.

    Sixteen codes, fifteen levels: +0 and -0 are one.

    Args:
        sample_size: n, for a law only: max|x| is that of its typical range among n weights.

    Reference:
        OCP Microscaling Formats (MX) v1.0, 2023, section 5.3.3 (FP4 E2M1).
    """

    name: ClassVar[str] = "fp4"

    def table(self) -> NDArray[np.float64]:
        magnitudes = np.array(_MAGNITUDES) / _MAGNITUDES[-1]
        return np.concatenate((-magnitudes[:0:-1], magnitudes))
