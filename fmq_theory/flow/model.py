"""A model as its factory describes it: the network, and what must be known to run it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from fmq_theory.brief import brief_repr
from fmq_theory.errors import FlowError
from fmq_theory.flow.field import TorchField
from fmq_theory.flow.foreign import check_forward, foreign_code

__all__ = ["Condition", "FlowModel", "no_condition"]

Condition = Callable[[int, torch.Generator], tuple[Tensor, ...]]


def no_condition(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Of a model that takes x and t alone."""
    del batch, generator
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class FlowModel:
    """What the factory of ``--model package.module:factory`` returns: dx/dt = v(x, t), and what x is.

    A flow carries x from noise at t = 0 to data at t = 1. The module is v: it is called with ``x`` of shape
    ``[batch, *sample_shape]`` and ``t`` of shape ``[batch]``, and answers in the shape of ``x``. A network
    that wants its arguments otherwise (time first, by name, a scalar) is wrapped in one that calls it so.

    Attributes:
        module: called as ``module(x, t, *condition)``, t of shape ``[batch]`` from 0 (noise) to 1 (data).
        sample_shape: of one sample.
        data_range: width of the space that the data fill: 2 for images in [-1, 1]. PSNR and SSIM use it.
        draw_condition: ``draw_condition(batch, generator)``, the rest of the module's arguments.
        latent_layer: name of the submodule in the middle, for the statistics of its answers; None if none.
        unused: beginnings of names that the checkpoint may hold and the module has no use for.

    Raises:
        FlowError: the module, a shape, ``data_range`` or ``latent_layer`` is none.

    Examples:
        A network of points of the plane, drawn to the origin; one step of Euler's method halves them:

        >>> import torch
        >>> import fmq_theory
        >>> class Pull(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.rate = torch.nn.Parameter(torch.tensor(0.5))
        ...
        ...     def forward(self, x, t):
        ...         return -self.rate * x
        >>> model = fmq_theory.FlowModel(Pull(), sample_shape=(2,))
        >>> field = model.field(1, torch.Generator().manual_seed(0))
        >>> fmq_theory.flow.sample(field, torch.ones(1, 2), 1, "euler").end.tolist()
        [[0.5, 0.5]]
    """

    module: nn.Module = field(repr=False)
    sample_shape: tuple[int, ...]
    data_range: float = 2.0
    draw_condition: Condition = field(repr=False, default=no_condition)
    latent_layer: str | None = None
    unused: tuple[str, ...] = ()

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.module), nn.Module):
            raise FlowError(
                f"module of type {type(self.module).__name__}", "it is no torch.nn.Module", "pass the network"
            )
        sizes = cast("object", self.sample_shape)
        if not isinstance(sizes, Sequence) or not all(
            isinstance(n, int) and n > 0 for n in cast("Sequence[object]", sizes)
        ):
            raise FlowError(
                f"sample_shape = {self.sample_shape}", "its sizes are no positive whole numbers",
                "pass the shape of one sample without the batch, as in (3, 32, 32)",
            )  # fmt: skip
        if any(p.is_meta for p in self.module.parameters()):
            raise FlowError(
                f"module {type(self.module).__name__}",
                "its weights are on the meta device and have no values",
                "make the network on the CPU",
            )
        if not 0.0 < self.data_range < float("inf"):
            raise FlowError(
                f"data_range = {self.data_range}",
                "the width of the data's space is positive and finite",
                "pass 2.0 for data in [-1, 1]",
            )
        if self.latent_layer is not None and self.latent_layer not in _submodules(self.module):
            raise FlowError(
                f"latent_layer {self.latent_layer!r}",
                f"{type(self.module).__name__} has no submodule of that name",
                "take a name from module.named_modules()",
            )

    def field(self, batch: int, generator: torch.Generator) -> TorchField:
        """The velocity field of ``batch`` samples, with conditions drawn for them.

        Args:
            batch: samples, at least 1.
            generator: where the conditions' randomness comes from; it is advanced.

        Raises:
            FlowError: ``draw_condition`` fails, or the module cannot be called as
                ``module(x, t, *condition)``.
        """
        with foreign_code("draw_condition", "it", "return a tuple of tensors with one row a sample"):
            condition = cast("object", self.draw_condition(batch, generator))
        parts = cast("tuple[object, ...]", condition) if isinstance(condition, tuple) else (condition,)
        tensors = tuple(part for part in parts if isinstance(part, Tensor))
        if not isinstance(condition, tuple) or len(tensors) < len(parts):
            raise FlowError(
                "draw_condition",
                f"it returned {', '.join(type(part).__name__ for part in parts)}",
                "return a tuple of tensors with one row a sample, as in (labels,)",
            )
        if any(part.ndim == 0 or len(part) != batch for part in tensors):
            raise FlowError(
                "draw_condition",
                f"for {batch} samples its tensors are of shape "
                f"{', '.join(str(tuple(part.shape)) for part in tensors)}",
                "return a tuple of tensors with one row a sample, as in (labels,)",
            )
        check_forward(self.module, len(tensors))
        return TorchField.of(self.module, self.sample_shape, tensors)

    def noise(self, batch: int, generator: torch.Generator) -> Tensor:
        """Standard normal x at t = 0, shape ``[batch, *sample_shape]``, of the weights' type.

        Args:
            batch: samples, at least 1.
            generator: where the randomness comes from; it is advanced.
        """
        dtype = next((p.dtype for p in self.module.parameters()), torch.float32)
        return torch.randn((batch, *self.sample_shape), generator=generator, dtype=dtype)


def _submodules(module: nn.Module) -> dict[str, nn.Module]:
    return dict(cast("Iterator[tuple[str, nn.Module]]", module.named_modules()))
