"""Which layers of a module can keep their weight packed, and why others cannot."""

# pyright: reportPrivateUsage=false
# Whether a weight is a parameter of its own is only to be seen in the table of them.

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from fmq_theory.errors import CheckpointError, WeightsError
from fmq_theory.flow.wrapped_names import without_wrappers

__all__ = ["PACKABLE", "by_layer", "check_packable", "packable_layers", "why_not_packable"]

PACKABLE: tuple[type[nn.Module], ...] = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Embedding,
)

T = TypeVar("T")

# What else a layer holds when its weight is made anew before each call, and what undoes it.
_MADE_OF = {
    "weight_g": ("weight_norm", "call torch.nn.utils.remove_weight_norm on it first"),
    "weight_u": ("spectral_norm", "call torch.nn.utils.remove_spectral_norm on it first"),
    "weight_mask": ("pruning", "call torch.nn.utils.prune.remove(layer, 'weight') first"),
}


def packable_layers(module: nn.Module) -> dict[str, Any]:
    """The layers of the kinds that are packed, by the name of their weight; a shared one under each name.

    Subclasses may use their weight as they like and are not among them, but for those that torch makes of a
    layer with a parametrized weight.
    """
    found: dict[str, Any] = {}
    named = cast("Iterable[tuple[str, nn.Module]]", module.named_modules(remove_duplicate=False))
    for name, layer in named:
        kind = type(layer)
        if parametrize.is_parametrized(layer, "weight"):
            kind = kind.__mro__[1]
        # An embedding with max_norm changes its weight on use.
        if kind in PACKABLE and getattr(layer, "max_norm", None) is None:
            found[f"{name}.weight" if name else "weight"] = layer
    return found


def by_layer(planned: Mapping[str, T], layers: Mapping[str, nn.Module]) -> dict[str, T]:
    """What is planned, by the names of the layers' weights; the plan's may lack what wrappers add to them.

    Raises:
        CheckpointError: the plan names a weight that no layer has.
    """
    bare = {without_wrappers(name): name for name in layers}
    names = {name: name if name in layers else bare.get(without_wrappers(name)) for name in planned}
    if unknown := [name for name, ours in names.items() if ours is None]:
        raise CheckpointError(
            f"tensor {unknown[0]!r} of the plan",
            "no layer of the module that can be packed has a weight of that name",
            f"they include {', '.join(map(repr, list(layers)[:4]))}" if layers else "it has no such layer",
        )
    return {ours: planned[name] for name, ours in names.items() if ours is not None}


def check_packable(name: str, layer: nn.Module) -> None:
    """Refuses a layer that cannot be packed.

    Args:
        name: of its weight.
        layer: one of ``packable_layers``.

    Raises:
        WeightsError: with the reason and what mends it.
    """
    if found := why_not_packable(layer):
        cause, remedy = found
        raise WeightsError(f"tensor {name!r}", cause, f"{remedy}, or exclude it")


def why_not_packable(layer: nn.Module, *, numbers: bool = True) -> tuple[str, str] | None:
    """The cause and its remedy; None where the layer can be packed.

    Args:
        layer: one of ``packable_layers``.
        numbers: whether its own weight must hold numbers.
    """
    if parametrize.is_parametrized(layer, "weight"):
        return (
            "it is parametrized: made anew of other parameters at each use",
            "call torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight') first",
        )
    weight = layer._parameters.get("weight")
    if weight is None:
        held = {*layer._parameters, *layer._buffers}
        for sign, (what, remedy) in _MADE_OF.items():
            if sign in held:
                return f"it is no parameter: {what} makes it of others before each call", remedy
        return "it is no parameter of its layer", "make it one"
    if not numbers:
        return None
    return _no_numbers(weight)


def _no_numbers(weight: Tensor) -> tuple[str, str] | None:
    if weight.device.type == "meta":
        return "it is on the meta device and has no numbers", "load the weights first (load_packed does both)"
    if weight.layout != torch.strided or weight.is_quantized or weight.is_nested:
        return "it is sparse, nested or already quantized", "make it dense first"
    if not weight.dtype.is_floating_point:
        return (
            f"its type {str(weight.dtype).removeprefix('torch.')} is none of real numbers",
            "convert it first",
        )
    if weight.numel() == 0:
        return f"it is empty (shape {list(weight.shape)})", "take the layer out"
    return None
