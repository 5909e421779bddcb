"""The intervals that are printed: a kind that is not here has none in any table, file or figure.

Whoever prints an interval asks ``printed_interval`` for its ends, by the name of its kind. The experiment
``coverage`` counts how often each kind holds what it is of; 93 to 97 % is asked of nominal 95 %, and a test
holds every kind against the published count.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fmq_theory.brief import brief_repr
from fmq_theory.errors import WeightsError
from fmq_theory.metrics.intervals import Estimate

__all__ = ["INTERVAL_KINDS", "IntervalKind", "printed_interval"]


@dataclass(frozen=True, slots=True)
class IntervalKind:
    """An interval at nominal 95 % whose coverage was counted.

    Attributes:
        of: what it holds: "median" or "mean", as ``Estimate.of``.
        over: what the repeats are, in words.
        method: how its ends are made, in words.
        fewest: repeats; fewer have no interval.
        fewest_each: numbers that a repeat is the mean of; repeats of fewer have no interval.
        most_bits: by quantity, the most bits of a code at which it has an interval; 0 for none at all.
        quantities: the only ones that have it; empty for all.
    """

    of: str
    over: str
    method: str
    fewest: int
    fewest_each: int = 1
    most_bits: Mapping[str, int] = field(default_factory=dict[str, int])
    quantities: frozenset[str] = frozenset()
    __repr__ = brief_repr

    def has(self, quantity: str, bits: object, count: int) -> bool:
        """Whether this quantity has the interval.

        Args:
            quantity: the name of its column.
            bits: of the code; None where the quantity is of several bit-widths.
            count: repeats.
        """
        if count < self.fewest or (self.quantities and quantity not in self.quantities):
            return False
        most = self.most_bits.get(quantity)
        return most is None or (most > 0 and (not isinstance(bits, int) or bits <= most))


_SCORES = frozenset({"psnr_db", "ssim"})
_SSIM_BITS = 4
"""Up to here Student's interval of a mean SSIM covers 93 to 97 %; from 6 bits on it may cover below 80 %."""

INTERVAL_KINDS: Mapping[str, IntervalKind] = MappingProxyType(
    {
        # The density of b* jumps at whole bits, where an interpolated interval covers less than 93 %.
        "median": IntervalKind(
            "median", "drawn layers", "order statistics, interpolated to 95 %", 6, 1, {"crossover": 0}
        ),
        "mean": IntervalKind(
            "mean", "samples of a flow", "Student's", 192, 1, {"ssim": _SSIM_BITS}, _SCORES
        ),
        "seeds": IntervalKind(
            "mean", "draws of the noise", "Student's", 2, 16, {"ssim": _SSIM_BITS}, _SCORES
        ),
        "lead": IntervalKind(
            "median", "pairs of samples from the same noise", "from one order statistic to another", 6
        ),
    }
)  # fmt: skip
"""By name. A kind is added when ``coverage`` counts it."""


def printed_interval(
    estimate: Estimate, kind: str, quantity: str = "", bits: int | None = None
) -> tuple[float, float] | None:
    """Both ends of an estimate's interval where it may be printed, else None.

    Args:
        estimate: of independent repeats.
        kind: a key of ``INTERVAL_KINDS``.
        quantity: the name of its column, where the kind tells quantities apart.
        bits: of the code, where the kind tells bit-widths apart.

    Raises:
        WeightsError: no such kind, or the estimate is of another thing than the kind.

    Examples:
        >>> from fmq_theory.metrics import mean_estimate, printed_interval
        >>> found = printed_interval(mean_estimate([0.0, 2.0] * 96), "mean", "psnr_db")
        >>> [round(end, 3) for end in found]  # 1 -+ t(191 df) / sqrt(191)
        [0.857, 1.143]
        >>> printed_interval(mean_estimate([0.0, 2.0] * 95), "mean", "psnr_db") is None  # too few
        True
    """
    known = INTERVAL_KINDS.get(kind)
    if known is None:
        raise WeightsError(
            f"interval {kind!r}",
            "its coverage was not counted",
            f"use one of {', '.join(INTERVAL_KINDS)}, or count it in the experiment coverage",
        )
    if estimate.of != known.of:
        raise WeightsError(
            f"interval {kind!r}", f"it is of a {known.of}, not of a {estimate.of}", "pass the other estimate"
        )
    low, high = estimate.low, estimate.high
    if low is None or high is None:
        return None
    return (low, high) if known.has(quantity, bits, estimate.count) else None
