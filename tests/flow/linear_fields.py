"""Fields whose flow is known: dx/dt = a x has x(1) = e^a x(0); dx/dt = a x + b t adds a known term."""

import math

import torch
from torch import Tensor, nn

from fmq_theory.flow import TorchField


class Linear(nn.Module):
    """v = a x + b t + condition."""

    def __init__(self, a: float, b: float = 0.0) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, x: Tensor, t: Tensor, *condition: Tensor) -> Tensor:
        return self.a * x + self.b * t[:, None] + sum(condition)


def linear_field(a: float, b: float = 0.0) -> TorchField:
    return TorchField.of(Linear(a, b), (2,))


def exact_end(a: float, b: float, start: Tensor) -> Tensor:
    """x(1) of dx/dt = a x + b t: e^a x(0) + b (e^a - 1 - a)/a^2."""
    return math.exp(a) * start + b * (math.exp(a) - 1.0 - a) / a**2


class Small(nn.Module):
    """A network of a convolution and a linear layer, for images [1, 4, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.last = nn.Conv2d(3, 1, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.last(torch.tanh(self.norm(self.conv(x)))) * (1.0 + t[:, None, None, None])


def small_field(seed: int = 0, dtype: torch.dtype = torch.float32) -> TorchField:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TorchField.of(Small().to(dtype), (1, 4, 4))
