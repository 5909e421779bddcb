"""A model as its factory describes it: the network, and what must be known to run it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from fmq_theory.errors import FlowError
from fmq_theory.flow.field import TorchField

__all__ = ["Condition", "FlowModel", "no_condition"]

Condition = Callable[[int, torch.Generator], tuple[Tensor, ...]]


def no_condition(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Of a model that takes x and t alone."""
    del batch, generator
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class FlowModel:
    """What the factory of ``--model package.module:factory`` returns.

    Attributes:
        module: called as ``module(x, t, *condition)``, t of shape ``[batch]`` from 0 (noise) to 1 (data).
        sample_shape: of one sample.
        data_range: width of the space that the data fill: 2 for images in [-1, 1]. PSNR and SSIM use it.
        draw_condition: ``draw_condition(batch, generator)``, the rest of the module's arguments.
        latent_layer: name of the submodule in the middle, for the statistics of its answers; None if none.
        unused: beginnings of names that the checkpoint may hold and the module has no use for.
    """

    module: nn.Module = field(repr=False)
    sample_shape: tuple[int, ...]
    data_range: float = 2.0
    draw_condition: Condition = field(repr=False, default=no_condition)
    latent_layer: str | None = None
    unused: tuple[str, ...] = ()

    def __post_init__(self) -> None:
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
        """The velocity field of ``batch`` samples, with conditions drawn for them."""
        return TorchField.of(self.module, self.sample_shape, self.draw_condition(batch, generator))

    def noise(self, batch: int, generator: torch.Generator) -> Tensor:
        """Standard normal x at t = 0, shape ``[batch, *sample_shape]``, of the weights' type."""
        dtype = next((p.dtype for p in self.module.parameters()), torch.float32)
        return torch.randn((batch, *self.sample_shape), generator=generator, dtype=dtype)


def _submodules(module: nn.Module) -> dict[str, nn.Module]:
    return dict(cast("Iterator[tuple[str, nn.Module]]", module.named_modules()))
