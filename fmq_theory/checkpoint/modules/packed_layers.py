"""Layers that keep their weight packed and dequantize it on use.

A packed layer is the layer that it was, of a subclass whose ``weight`` is dequantized each time it is asked
for. So ``isinstance(layer, nn.Linear)`` still holds, its ``forward`` is that of torch, and code that reads
``layer.weight`` goes on working. Inputs and biases have gradients; a packed weight has none.
"""

# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false
# torch offers no other way to exchange a submodule or a parameter for one of another kind.

from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from fmq_theory.checkpoint.modules.packable import PACKABLE, Place
from fmq_theory.checkpoint.modules.packed_weight import PREFIX, PackedWeight
from fmq_theory.errors import CheckpointError

__all__ = ["PACKED", "dequantize_module", "packed_weights", "with_packed"]


class _Packed(nn.Module):
    """Mixed into a layer of which a parameter is made of a ``PackedWeight`` instead.

    In a state dict the packed weight is called ``weight.codes`` and so on, as in a quantized file.
    """

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        for name in _packed_of(self):
            ours, stored = f"{prefix}{PREFIX}{name}.", f"{prefix}{name}."
            for key in [key for key in state_dict if key.startswith(stored)]:
                state_dict[ours + key.removeprefix(stored)] = state_dict.pop(key)
        super()._load_from_state_dict(  # pyright: ignore[reportUnknownMemberType]
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


def _dequantized(name: str) -> Any:
    """The parameter of that name, dequantized now if it is packed."""

    def get(self: nn.Module) -> Any:
        packed = self._modules.get(f"{PREFIX}{name}")
        return self._parameters.get(name) if packed is None else cast(PackedWeight, packed).dequantize()

    return property(get)


class _PackedWeight(_Packed):
    weight: Any = _dequantized("weight")


class PackedLinear(_PackedWeight, nn.Linear):
    """``nn.Linear`` with a packed weight."""


class PackedConv1d(_PackedWeight, nn.Conv1d):
    """``nn.Conv1d`` with a packed weight."""


class PackedConv2d(_PackedWeight, nn.Conv2d):
    """``nn.Conv2d`` with a packed weight."""


class PackedConv3d(_PackedWeight, nn.Conv3d):
    """``nn.Conv3d`` with a packed weight."""


class PackedConvTranspose1d(_PackedWeight, nn.ConvTranspose1d):
    """``nn.ConvTranspose1d`` with a packed weight."""


class PackedConvTranspose2d(_PackedWeight, nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` with a packed weight."""


class PackedConvTranspose3d(_PackedWeight, nn.ConvTranspose3d):
    """``nn.ConvTranspose3d`` with a packed weight."""


class PackedOutProjection(_PackedWeight, NonDynamicallyQuantizableLinear):
    """The last layer of ``nn.MultiheadAttention`` with a packed weight."""


class PackedMultiheadAttention(_Packed, nn.MultiheadAttention):
    """``nn.MultiheadAttention`` with packed weights of its inputs."""

    in_proj_weight: Any = _dequantized("in_proj_weight")
    q_proj_weight: Any = _dequantized("q_proj_weight")
    k_proj_weight: Any = _dequantized("k_proj_weight")
    v_proj_weight: Any = _dequantized("v_proj_weight")


class PackedEmbedding(_PackedWeight, nn.Embedding):
    """``nn.Embedding`` with a packed weight; only the rows that are looked up are dequantized."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """The rows of ``input``'s indices.

        Raises:
            IndexError: an index is negative or too large; a compiled module does not look.
        """
        if input.dtype not in (torch.int32, torch.int64):
            return super().forward(input)  # which says what torch says
        weight = cast(PackedWeight, self._modules[f"{PREFIX}weight"])
        if torch.compiler.is_compiling():  # how many rows there are would depend on the numbers
            return weight.rows(input.reshape(-1).to(torch.int64)).reshape(*input.shape, self.embedding_dim)
        if input.numel() and not 0 <= int(input.min()) <= int(input.max()) < self.num_embeddings:
            raise IndexError(f"an index of the embedding is not in 0..{self.num_embeddings - 1}")
        index, place = cast("tuple[Tensor, Tensor]", cast("Any", torch).unique(input, return_inverse=True))
        return weight.rows(index.to(torch.int64))[place]


PACKED: dict[type[nn.Module], type[_Packed]] = {
    nn.Linear: PackedLinear,
    nn.Conv1d: PackedConv1d,
    nn.Conv2d: PackedConv2d,
    nn.Conv3d: PackedConv3d,
    nn.ConvTranspose1d: PackedConvTranspose1d,
    nn.ConvTranspose2d: PackedConvTranspose2d,
    nn.ConvTranspose3d: PackedConvTranspose3d,
    nn.Embedding: PackedEmbedding,
    NonDynamicallyQuantizableLinear: PackedOutProjection,
    nn.MultiheadAttention: PackedMultiheadAttention,
}
_PLAIN = {packed: plain for plain, packed in PACKED.items()}


def with_packed(
    module: nn.Module, places: Mapping[str, Place], weights: Mapping[str, PackedWeight]
) -> nn.Module:
    """``module`` with packed layers for those that have these weights; a packed layer where it is one itself.

    Args:
        module: changed in place.
        places: by the names of the weights.
        weights: what takes their place, by the same names.
    """
    made: dict[int, nn.Module] = {}
    for name, place in places.items():
        parent, _, child = name.removesuffix(place.parameter).removesuffix(".").rpartition(".")
        # A layer that is there twice stays one.
        layer = made.get(id(place.layer)) or made.setdefault(id(place.layer), _packed_layer(place.layer))
        layer._parameters.pop(place.parameter, None)
        layer._modules[f"{PREFIX}{place.parameter}"] = weights[name]
        if child:
            module.get_submodule(parent)._modules[child] = layer
        else:
            module = layer
    return module


def packed_weights(module: nn.Module) -> dict[str, PackedWeight]:
    """The packed weights by the names of what they stand for; a shared one under each of them.

    Each has ``scheme``, ``bits``, ``mse``, ``num_bytes``, ``effective_bits`` and ``dequantize``.

    Args:
        module: any.

    Examples:
        >>> import torch
        >>> import fmq_theory
        >>> from fmq_theory.checkpoint import packed_weights
        >>> net = fmq_theory.quantize_module(torch.nn.Sequential(torch.nn.Linear(1024, 4)), "nf4")
        >>> {name: (weight.scheme, weight.effective_bits) for name, weight in packed_weights(net).items()}
        {'0.weight': ('nf4', 4.03125)}
    """
    found: dict[str, PackedWeight] = {}
    named = cast("Iterable[tuple[str, nn.Module]]", module.named_modules(remove_duplicate=False))
    for name, part in named:
        parent, dot, own = name.rpartition(".")
        if isinstance(part, PackedWeight) and own.startswith(PREFIX):
            found[f"{parent}{dot}{own.removeprefix(PREFIX)}"] = part
    return found


def dequantize_module(module: nn.Module) -> nn.Module:
    """Replaces packed layers by torch's own with the dequantized weights as parameters, in place.

    Weights that were shared stay shared. They can be trained again: each has a gradient.

    Args:
        module: what ``quantize_module`` or ``load_packed`` gave.

    Returns:
        ``module``, or what takes its place if it is itself a packed layer.

    Raises:
        CheckpointError: it has no packed layer.

    Examples:
        >>> import torch
        >>> import fmq_theory
        >>> net = fmq_theory.quantize_module(torch.nn.Sequential(torch.nn.Linear(1024, 4)), bits=3)
        >>> x = torch.ones(2, 1024)
        >>> before = net(x)
        >>> plain = fmq_theory.dequantize_module(net)
        >>> type(plain[0]).__name__, torch.equal(plain(x), before)
        ('Linear', True)
    """
    if not packed_weights(module):
        raise CheckpointError("module", "none of its layers is packed", "pass what quantize_module gave")
    parameters: dict[int, nn.Parameter] = {}
    made: dict[int, nn.Module] = {}
    named = cast("Iterable[tuple[str, nn.Module]]", module.named_modules(remove_duplicate=False))
    for name, layer in list(named):
        if type(layer) not in _PLAIN:
            continue
        plain = made.get(id(layer)) or made.setdefault(id(layer), _plain_layer(layer, parameters))
        parent, _, child = name.rpartition(".")
        if child:
            module.get_submodule(parent)._modules[child] = plain
        else:
            module = plain
    return module


def _packed_of(layer: nn.Module) -> list[str]:
    """The names of the parameters that are packed."""
    names = PACKABLE[_PLAIN[cast("type[_Packed]", type(layer))]]
    return [name for name in names if f"{PREFIX}{name}" in layer._modules]


def _packed_layer(layer: nn.Module) -> nn.Module:
    return _retyped(layer, PACKED[type(layer)])


def _plain_layer(layer: nn.Module, parameters: dict[int, nn.Parameter]) -> nn.Module:
    """The layer of torch; ``parameters`` are those that were made already, and grow."""
    plain = _retyped(layer, _PLAIN[cast("type[_Packed]", type(layer))])
    found: dict[str, nn.Parameter] = {}
    for name in _packed_of(layer):
        weight = cast(PackedWeight, plain._modules.pop(f"{PREFIX}{name}"))
        if id(weight) not in parameters:
            parameters[id(weight)] = nn.Parameter(weight.dequantize().detach().clone())
        found[name] = parameters[id(weight)]
    plain._parameters = {**found, **{k: v for k, v in plain._parameters.items() if k not in found}}
    return plain


def _retyped(layer: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """The same layer as one of another class, with tables of its own."""
    made = kind.__new__(kind)
    made.__dict__ = layer.__dict__.copy()
    made.__dict__["_parameters"] = dict(layer._parameters)
    made.__dict__["_modules"] = dict(layer._modules)
    return made
