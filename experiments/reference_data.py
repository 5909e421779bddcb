"""Images that models were trained on, in the models' space: for ``fmq flow --data``.

``experiments.reference_data:digits``, ``mnist_28`` and ``mnist_32``. MNIST is not part of this
repository: ``FMQ_MNIST_DATA`` names its folder, else ``../shared/data`` beside the repository is used.
"""

import os
from pathlib import Path

from torch import Tensor

from experiments.train_classifier import resized
from experiments.training.images import load

DATA_VARIABLE = "FMQ_MNIST_DATA"
_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
_MOST = 4000


def mnist_folder() -> Path:
    """Where MNIST is looked for; it need not exist."""
    return Path(os.environ.get(DATA_VARIABLE, _BESIDE))


def digits() -> Tensor:
    """scikit-learn's digits, ``[1797, 1, 8, 8]`` in [-1, 1]."""
    return load("digits", None).images


def labelled_digits() -> tuple[Tensor, Tensor]:
    """The same in [0, 1], with their labels: for ``fmq flow --measure velocity --images``."""
    found = load("digits", None)
    return 0.5 * (found.images + 1.0), found.labels


def mnist_28() -> Tensor:
    """4,000 images of MNIST, ``[4000, 1, 28, 28]``, in [-1, 1]."""
    return _mnist(28)


def mnist_32() -> Tensor:
    """The same resized to ``[4000, 1, 32, 32]``."""
    return _mnist(32)


def _mnist(size: int) -> Tensor:
    return resized(load("mnist", mnist_folder()), size).images[:_MOST]
