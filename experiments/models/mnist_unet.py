"""The class-conditional U-Net of mnist_unet.pt: MNIST digits at 32 by 32 pixels, in [-1, 1].

Written from a description of the checkpoint (github.com/chookcurry/flow-matching, MIT). For
``--model experiments.models.mnist_unet:build``.
"""

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from fmq_theory.flow import FlowModel

CLASSES = 10
NO_CLASS = 10  # the label that stands for none
_WIDTHS = (16, 32, 64)
_WAVES = 20
_LABEL_WIDTH = 8


class MnistUNet(nn.Module):
    """v(x, t, y) of images ``[batch, 1, 32, 32]``, times ``[batch]``, labels ``[batch]`` from 0 to 10."""

    def __init__(self) -> None:
        super().__init__()
        first = _WIDTHS[0]
        self.init_conv = nn.Sequential(nn.Conv2d(1, first, 3, padding=1), nn.BatchNorm2d(first), nn.SiLU())
        self.time_embedder = _Waves()
        self.y_embedder = nn.Embedding(CLASSES + 1, _LABEL_WIDTH)
        self.encoders = nn.ModuleList(_Encoder(w, v) for w, v in pairwise(_WIDTHS))
        self.midcoder = _Midcoder(_WIDTHS[-1])
        self.decoders = nn.ModuleList(_Decoder(v, w) for w, v in reversed([*pairwise(_WIDTHS)]))
        self.final_conv = nn.Conv2d(first, 1, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        time, label = cast("Tensor", self.time_embedder(t)), cast("Tensor", self.y_embedder(y))
        x = cast("Tensor", self.init_conv(x))
        kept: list[Tensor] = []
        for encoder in self.encoders:
            x = cast("Tensor", encoder(x, time, label))
            kept.append(x)
        x = cast("Tensor", self.midcoder(x, time, label))
        for decoder in self.decoders:
            x = cast("Tensor", decoder(x + kept.pop(), time, label))
        return cast("Tensor", self.final_conv(x))


class _Waves(nn.Module):
    """sqrt(2) [sin f, cos f], f = 2 pi t w, shape ``[batch, 40]``."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(1, _WAVES))

    def forward(self, t: Tensor) -> Tensor:
        angles = 2.0 * math.pi * t[:, None] * self.weights
        return math.sqrt(2.0) * torch.cat([angles.sin(), angles.cos()], dim=1)


class _Residual(nn.Module):
    """x + block2(block1(x) + a(time) + b(label)); a block is SiLU, batch norm, convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block1 = _block(channels)
        self.block2 = _block(channels)
        self.time_adapter = _adapter(2 * _WAVES, channels)
        self.y_adapter = _adapter(_LABEL_WIDTH, channels)

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        inner = self.block1(x) + self.time_adapter(time)[:, :, None, None]
        return cast("Tensor", x + self.block2(inner + self.y_adapter(label)[:, :, None, None]))


def _block(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.SiLU(), nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 3, padding=1))


def _adapter(width: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, channels))


class _Midcoder(nn.Module):
    """Two residual blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.res_blocks = nn.ModuleList(_Residual(channels) for _ in range(2))

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        for block in self.res_blocks:
            x = cast("Tensor", block(x, time, label))
        return x


class _Encoder(_Midcoder):
    """Two residual blocks, then half the size."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in)
        self.downsample = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1)

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        return cast("Tensor", self.downsample(super().forward(x, time, label)))


class _Decoder(_Midcoder):
    """Twice the size, then two residual blocks."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_out)
        self.upsample = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(channels_in, channels_out, 3, padding=1)
        )

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        return super().forward(self.upsample(x), time, label)


def _draw_labels(batch: int, generator: torch.Generator) -> tuple[Tensor]:
    return (torch.randint(CLASSES, (batch,), generator=generator),)


def build() -> FlowModel:
    """The network with fresh weights."""
    return FlowModel(
        MnistUNet().eval(),
        sample_shape=(1, 32, 32),
        data_range=2.0,
        draw_condition=_draw_labels,
        latent_layer="midcoder",
    )
