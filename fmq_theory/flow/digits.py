"""The bundled model: handwritten digits of 8 by 8 pixels, one class a digit.

``python -m experiments.train_digits`` made it; the metadata of the file say how, and how good it is.
"""

from importlib import resources

import torch
from safetensors.torch import load
from torch import Tensor

from fmq_theory.flow.compact_unet import CompactUNet
from fmq_theory.flow.loading import with_weights
from fmq_theory.flow.model import FlowModel

__all__ = ["DIGITS_FILE", "build", "draw_labels", "load_digits"]

DIGITS_FILE = resources.files("fmq_theory") / "data" / "digits.safetensors"


def draw_labels(batch: int, generator: torch.Generator) -> tuple[Tensor]:
    """int64 labels from 0 to 9, uniform."""
    return (torch.randint(10, (batch,), generator=generator),)


def build() -> FlowModel:
    """The network with fresh weights, for images ``[1, 8, 8]`` in [-1, 1]."""
    return FlowModel(
        CompactUNet(size=8, widths=(32, 64)),
        sample_shape=(1, 8, 8),
        data_range=2.0,
        draw_condition=draw_labels,
        latent_layer="middle",
    )


def load_digits() -> FlowModel:
    """The trained model that the package brings along."""
    return with_weights(build(), load(DIGITS_FILE.read_bytes()), "the bundled digits")
