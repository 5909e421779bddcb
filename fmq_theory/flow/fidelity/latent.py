"""What quantization does to the answers of a middle layer: their variance, dimension by dimension.

The paper's Fig. 4 plots the standard deviation over dimensions of the latent's variance (as reconstructed).
Here the latent is the answer of ``FlowModel.latent_layer`` when the sampler evaluates the velocity at the
step nearest t = 1/2: at t = 0 the network sees noise that no quantization has touched, and at t = 1 it has
nothing left to decide. Every number of the answer is one dimension; its variance is over samples, 1/(n-1).
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fmq_theory.errors import FlowError
from fmq_theory.flow.field import TorchField
from fmq_theory.flow.samplers import Trajectory

__all__ = ["COLLAPSED", "LatentStatistics", "latent_activations", "latent_statistics", "middle_step"]

COLLAPSED = 1e-6
"""A dimension whose variance is below this share of the mean variance carries nothing."""


@dataclass(frozen=True, slots=True)
class LatentStatistics:
    """Of the variances of the dimensions.

    Attributes:
        mean: over dimensions.
        std: standard deviation over dimensions, 1/d; the paper's Fig. 4.
        collapsed: dimensions with a variance below 1e-6 of the mean.
        dimensions: how many there are.
    """

    mean: float
    std: float
    collapsed: int
    dimensions: int


def latent_statistics(activations: Tensor) -> LatentStatistics:
    """Of answers ``[samples, ...]``, at least two.

    Raises:
        FlowError: fewer than two samples, or numbers that are not finite.
    """
    if len(activations) < 2:
        raise FlowError(
            f"latent of {len(activations)} samples", "it has no variance", "use at least two samples a seed"
        )
    rows = activations.detach().double().reshape(len(activations), -1)
    variance = rows.var(dim=0)
    if not bool(torch.isfinite(variance).all()):
        raise FlowError("latent", "it holds nan or infinite numbers", "check the weights")
    mean = variance.mean()
    return LatentStatistics(
        float(mean),
        float(variance.std(correction=0)),
        int((variance < COLLAPSED * mean).sum()),
        len(variance),
    )


def middle_step(path: Trajectory) -> int:
    """The step that starts nearest to t = 1/2, the earlier of two."""
    return path.steps // 2


def latent_activations(field: TorchField, path: Trajectory, layer: str) -> Tensor:
    """Answers ``[batch, ...]`` of the module's submodule ``layer`` as the sampler saw them near t = 1/2.

    Every sampler evaluates v(x_k, t_k) first in step k, so evaluating it again gives the same numbers.

    Raises:
        FlowError: there is no such submodule, it was not called, or does not answer a tensor with a row a
            sample.
    """
    step = middle_step(path)
    with _recorded(field.module, layer) as answers:
        field.velocity(path.states[step], float(path.times[step]))
    if len(answers) != 1 or not isinstance(answers[0], Tensor) or len(answers[0]) != path.states.shape[1]:
        got = type(answers[0]).__name__ if answers else "nothing"
        raise FlowError(
            f"latent layer {layer!r}",
            f"in one evaluation it was called {len(answers)} times and answered {got}",
            "name a submodule that is called once and answers a tensor with a row a sample",
        )
    return answers[0]


@contextmanager
def _recorded(module: nn.Module, layer: str) -> Generator[list[object]]:
    try:
        watched = module.get_submodule(layer)
    except AttributeError as error:
        raise FlowError(
            f"latent layer {layer!r}",
            "the module has none of that name",
            "take one of module.named_modules()",
        ) from error
    answers: list[object] = []

    def keep(_module: nn.Module, _given: object, answer: object) -> None:
        answers.append(answer.detach() if isinstance(answer, Tensor) else answer)

    handle = watched.register_forward_hook(keep)
    try:
        yield answers
    finally:
        handle.remove()
