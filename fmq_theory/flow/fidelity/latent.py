"""What quantization does to the answers of a middle layer: their variance, dimension by dimension.

The paper's Fig. 4 plots the standard deviation over dimensions of the latent's variance (as reconstructed).
Here the latent is the answer of ``FlowModel.latent_layer`` when the sampler evaluates the velocity at the
step nearest t = 1/2: at t = 0 the network sees noise that no quantization has touched, and at t = 1 it has
nothing left to decide. Every number of the answer is one dimension; its variance is over samples, 1/(n-1).

The authors' script takes another latent: at t = 0, of real images, turned onto 20 principal components that
are found for each model by itself (``principal_statistics``).
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from fmq_theory.errors import FlowError
from fmq_theory.flow.field import TorchField
from fmq_theory.flow.samplers import Trajectory

__all__ = [
    "COLLAPSED",
    "LatentStatistics",
    "answer_of",
    "latent_activations",
    "latent_statistics",
    "middle_step",
    "principal_statistics",
]

COLLAPSED = 1e-6
"""A dimension whose variance is below this share of the mean variance carries nothing."""
_COLLAPSED_COMPONENT = 1e-4
"""The threshold of the script of Fig. 4: a variance, not a share."""


@dataclass(frozen=True, slots=True)
class LatentStatistics:
    """Of the variances of the dimensions.

    Attributes:
        mean: over dimensions.
        std: standard deviation over dimensions, 1/d; the paper's Fig. 4.
        collapsed: dimensions with a variance below 1e-6 of the mean (of principal components: below 1e-4).
        dimensions: how many there are.
    """

    mean: float
    std: float
    collapsed: int
    dimensions: int


def latent_statistics(activations: Tensor) -> LatentStatistics:
    """Of answers ``[samples, ...]``, at least two.

    Args:
        activations: answers of the latent layer, one row a sample; what is behind the first axis counts as
            one vector.

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

    Args:
        field: v, whose module has the layer.
        path: the states that the sampler went through.
        layer: the submodule's name, as ``module.named_modules()`` has it.

    Raises:
        FlowError: there is no such submodule, it was not called, or does not answer a tensor with a row a
            sample.
    """
    step = middle_step(path)
    return answer_of(field, path.states[step], float(path.times[step]), layer)[1]


def answer_of(field: TorchField, x: Tensor, t: float, layer: str) -> tuple[Tensor, Tensor]:
    """The velocity v(x, t), and what the submodule ``layer`` answered on the way, both ``[batch, ...]``.

    Args:
        field: with one row of condition a row of ``x``.
        x: ``[batch, *sample_shape]``.
        t: the time of all rows.
        layer: name of the submodule.

    Raises:
        FlowError: there is no such submodule, it was not called once, or does not answer a tensor with a row
            a sample.
    """
    with _recorded(field.module, layer) as answers:
        velocity = field.velocity(x, t)
    if len(answers) != 1 or not isinstance(answers[0], Tensor) or len(answers[0]) != len(x):
        got = type(answers[0]).__name__ if answers else "nothing"
        raise FlowError(
            f"latent layer {layer!r}",
            f"in one evaluation it was called {len(answers)} times and answered {got}",
            "name a submodule that is called once and answers a tensor with a row a sample",
        )
    return velocity, answers[0]


def principal_statistics(activations: Tensor, components: int = 20) -> LatentStatistics:
    """Statistics of the variances along the first principal components, as the script of Fig. 4 has them.

    The answers are flattened, centred and turned onto the ``components`` directions of largest variance,
    which are found *from these answers*: another model has other directions. The variances along them, 1/n,
    are the largest eigenvalues of the covariance; a component counts as collapsed below the script's 1e-4.
    The script's PCA finds them by a randomized method, here they are exact.

    Args:
        activations: ``[n, ...]``, answers of one layer to n samples.
        components: how many directions; no more than n - 1 or the dimension are there.

    Raises:
        FlowError: fewer than two samples, no component, or numbers that are not finite.

    Reference:
        Script of Fig. 4 of arXiv:2511.11418, in the authors' public repository; theory section 0.

    Examples:
        Two directions, with values +-3 and +-1: variances 9 and 1, mean 5, standard deviation 4.

        >>> import torch
        >>> from fmq_theory.flow.fidelity import principal_statistics
        >>> rows = torch.tensor([[3.0, 1.0], [3.0, -1.0], [-3.0, 1.0], [-3.0, -1.0]])
        >>> found = principal_statistics(rows, components=2)
        >>> round(found.mean, 9), round(found.std, 9), found.dimensions
        (5.0, 4.0, 2)
    """
    if len(activations) < 2 or components < 1:
        raise FlowError(
            f"latent of {len(activations)} samples, {components} components",
            "there is no variance",
            "use at least two samples and one component",
        )
    rows = activations.detach().double().reshape(len(activations), -1)
    if not bool(torch.isfinite(rows).all()):
        raise FlowError("latent", "it holds nan or infinite numbers", "check the weights")
    rows = rows - rows.mean(dim=0)
    # Both products have the same eigenvalues above 0; the smaller one is enough.
    square = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    count = min(components, rows.shape[0] - 1, rows.shape[1])
    found = cast("Tensor", torch.linalg.eigvalsh(square / len(rows)))  # pyright: ignore[reportUnknownMemberType]
    variance = found.flip(0)[:count].clamp(min=0.0)
    return LatentStatistics(
        float(variance.mean()),
        float(variance.std(correction=0)),
        int((variance < _COLLAPSED_COMPONENT).sum()),
        count,
    )


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
