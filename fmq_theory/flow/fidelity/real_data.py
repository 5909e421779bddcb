"""Real data that a network is given at t = 0: images in [0, 1] as they are published, or rows of a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from fmq_theory.errors import FlowError, argument
from fmq_theory.flow.factories import made_by
from fmq_theory.flow.fidelity.data import read_array
from fmq_theory.flow.identity import tensors_digest

__all__ = ["FITS", "RealData", "read_real_data"]

FITS = ("exact", "resize", "pad")
"""How images of another size become the network's: not at all, bilinear, or black around them."""
_WHITE = 255.0


@dataclass(frozen=True, slots=True, eq=False)
class RealData:
    """What the network is asked about.

    Attributes:
        x: ``[n, *sample_shape]``, float32; images in [0, 1].
        condition: what the network is given beside x and t, a row a sample; empty where nothing was named.
    """

    x: Tensor
    condition: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        if any(len(part) != len(self.x) for part in self.condition):
            raise FlowError(
                "labels",
                f"there are {[len(part) for part in self.condition]} for {len(self.x)} samples",
                "pass one a sample",
            )

    @property
    def digest(self) -> str:
        """A short name of these numbers, equal for equal ones only."""
        return tensors_digest((self.x, *self.condition))

    def __len__(self) -> int:
        return len(self.x)

    def first(self, count: int) -> "RealData":
        """The first ``count`` samples, in their order: the scripts do not shuffle.

        Args:
            count: how many, at most as many as there are.
        """
        return RealData(self.x[:count], tuple(part[:count] for part in self.condition))


def read_real_data(
    name: str, sample_shape: tuple[int, ...], *, labels: str | None = None, fit: str = "exact"
) -> RealData:
    """Images in [0, 1] of the network's shape, from a file; or whatever a function returns.

    Bytes are divided by 255. Grey images without an axis of channels get one; ``[n, height, width, 3]``
    becomes ``[n, 3, height, width]``.

    Args:
        name: .npy, .npz with one array, idx or idx.gz of bytes; or ``package.module:function``, which returns
            x, or x and the parts of the condition.
        sample_shape: of the network, ``(channels, height, width)`` for images.
        labels: a file of one whole number a sample, in any of these forms; None for none.
        fit: "exact", "resize" (bilinear) or "pad" (black all around) for images of another size.

    Raises:
        FlowError: the file cannot be read; or shape, range, size or count do not fit. The message says which.
    """
    if fit not in FITS:
        raise FlowError(f"fit {fit!r}", "it is unknown", f"choose one of {', '.join(FITS)}")
    if ":" in name and not Path(name).exists():
        made = _called(name)
        x, condition = made[0], made[1:]
    else:
        x, condition = _images(read_array(Path(name), "images"), name), ()
    if labels is not None:
        if condition:
            raise FlowError(f"labels {labels}", f"{name} brings its own", "leave them out")
        condition = (_labels(labels),)
    x = _fitted(x, sample_shape, name, fit)
    if len(sample_shape) == 3 and not (float(x.min()) >= 0.0 and float(x.max()) <= 1.0):
        raise FlowError(
            f"images {name!r}",
            f"they lie in [{float(x.min()):.3g}, {float(x.max()):.3g}], not in [0, 1] as published images do",
            "pass bytes, or numbers scaled to [0, 1]",
        )
    return RealData(x, condition)


def _called(name: str) -> tuple[Tensor, ...]:
    made = made_by(f"images {name!r}", name)
    parts: tuple[object, ...] = cast("tuple[object, ...]", made) if isinstance(made, tuple) else (made,)
    if not parts or not all(isinstance(part, Tensor) for part in parts):
        raise FlowError(
            f"images {name!r}",
            f"it returned {type(cast(object, made)).__name__}",
            "return a torch.Tensor, or a tuple of them",
        )
    return (_checked(cast("Tensor", parts[0]).float(), name), *cast("tuple[Tensor, ...]", parts[1:]))


def _images(array: NDArray[np.generic], name: str) -> Tensor:
    if not (array.dtype == np.uint8 or np.issubdtype(array.dtype, np.floating)):
        raise FlowError(
            f"images {name!r}",
            f"they are of type {array.dtype}",
            "pass bytes (uint8) or floating point numbers",
        )
    values = torch.as_tensor(array.astype(np.float32))
    return _checked(values / _WHITE if array.dtype == np.uint8 else values, name)


def _checked(x: Tensor, name: str) -> Tensor:
    if x.ndim < 2 or len(x) == 0 or not bool(torch.isfinite(x).all()):
        raise FlowError(
            f"images {name!r}",
            f"{tuple(x.shape)} is no batch of finite samples",
            "pass [n, ...] with one sample a row",
        )
    return x


def _fitted(x: Tensor, sample_shape: tuple[int, ...], name: str, fit: str) -> Tensor:
    if len(sample_shape) == 3:
        if x.ndim == 3 and sample_shape[0] == 1:
            x = x[:, None]
        if x.ndim == 4 and x.shape[1] != sample_shape[0] and x.shape[3] == sample_shape[0]:
            x = x.permute(0, 3, 1, 2)
        if x.ndim == 4 and x.shape[1] == sample_shape[0] and tuple(x.shape[1:]) != sample_shape:
            x = _of_size(x, sample_shape[1:], name, fit)
    if tuple(x.shape[1:]) != sample_shape:
        raise FlowError(
            f"images {name!r}",
            f"each is of shape {tuple(x.shape[1:])}, and the network takes {sample_shape}",
            "pass [n, height, width] for one channel, [n, height, width, channels] for more",
        )
    return x.contiguous()


def _of_size(x: Tensor, size: tuple[int, ...], name: str, fit: str) -> Tensor:
    height, width = size[0] - x.shape[2], size[1] - x.shape[3]
    if fit == "resize":
        return interpolate(x, size=size, mode="bilinear", align_corners=False)
    if fit == "pad" and height >= 0 and width >= 0:
        return pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
    raise FlowError(
        f"images {name!r}",
        f"they are {x.shape[2]} by {x.shape[3]}, and the network takes {size[0]} by {size[1]}",
        ("pass ", argument("fit", "resize"), *((" or ", argument("fit", "pad")) if fit == "exact" else ())),
    )


def _labels(name: str) -> Tensor:
    array = read_array(Path(name), "labels")
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise FlowError(
            f"labels {name!r}", f"{array.dtype} of shape {array.shape}", "pass one whole number a sample"
        )
    return torch.as_tensor(array.astype(np.int64))
