"""Layers whose weight is made of other parameters at each use: the same layer with what is made, once.

Weight and spectral norm (in both of torch's forms), pruning and any parametrization. What is made now is what
evaluation would make; a layer that is trained on from here on has one weight.
"""

# pyright: reportPrivateUsage=false
# A layer is copied without its numbers, which only its own tables allow.

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm

__all__ = ["folded", "folded_layers", "is_made", "plain_kind"]

# What else a layer holds when a hook makes its weight before each call, and what undoes it.
_UNDONE: dict[str, Callable[[nn.Module, str], nn.Module]] = {
    "_g": remove_weight_norm,
    "_u": remove_spectral_norm,
    "_mask": cast("Any", prune).remove,
}
_TABLES = ("_parameters", "_buffers", "_modules", "_forward_pre_hooks", "_state_dict_hooks",
           "_load_state_dict_pre_hooks")  # fmt: skip


def plain_kind(layer: nn.Module) -> type[nn.Module]:
    """The class of the layer, without the one that torch makes of it to parametrize it."""
    kind = type(layer)
    return kind.__mro__[1] if parametrize.is_parametrized(layer) else kind


def is_made(layer: nn.Module, parameter: str) -> bool:
    """Whether a parameter is made of others, in a way that ``folded`` can undo.

    Args:
        layer: any.
        parameter: the name under which the layer uses it.
    """
    return parametrize.is_parametrized(layer, parameter) or _hooked(layer, parameter) is not None


def folded(layer: nn.Module) -> nn.Module:
    """A layer that computes the same in evaluation, with parameters of its own; the rest it shares.

    Args:
        layer: left as it is.
    """
    made = _copied(layer)
    if parametrize.is_parametrized(layer):
        made.__class__ = plain_kind(layer)
        lists = cast("nn.ModuleDict", made._modules.pop("parametrizations"))
        found = {name: _evaluated(layer, name, one) for name, one in lists.items()}
        made._parameters = {
            **{k: v for k, v in found.items() if isinstance(v, nn.Parameter)},
            **made._parameters,
        }
        made._buffers.update({k: v for k, v in found.items() if not isinstance(v, nn.Parameter)})
    for parameter in [name for name in ("weight", "in_proj_weight") if _hooked(made, name)]:
        sign = cast(str, _hooked(made, parameter))
        if sign == "_mask":  # torch writes the product into the old parameter
            name = f"{parameter}_orig"
            made._parameters[name] = nn.Parameter(cast(Tensor, made._parameters[name]).detach().clone())
        _UNDONE[sign](made, parameter)
    return made


@contextmanager
def folded_layers(module: nn.Module, names: Iterable[str]) -> Generator[nn.Module]:
    """The module with layers folded in place; as it was, where the block ends with an error.

    Args:
        module: what is given in the block, unless it is itself one of the layers.
        names: of the layers; the empty one is the module.
    """
    made: dict[int, nn.Module] = {}
    before: list[tuple[Any, str, nn.Module]] = []
    try:
        for name in dict.fromkeys(names):
            layer = module.get_submodule(name)
            plain = made.setdefault(id(layer), folded(layer))
            parent, _, child = name.rpartition(".")
            if not child:
                module = plain
                continue
            table = module.get_submodule(parent)._modules
            before.append((table, child, layer))
            table[child] = plain
        yield module
    except BaseException:
        for table, child, layer in reversed(before):
            table[child] = layer
        raise


def _hooked(layer: nn.Module, parameter: str) -> str | None:
    """What a hook leaves beside the parts of the parameter that it makes; None where there is no hook."""
    if parameter in layer._parameters:
        return None
    held = {*layer._parameters, *layer._buffers}
    return next((sign for sign in _UNDONE if f"{parameter}{sign}" in held), None)


def _copied(layer: nn.Module) -> nn.Module:
    copied = layer.__class__.__new__(layer.__class__)
    copied.__dict__ = layer.__dict__.copy()
    for name in _TABLES:
        table = cast("dict[str, Any]", layer.__dict__[name])
        copied.__dict__[name] = table.copy()
    return copied


def _evaluated(layer: nn.Module, name: str, made_by: nn.Module) -> Tensor:
    """What a parametrization makes in evaluation, where spectral norm takes no step of its iteration."""
    modes = {part: part.training for part in made_by.modules()}
    made_by.eval()
    try:
        with torch.no_grad():
            value = cast(Tensor, getattr(layer, name)).detach().clone()
    finally:
        for part, mode in modes.items():
            part.training = mode
    return nn.Parameter(value) if any(True for _ in made_by.parameters()) else value
