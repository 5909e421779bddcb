"""Drawn Gaussian mixtures with quantized parameters, and what the proven bounds say of their samples."""

from dataclasses import dataclass

import torch

from fmq_theory.flow.ladder import Effort, ladder
from fmq_theory.flow.ladder_result import BOUNDS
from fmq_theory.flow.mixture_field import MixtureField
from fmq_theory.flow.quantized_field import quantize_field

__all__ = ["MixtureRun", "run_mixture"]

_COMPONENTS, _DIMENSION, _FLOOR = 3, 2, 0.1
_SAMPLES, _STEPS = 4, 8


@dataclass(frozen=True, slots=True)
class MixtureRun:
    """One mixture, quantized, and its worst sample at t = 1 under each bound.

    Attributes:
        error: by rung, |e_1| of the sample whose error is nearest to the bound.
        bound: by rung, the bound of that sample.
        unamplified: by rung, the sum of all that quantization adds in that sample's steps.
    """

    error: dict[str, float]
    bound: dict[str, float]
    unamplified: dict[str, float]


def run_mixture(seed: int, scheme: str, bits: int, sampler: str = "heun") -> MixtureRun:
    """Three components in the plane, all parameters quantized, a few samples in float64.

    Raises:
        SchemeError: the scheme has no codebook of that size.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    field = MixtureField(
        normal(_COMPONENTS),
        normal(_COMPONENTS, _DIMENSION),
        0.6 * normal(_COMPONENTS, _DIMENSION, _DIMENSION),
        _FLOOR,
    )
    noise = normal(_SAMPLES, _DIMENSION)
    quantized = quantize_field(field, scheme, bits, "tensor", include=lambda _name, _weights: True)
    found = ladder(field, quantized.field, noise, _STEPS, sampler, Effort(pieces=2))
    error = found.error[-1]
    worst = {rung: int((found.bounds[rung][-1] / error).argmin()) for rung in BOUNDS}
    return MixtureRun(
        {rung: float(error[place]) for rung, place in worst.items()},
        {rung: float(found.bounds[rung][-1, place]) for rung, place in worst.items()},
        {rung: float(found.local[:, place].sum()) for rung, place in worst.items()},
    )
