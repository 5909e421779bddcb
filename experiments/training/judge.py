"""What a trained network is worth: its velocity error on images it has not seen, and its samples."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.training.images import LabelledImages
from fmq_theory.flow import TorchField, sample
from fmq_theory.flow.velocity_error import velocity_error
from fmq_theory.report.base.files import write_atomically

_TIMES = 30  # midpoints of equal parts of [0, 1]; a third of them in each third
_STEPS = 30  # of the sampler, for the picture


def held_out_error(network: nn.Module, held_out: LabelledImages, seed: int, most: int = 1000) -> list[float]:
    """Mean squared velocity error a pixel for t in the low, middle and high third."""
    images, labels = held_out.images[:most], held_out.labels[:most]
    field = TorchField.of(network, tuple(images.shape[1:]), (labels,))
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    errors = velocity_error(field, images, noise, [(k + 0.5) / _TIMES for k in range(_TIMES)])
    return errors.reshape(3, -1).mean(dim=1).tolist()


def draw_samples(network: nn.Module, shape: tuple[int, ...], rows: int, seed: int) -> Tensor:
    """``rows`` samples of each label from 0 to 9, ``[10 * rows, *shape]``, label by label in each row."""
    labels = torch.arange(10).repeat(rows)
    field = TorchField.of(network, shape, (labels,))
    noise = torch.randn((len(labels), *shape), generator=torch.Generator().manual_seed(seed))
    return sample(field, noise, _STEPS, "heun").end


def write_grid(path: Path, images: Tensor, columns: int = 10) -> None:
    """Grey images ``[n, 1, size, size]`` in [-1, 1] as one picture, ``columns`` a row."""
    import matplotlib.image

    rows = math.ceil(len(images) / columns)
    size = images.shape[-1]
    white = torch.ones(rows * columns, size + 2, size + 2)
    white[: len(images), 1:-1, 1:-1] = images[:, 0].clamp(-1.0, 1.0)
    table = white.reshape(rows, columns, size + 2, size + 2).permute(0, 2, 1, 3)
    picture = table.reshape(rows * (size + 2), columns * (size + 2)).numpy()
    scale = max(1, 480 // picture.shape[1])
    picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    look = {"cmap": "gray", "vmin": -1, "vmax": 1, "format": path.suffix[1:]}
    write_atomically(path, lambda place: matplotlib.image.imsave(place, picture, **look))
