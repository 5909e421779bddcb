"""Drawn closed-form fields and changes of their weights, by seed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fmq_theory.flow import quantize_field
from fmq_theory.flow.closed_forms import GaussianField, MixtureField

SCHEMES = ("uniform", "equal_mass", "lloyd_max", "log2", "pwl", "nf4")
SAMPLERS = ("euler", "midpoint", "heun")


@dataclass(frozen=True)
class Trial:
    """A field, the same field with other weights, and how to compare them."""

    field: MixtureField | GaussianField
    quantized: MixtureField | GaussianField
    noise: Tensor
    sampler: str
    steps: int
    what: str


class Draw:
    """float64 draws from one seed."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def uniform(self) -> float:
        return float(torch.rand(1, generator=self.generator))

    def one_of(self, choices: tuple[Any, ...]) -> Any:
        return choices[int(torch.randint(len(choices), (1,), generator=self.generator))]


def mixture(
    draw: Draw, components: int, dimension: int, floor: float = 0.05, spread: float = 1.0
) -> MixtureField:
    return MixtureField(
        draw.normal(components),
        spread * draw.normal(components, dimension),
        0.6 * draw.normal(components, dimension, dimension),
        floor,
    )


def moved(draw: Draw, field: Any, size: float) -> Any:
    """The field with Gaussian noise of this size on all weights."""
    return field.with_parameters(
        {name: tensor + size * draw.normal(*tensor.shape) for name, tensor in field.parameters.items()}
    )


def trial(seed: int, batch: int = 8) -> Trial:
    """Dimension, mixture, change, scheme, bits, sampler and steps at random."""
    draw = Draw(seed)
    dimension, components = draw.one_of((1, 2, 3, 4, 5, 6)), draw.one_of((1, 2, 3, 4))
    floor = draw.one_of((0.02, 0.1, 0.4))
    if components == 1:
        field = GaussianField(draw.normal(dimension), 0.6 * draw.normal(dimension, dimension), floor)
    else:
        field = mixture(draw, components, dimension, floor, draw.one_of((0.3, 1.0, 3.0)))
    scheme = draw.one_of(SCHEMES)
    bits = 4 if scheme == "nf4" else draw.one_of((1, 2, 3, 4, 5, 6, 7, 8))
    size = 10.0 ** (-3.0 * draw.uniform())
    quantized = quantize_field(field, scheme, bits, "tensor", include=lambda name, weights: True)
    what = f"{scheme}, {bits} bits"
    if draw.uniform() < 0.25 or quantized.weight_error_norm == 0.0:
        other, what = moved(draw, field, size), f"noise of size {size:.3g}"
    else:
        other = quantized.field
    return Trial(
        field,
        other,
        draw.normal(batch, dimension),
        draw.one_of(SAMPLERS),
        draw.one_of((4, 8, 16)),
        f"seed {seed}: d = {dimension}, K = {components}, floor {floor}, {what}",
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Small tensors are slower with threads, much so on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
