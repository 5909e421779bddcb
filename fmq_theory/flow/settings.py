"""What a flow experiment is asked for."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from fmq_theory.errors import FlowError, argument
from fmq_theory.flow.published_protocol import PROTOCOLS
from fmq_theory.flow.samplers import get_sampler

__all__ = ["FlowSettings", "pieces_for"]

_MOST_PIECES = 8
_NUMBERS = 64


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """Everything that a cell depends on besides the model.

    Attributes:
        samples: a seed.
        seeds: independent draws of noise and condition.
        steps: of the sampler.
        sampler: a key of ``SAMPLERS``.
        granularity: "channel" or "tensor".
        seed: root of all randomness.
        ladder_samples: samples for which the bounds are worked out, the first of the first seed; 0 for none.
        ladder_pieces: of each segment between the two paths, where constants are taken.
        rows: samples at once; bounds the memory and changes nothing else.
        protocol: which tensors are quantized, see ``published_protocol``. The bounds speak of changed
            weights, so they are left out under "published", which changes running statistics as well.
    """

    samples: int = 64
    seeds: int = 3
    steps: int = 10
    sampler: str = "midpoint"
    granularity: str = "channel"
    seed: int = 0
    ladder_samples: int = 2
    ladder_pieces: int = 1
    rows: int = 64
    protocol: str = "weights"

    def __post_init__(self) -> None:
        get_sampler(self.sampler)
        if min(self.samples - 1, self.seeds, self.steps, self.ladder_pieces, self.rows) < 1:
            raise FlowError(
                "settings",
                f"{self.samples} samples, {self.seeds} seeds, {self.steps} steps are too few",
                "use at least two samples, one seed and one step",
            )
        if self.protocol not in PROTOCOLS:
            raise FlowError(
                f"protocol {self.protocol!r}", "it is unknown", f"choose one of {', '.join(PROTOCOLS)}"
            )
        if self.protocol != "weights" and (self.ladder_samples or self.granularity != "channel"):
            raise FlowError(
                f"protocol {self.protocol!r}",
                "it is by channel, and changes running statistics, of which no bound speaks",
                ("pass ", argument("ladder_samples", 0), ", and no granularity"),
            )
        if self.ladder_samples < 0:
            raise FlowError("settings", "ladder_samples is negative", "pass 0 for no ladder")

    def as_json(self) -> dict[str, Any]:
        """Plain values; ``rows`` changes no result; the usual protocol goes without saying."""
        values = asdict(self)
        del values["rows"]
        if self.protocol == "weights":
            del values["protocol"]
        return values


def pieces_for(sample_shape: tuple[int, ...]) -> int:
    """Pieces of a segment that suit samples of this shape: 8 for a few numbers, 1 from 64 numbers on.

    A constant at the middle of a segment is a fair estimate of its mean there, not of its largest value. In
    one dimension the error itself grows by that mean, and a bound by one middle would break as often as not.
    In many dimensions the error does not point where the Jacobian is largest, which leaves room; and each
    piece costs a Jacobian.
    """
    return max(1, min(_MOST_PIECES, _NUMBERS // math.prod(sample_shape)))
