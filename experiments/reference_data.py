"""Images that models were trained on, in the models' space: for ``fmq flow --data``.

``experiments.reference_data:digits`` and ``experiments.reference_data:mnist_32``. MNIST is not part of this
repository: ``FMQ_MNIST_DATA`` names its folder, else ``../shared/data`` beside the repository is used.
"""

import os
from pathlib import Path

from torch import Tensor

from experiments.train_classifier import resized
from experiments.training.images import load

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data"
_MOST = 4000


def digits() -> Tensor:
    """scikit-learn's digits, ``[1797, 1, 8, 8]`` in [-1, 1]."""
    return load("digits", None).images


def mnist_32() -> Tensor:
    """4,000 images of MNIST resized to ``[4000, 1, 32, 32]``, in [-1, 1]."""
    folder = Path(os.environ.get("FMQ_MNIST_DATA", MNIST))
    return resized(load("mnist", folder), 32).images[:_MOST]
