"""Feature maps by name: what a Fréchet distance looks at."""

import math
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from fmq_theory.errors import FlowError, Way
from fmq_theory.flow.factories import made_by
from fmq_theory.flow.fidelity.classifier import DIGITS_CLASSIFIER, load_classifier

__all__ = ["FeatureMap", "build_features"]

_ROWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """phi: samples to vectors.

    Attributes:
        name: what reports call it. The distance is called FID only if it is Inception's.
        module: answers ``[batch, numbers]`` (or what flattens to it); None for the samples themselves.
        size: side of the images that it was made for; None for any.
    """

    name: str
    module: nn.Module | None = field(repr=False, default=None)
    size: int | None = None

    def __call__(self, samples: Tensor) -> Tensor:
        """phi of samples ``[batch, ...]``, float64, ``[batch, numbers]``.

        Raises:
            FlowError: the map does not take these samples, answers no row a sample, or nan.
        """
        if self.module is None:
            return samples.detach().double().reshape(len(samples), -1)
        if self.size is not None and tuple(samples.shape[-2:]) != (self.size, self.size):
            raise FlowError(
                f"feature map {self.name!r}",
                f"it is for images of {self.size} by {self.size}, not for samples of shape "
                f"{tuple(samples.shape[1:])}",
                (
                    "train one for them (python -m experiments.train_classifier), or use ",
                    Way("identity", "the feature map 'identity'"),
                ),
            )
        parts = [self._block(samples[k : k + _ROWS]) for k in range(0, len(samples), _ROWS)]
        found = torch.cat(parts)
        if not bool(torch.isfinite(found).all()):
            raise FlowError(
                f"feature map {self.name!r}", "it answers nan or infinite numbers", "check its weights"
            )
        return found

    def _block(self, samples: Tensor) -> Tensor:
        try:
            with torch.no_grad():
                answer = cast("object", cast("nn.Module", self.module)(samples))
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise FlowError(
                f"feature map {self.name!r}",
                f"it does not take samples of shape {tuple(samples.shape[1:])} ({error})",
                "wrap it in a module that resizes or repeats channels as it needs",
            ) from error
        if not isinstance(answer, Tensor) or answer.ndim < 2 or len(answer) != len(samples):
            got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise FlowError(
                f"feature map {self.name!r}",
                f"it answers {got} to {len(samples)} samples",
                "use a module that answers one vector a sample",
            )
        return answer.detach().double().reshape(len(samples), math.prod(answer.shape[1:]))


class _Features(nn.Module):
    """The features of a classifier as a module's answer."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        return cast("Tensor", self.classifier.features(images))  # pyright: ignore[reportCallIssue]


def build_features(name: str) -> FeatureMap:
    """``identity``, ``digits``, a classifier's file (.safetensors), or a factory: a.b:f, file.py:f.

    A factory takes nothing and returns an ``nn.Module`` with its weights in place, such as an Inception
    network whose weights the user has; nothing is downloaded.

    Args:
        name: one of the words above, the path of a file, or where a factory is.

    Raises:
        FlowError: there is no such map, or the factory returns no module.
        CheckpointError: a file that holds no classifier.
    """
    if name == "identity":
        return FeatureMap("identity")
    if name == "digits":
        with resources.as_file(DIGITS_CLASSIFIER) as path:
            return _classifier(path, "digits classifier")
    if name.endswith(".safetensors"):
        return _classifier(Path(name), Path(name).name)
    if ":" not in name:
        raise FlowError(
            f"features {name!r}",
            "it is none of the known ones",
            "pass identity, digits, a classifier's .safetensors, or package.module:factory",
        )
    made = made_by(f"features {name!r}", name)
    if not isinstance(made, nn.Module):
        raise FlowError(
            f"features {name!r}", f"it returned {type(made).__name__}", "return a torch.nn.Module"
        )
    return FeatureMap(name, made.eval().requires_grad_(False))


def _classifier(path: Path, name: str) -> FeatureMap:
    classifier, facts = load_classifier(path)
    size = facts.get("size", "")
    return FeatureMap(name, _Features(classifier).eval(), int(size) if size.isdigit() else None)
