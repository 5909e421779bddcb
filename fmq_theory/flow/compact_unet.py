"""A small U-Net for small images: the network of the bundled digits."""

import itertools
import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

__all__ = ["CompactUNet"]

_GROUPS = 8
_FREQUENCIES = 16
_FASTEST = 100.0  # radians over t in [0, 1]


class CompactUNet(nn.Module):
    """v(x, t, y) for images ``[batch, 1, size, size]``, times ``[batch]`` and int64 labels ``[batch]``.

    One residual block a resolution on the way down, two in the middle, one a resolution on the way
    up with the block of the way down beside it. All activations are SiLU and all norms are over the
    channels of one sample, so that the field is smooth in x and no sample sees another.

    Args:
        size: of the images; divisible by 2**(len(widths) - 1).
        widths: channels at each resolution, multiples of 8; each resolution halves the size.
        embedding: numbers that stand for time and label.
        num_classes: the labels are 0 to num_classes - 1.
        dropout: in training only.
    """

    def __init__(
        self,
        size: int = 8,
        widths: tuple[int, ...] = (32, 64),
        embedding: int = 64,
        num_classes: int = 10,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.size = size
        self.time = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.label = nn.Embedding(num_classes, embedding)
        self.first = nn.Conv2d(1, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_Block(w, w, embedding, dropout) for w in widths[:-1])
        self.shrink = nn.ModuleList(
            nn.Conv2d(w, v, 3, stride=2, padding=1) for w, v in itertools.pairwise(widths)
        )
        self.middle_first = _Block(widths[-1], widths[-1], embedding, dropout)
        self.middle = _Block(widths[-1], widths[-1], embedding, dropout)
        self.up = nn.ModuleList(
            _Block(v + w, w, embedding, dropout)
            for w, v in zip(reversed(widths[:-1]), reversed(widths[1:]), strict=True)
        )
        self.last_norm = nn.GroupNorm(_GROUPS, widths[0])
        self.last = nn.Conv2d(widths[0], 1, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast("Tensor", self.last.bias))

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """The velocity, of the shape of ``x``."""
        embedding = cast("Tensor", self.time(_waves(t)) + self.label(y))
        x = cast("Tensor", self.first(x))
        kept: list[Tensor] = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            x = cast("Tensor", block(x, embedding))
            kept.append(x)
            x = cast("Tensor", shrink(x))
        x = cast("Tensor", self.middle(self.middle_first(x, embedding), embedding))
        for block, beside in zip(self.up, reversed(kept), strict=True):
            x = interpolate(x, scale_factor=2.0, mode="nearest")
            x = cast("Tensor", block(torch.cat([x, beside], dim=1), embedding))
        return cast("Tensor", self.last(silu(self.last_norm(x))))


class _Block(nn.Module):
    """x + conv(SiLU((1 + a) norm(conv(SiLU(norm(x)))) + b)), where a and b come from the embedding."""

    def __init__(self, channels_in: int, channels_out: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_GROUPS, channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.adapt = nn.Linear(embedding, 2 * channels_out)
        self.norm2 = nn.GroupNorm(_GROUPS, channels_out)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.skip = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        y = self.conv1(silu(self.norm1(x)))
        scale, shift = cast("Tensor", self.adapt(silu(embedding)))[:, :, None, None].chunk(2, dim=1)
        y = silu((1.0 + scale) * self.norm2(y) + shift)
        return cast("Tensor", self.skip(x) + self.conv2(self.dropout(y)))


def _waves(t: Tensor) -> Tensor:
    """[sin(f t), cos(f t)] at 16 frequencies from 1 to 100, evenly spaced in their logarithm."""
    steps = torch.arange(_FREQUENCIES, dtype=t.dtype, device=t.device) / (_FREQUENCIES - 1)
    angles = t[:, None] * torch.exp(steps * math.log(_FASTEST))
    return torch.cat([angles.sin(), angles.cos()], dim=1)
