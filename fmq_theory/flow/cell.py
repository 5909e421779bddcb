"""One cell of the experiment: a scheme and a bit-width, and all that was measured of it."""

import base64
import dataclasses
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["BySeed", "Cell", "FrechetValues", "LatentValues", "decode_images", "encode_images"]

BySeed = tuple[tuple[float, ...], ...]
"""A number a sample, seed by seed."""


@dataclass(frozen=True, slots=True)
class LatentValues:
    """Latent statistics, a number a seed (or a batch of real data).

    Attributes:
        mean: of the variances over dimensions.
        std: their standard deviation over dimensions.
        collapsed: dimensions without variance.
        dimensions: how many there are.
        whole_std: ``std`` of all batches together; None where it is not asked for.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    collapsed: tuple[int, ...]
    dimensions: int
    whole_std: float | None = None


@dataclass(frozen=True, slots=True)
class FrechetValues:
    """Fréchet distances in the features, in their squared units; all seeds together.

    Attributes:
        distance: of the quantized samples from the full-precision ones.
        feature_rms: rms |phi(xhat) - phi(x)| over pairs; at least the root of ``distance``.
        per_seed: ``distance`` within each seed, of fewer samples.
        to_data: of the quantized samples from the data; None without data.
        count: n, the samples.
        dimension: d, the features; with n <= d the distance speaks of these samples alone.
    """

    distance: float
    feature_rms: float
    per_seed: tuple[float, ...]
    to_data: float | None
    count: int
    dimension: int


@dataclass(frozen=True, slots=True)
class Cell:
    """What was measured of one scheme at one bit-width.

    Attributes:
        scheme: name.
        bits: per code.
        effective_bits: bits a quantized weight with its share of the codebooks.
        mse: squared error a quantized weight.
        weight_error_norm: |theta_q - theta|.
        lossless_share: of the quantized weights, in channels where some codebook loses nothing.
        error: |e_1| of each sample, Euclidean.
        psnr: dB, inf where nothing changed.
        ssim: empty for what is no image.
        latent: None if the model names no layer.
        frechet: None without a feature map.
        ladder: summary and curves; None if it was not climbed.
        images: a few samples of the first seed, see ``decode_images``; empty for what is no image.
        note: why there are no numbers, or why some are missing.
        failed: whether ``note`` is an error.
        seconds: of work.
    """

    scheme: str
    bits: int
    effective_bits: float | None = None
    mse: float | None = None
    weight_error_norm: float | None = None
    lossless_share: float = 0.0
    error: BySeed = ()
    psnr: BySeed = ()
    ssim: BySeed = ()
    latent: LatentValues | None = None
    frechet: FrechetValues | None = None
    ladder: Mapping[str, Any] | None = None
    images: str = ""
    note: str = ""
    failed: bool = False
    seconds: float = 0.0

    @property
    def measured(self) -> bool:
        """Whether there are samples."""
        return bool(self.error)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; infinite numbers as strings."""
        return cast("dict[str, Any]", _plain(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Cell":
        """What ``to_json`` gave.

        Raises:
            KeyError, TypeError, ValueError: it gave something else.
        """
        values = dict(data)
        for key in ("error", "psnr", "ssim"):
            values[key] = tuple(tuple(float(value) for value in seed) for seed in values[key])
        if values["latent"] is not None:
            kept = cast("dict[str, Any]", values["latent"])
            lists = {key: tuple(kept[key]) for key in ("mean", "std", "collapsed")}
            values["latent"] = LatentValues(
                **lists, dimensions=kept["dimensions"], whole_std=kept.get("whole_std")
            )
        if values["frechet"] is not None:
            kept = dict(cast("dict[str, Any]", values["frechet"]))
            kept["per_seed"] = tuple(kept["per_seed"])
            values["frechet"] = FrechetValues(**kept)
        return cls(**values)


def encode_images(images: Tensor, data_range: float) -> str:
    """Images ``[n, channels, height, width]`` in [-R/2, R/2] as 256 shades, in base64."""
    shades = ((images.detach().double() / data_range + 0.5).clamp(0.0, 1.0) * 255.0).round()
    array = shades.to("cpu").numpy().astype(np.uint8)
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode("ascii")


def decode_images(text: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """``[n, channels, height, width]`` of images of ``shape``."""
    flat = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
    return flat.reshape(-1, *shape)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
