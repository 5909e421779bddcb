"""Velocity fields: dx/dt = v(x, t) from noise at t = 0 to data at t = 1."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol, Self, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fmq_theory.errors import FlowError
from fmq_theory.flow.foreign import foreign_code

__all__ = ["TorchField", "VelocityField"]


class VelocityField(Protocol):
    """v(x, t; theta), with all that it depends on bound into it.

    Training pairs are x_t = t data + (1 - t) noise. A field never changes: other weights, or fewer
    samples, make another field.
    """

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, of samples and of velocities."""
        ...

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The weights by name: what quantization changes."""
        ...

    def velocity(self, x: Tensor, t: float) -> Tensor:
        """v of ``x``, shape ``[batch, *sample_shape]``, at one time for the batch; same shape.

        Row i of the batch sees row i of the condition and no other row, so a Jacobian-vector product
        of the batch is one product a sample. torch.func can differentiate it by ``x``, and by what
        was handed to ``with_parameters``.

        Args:
            x: states, shape ``[batch, *sample_shape]``.
            t: the time of the whole batch, from 0 (noise) to 1 (data).

        Returns:
            dx/dt, of the shape of ``x``.
        """
        ...

    def with_parameters(self, parameters: Mapping[str, Tensor]) -> Self:
        """The same field with other weights; those that are not named stay.

        Args:
            parameters: tensors by the names of the weights that they replace, each of the same shape.

        Raises:
            FlowError: an unknown name, or another shape.
        """
        ...

    def select(self, index: Tensor) -> Self:
        """The field for some samples, by their int64 indices: it keeps those rows of the condition.

        Args:
            index: which samples, int64 from 0, shape ``[m]``.

        Returns:
            The field of m samples.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TorchField:
    """An ``nn.Module`` called as ``module(x, t, *condition)`` with t of shape ``[batch]``.

    ``TorchField.of`` makes one. Two threads must not call fields that share a module at the same time:
    torch lends the weights to the module for the length of a call.

    Attributes:
        module: in evaluation mode; its own weights are not used.
        sample_shape: of one sample.
        parameters: the weights by name.
        buffers: what the module keeps besides weights (running statistics).
        condition: class labels, observations: tensors with one row a sample. A batch of B sees
            their first B rows, so that samples which share noise share the condition.

    Examples:
        dx/dt = x multiplies by e; one step of Euler's method by 2, one of Heun's by 1 + 1 + 1/2:

        >>> import torch
        >>> from fmq_theory import flow
        >>> class Growth(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.rate = torch.nn.Parameter(torch.ones(1))
        ...
        ...     def forward(self, x, t):
        ...         return self.rate * x
        >>> field = flow.TorchField.of(Growth(), sample_shape=(1,))
        >>> [flow.sample(field, torch.ones(1, 1), 1, name).end.item() for name in ("euler", "heun")]
        [2.0, 2.5]
        >>> round(flow.sample(field, torch.ones(1, 1), 100).end.item(), 3)
        2.718
    """

    module: nn.Module = field(repr=False)
    sample_shape: tuple[int, ...]
    parameters: Mapping[str, Tensor] = field(repr=False)
    buffers: Mapping[str, Tensor] = field(repr=False)
    condition: tuple[Tensor, ...] = field(repr=False, default=())

    @classmethod
    def of(
        cls, module: nn.Module, sample_shape: tuple[int, ...], condition: tuple[Tensor, ...] = ()
    ) -> "TorchField":
        """A field with a copy of the module's weights.

        Args:
            module: called as ``module(x, t, *condition)``.
            sample_shape: of one sample, without the batch.
            condition: the rest of the module's arguments, each with one row a sample; none unless given.

        Raises:
            FlowError: the module has no weights, or the parts of the condition differ in length.
        """
        module = copy.deepcopy(module).eval().requires_grad_(False)
        parameters = {name: tensor.detach() for name, tensor in module.named_parameters()}
        if not parameters:
            raise FlowError(
                f"module {type(module).__name__}", "it has no weights", "pass a module with parameters"
            )
        buffers = {name: tensor.detach() for name, tensor in module.named_buffers()}
        made = cls(module, tuple(sample_shape), MappingProxyType(parameters), MappingProxyType(buffers))
        return made.with_condition(condition)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the first weight."""
        return next(iter(self.parameters.values())).dtype

    def velocity(self, x: Tensor, t: float) -> Tensor:
        """v(x, t), of the shape of ``x``.

        Args:
            x: states, shape ``[batch, *sample_shape]``, with a row of the condition for each.
            t: the time of the whole batch, from 0 (noise) to 1 (data).

        Raises:
            FlowError: ``x`` has another shape than ``[batch, *sample_shape]``, or more rows than the
                condition; the module's answer has another shape than ``x``.
        """
        batch = self._batch(x)
        times = torch.full((batch,), t, dtype=x.dtype, device=x.device)
        given = (x, times, *(part[:batch] for part in self.condition))
        kind = type(self.module).__name__
        with foreign_code(f"velocity of {kind}", "the module", _how_called(given)):
            answer = cast(
                object, functional_call(self.module, {**self.parameters, **self.buffers}, given, strict=False)
            )
        if not isinstance(answer, Tensor) or answer.shape != x.shape:
            got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise FlowError(
                f"velocity of {kind}",
                f"the module answers {got} to x of shape {tuple(x.shape)}",
                "wrap it in a module whose answer has the shape of x",
            )
        return answer

    def with_parameters(self, parameters: Mapping[str, Tensor]) -> "TorchField":
        """The same field with other weights, which are kept as they are: not copied, not detached.

        Args:
            parameters: tensors by the names of the weights that they replace, each of the same shape.

        Raises:
            FlowError: an unknown name, or a tensor of other shape.
        """
        for name, tensor in parameters.items():
            own = self.parameters.get(name)
            if own is None:
                raise FlowError(
                    f"weights {name!r}", "the field has none of that name", "take names from .parameters"
                )
            if own.shape != tensor.shape:
                raise FlowError(
                    f"weights {name!r}",
                    f"shape {tuple(tensor.shape)} in place of {tuple(own.shape)}",
                    "keep the shape",
                )
        return replace(self, parameters=MappingProxyType({**self.parameters, **parameters}))

    def with_condition(self, condition: tuple[Tensor, ...]) -> "TorchField":
        """The same field for other samples.

        Args:
            condition: the rest of the module's arguments, each with one row a sample.

        Raises:
            FlowError: the parts differ in length.
        """
        if len({len(part) for part in condition}) > 1:
            raise FlowError(
                "condition",
                f"its parts have {[len(part) for part in condition]} rows",
                "pass one row a sample in each",
            )
        return replace(self, condition=tuple(part.detach() for part in condition))

    def select(self, index: Tensor) -> "TorchField":
        """The field for the samples of these int64 indices.

        Args:
            index: which samples, int64 from 0, shape ``[m]``.
        """
        return replace(self, condition=tuple(part[index] for part in self.condition))

    def _batch(self, x: Tensor) -> int:
        if x.ndim == 0 or tuple(x.shape[1:]) != self.sample_shape:
            raise FlowError(
                f"samples of shape {tuple(x.shape)}",
                f"the field takes [batch, {', '.join(map(str, self.sample_shape))}]",
                "pass samples of that shape",
            )
        batch = x.shape[0]
        if any(len(part) < batch for part in self.condition):
            raise FlowError(
                f"a batch of {batch}",
                f"the field's condition has {len(self.condition[0])} rows",
                "make the field with one row of condition a sample",
            )
        return batch


def _how_called(given: tuple[Tensor, ...]) -> str:
    """What a module has to take, with the shapes of this call."""
    names = ("x", "t", *(f"condition[{place}]" for place in range(len(given) - 2)))
    shapes = ", ".join(
        f"{name} of shape {tuple(part.shape)}" for name, part in zip(names, given, strict=True)
    )
    return f"it is called as module({', '.join(names)}) with {shapes}: wrap it if it wants them otherwise"
