"""What an export wrote, whatever its format."""

import math
from dataclasses import dataclass
from pathlib import Path

from fmq_theory.brief import brief_repr

__all__ = ["Export", "Written"]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one tensor that was quantized.

    Attributes:
        format: in a word or two, as "Q4_0".
        weights: how many there are.
        num_bytes: of all that is stored of it: codes, scales, tables, and what is said of them.
        error: sum of squared errors of what the format's own reader rebuilds.
        energy: sum of squared weights.
    """

    format: str
    weights: int
    num_bytes: int
    error: float
    energy: float


@dataclass(frozen=True, slots=True)
class Export:
    """What was written.

    Attributes:
        path: of the file of the tensors.
        num_bytes: its size.
        original_bytes: what its tensors took before.
        quantized: what became of each tensor that was quantized, by name.
        kept: the other tensors that have two dimensions or more, and why each is not quantized.
    """

    path: Path
    num_bytes: int
    original_bytes: int
    quantized: dict[str, Written]
    kept: dict[str, str]

    __repr__ = brief_repr

    @property
    def relative_error(self) -> float:
        """Sum of squared errors over that of squared weights, of all quantized tensors."""
        energy = math.fsum(part.energy for part in self.quantized.values())
        error = math.fsum(part.error for part in self.quantized.values())
        return error / energy if energy else 0.0

    @property
    def bits_per_weight(self) -> float:
        """All that is stored of the quantized tensors, over their weights."""
        weights = sum(part.weights for part in self.quantized.values())
        return 8.0 * sum(part.num_bytes for part in self.quantized.values()) / weights

    @property
    def formats(self) -> dict[str, int]:
        """How many tensors have each format, most first."""
        counts: dict[str, int] = {}
        for written in self.quantized.values():
            counts[written.format] = counts.get(written.format, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))
