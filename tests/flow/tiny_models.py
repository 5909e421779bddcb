"""Small flow models whose samples cost nothing."""

import torch
from torch import Tensor, nn

from fmq_theory.flow import FlowModel


class Plane(nn.Module):
    """A field of the plane: two layers and a time."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 16)
        self.last = nn.Linear(16, 2)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(torch.cat([x, t[:, None]], dim=1))))


class Line(nn.Module):
    """A field of the line, far from affine."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 24)
        self.last = nn.Linear(24, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.last(torch.sin(4.0 * self.first(torch.cat([x, t[:, None]], dim=1))))


class Pictures(nn.Module):
    """Images of 4 by 4 with a label: two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.label = nn.Embedding(3, 4)
        self.middle = nn.Conv2d(1, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        inner = torch.tanh(self.middle(x) + self.label(y)[:, :, None, None] + t[:, None, None, None])
        return self.last(inner)


class Spoilt(Plane):
    """nan after t = 0.5; or, if ``when_changed``, wherever the weights are not those it was made with."""

    def __init__(self, *, when_changed: bool) -> None:
        super().__init__()
        self.when_changed = when_changed
        self.register_buffer("own", self.first.weight.detach().clone())

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        good = super().forward(x, t)
        changed = not torch.equal(self.first.weight, self.own)  # type: ignore[arg-type]
        bad = changed if self.when_changed else bool(t[0] > 0.5)
        return good * torch.nan if bad else good


def _labels(batch: int, generator: torch.Generator) -> tuple[Tensor]:
    return (torch.randint(3, (batch,), generator=generator),)


def _made(module: type[nn.Module], **options: bool) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return module(**options).eval()


def plane() -> FlowModel:
    return FlowModel(_made(Plane), sample_shape=(2,), data_range=4.0, latent_layer="first")


def line() -> FlowModel:
    return FlowModel(_made(Line), sample_shape=(1,), data_range=4.0)


def pictures() -> FlowModel:
    return FlowModel(
        _made(Pictures), sample_shape=(1, 4, 4), data_range=2.0, draw_condition=_labels, latent_layer="middle"
    )


def late_nan() -> FlowModel:
    return FlowModel(_made(Spoilt, when_changed=False), sample_shape=(2,))


def nan_when_quantized() -> FlowModel:
    return FlowModel(_made(Spoilt, when_changed=True), sample_shape=(2,))
