"""A small classifier of grey images: a feature map that needs no download.

``python -m experiments.train_classifier`` trained the bundled one; its metadata say how good it is.
"""

from importlib import resources
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from fmq_theory.errors import CheckpointError

__all__ = ["DIGITS_CLASSIFIER", "ImageClassifier", "load_classifier"]

DIGITS_CLASSIFIER = resources.files("fmq_theory") / "data" / "digits_classifier.safetensors"
_GRID = 4


class ImageClassifier(nn.Module):
    """Logits ``[batch, classes]`` of images ``[batch, 1, size, size]`` in [-1, 1]; any size from 4 on.

    Three convolutions, means over a grid of 4 by 4, and a layer of features before the logits.

    Args:
        width: channels of the first convolution.
        features: length of the vector that ``features`` answers.
        classes: number of labels.
    """

    def __init__(self, width: int = 16, features: int = 32, classes: int = 10) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(_GRID),
            nn.Flatten(),
            nn.Linear(2 * width * _GRID * _GRID, features),
            nn.SiLU(),
        )
        self.last = nn.Linear(features, classes)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees, ``[batch, features]``.

        Args:
            images: shape ``[batch, channels, height, width]``, in the range that it was trained on.
        """
        return cast("Tensor", self.body(images))

    def forward(self, images: Tensor) -> Tensor:
        """The logits of each class, ``[batch, classes]``.

        Args:
            images: shape ``[batch, channels, height, width]``, in the range that it was trained on.
        """
        return cast("Tensor", self.last(self.features(images)))


def load_classifier(path: Path) -> tuple[ImageClassifier, dict[str, str]]:
    """The classifier of a file that ``experiments.train_classifier`` wrote, and what the file says of it.

    Args:
        path: a .safetensors file.

    Raises:
        CheckpointError: the file is missing, damaged, or holds something else.
    """
    try:
        with cast("Any", safe_open(path, "pt")) as file:
            facts = cast("dict[str, str]", file.metadata() or {})
            weights = {str(name): cast("Tensor", file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        shape = {key: int(facts[key]) for key in ("width", "features", "classes")}
        classifier = ImageClassifier(**shape)
        classifier.load_state_dict(weights)
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"classifier {path}",
            f"it cannot be read ({error})",
            "write one by python -m experiments.train_classifier",
        ) from error
    return classifier.eval().requires_grad_(False), facts
