"""Which parameters of a module's layers can be kept packed, and why others cannot."""

# pyright: reportPrivateUsage=false
# Whether a weight is a parameter of its own is only to be seen in the table of them.

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from fmq_theory.checkpoint.modules.folding import is_made, plain_kind
from fmq_theory.errors import CheckpointError, WeightsError
from fmq_theory.flow.wrapped_names import without_wrappers

__all__ = ["PACKABLE", "Place", "by_layer", "check_packable", "packable_places", "why_not_packable"]

_WEIGHT = ("weight",)
PACKABLE: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Linear: _WEIGHT,
    nn.Conv1d: _WEIGHT,
    nn.Conv2d: _WEIGHT,
    nn.Conv3d: _WEIGHT,
    nn.ConvTranspose1d: _WEIGHT,
    nn.ConvTranspose2d: _WEIGHT,
    nn.ConvTranspose3d: _WEIGHT,
    nn.Embedding: _WEIGHT,
    NonDynamicallyQuantizableLinear: _WEIGHT,  # the last one of nn.MultiheadAttention
    nn.MultiheadAttention: ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
}
"""The kinds of layers, and the names of their parameters that are packed."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """A parameter that may be packed.

    Attributes:
        layer: that has it.
        parameter: its name there.
    """

    layer: nn.Module
    parameter: str

    @property
    def weight(self) -> Tensor:
        """What is there: the parameter, or what is made in its place."""
        return cast(Tensor, getattr(self.layer, self.parameter))

    @property
    def made(self) -> bool:
        """Whether it is made of other parameters before each use; see ``folded``."""
        return is_made(self.layer, self.parameter)


def packable_places(module: nn.Module) -> dict[str, Place]:
    """The parameters of the kinds that are packed, by name; that of a shared layer under each name.

    Subclasses may use their weight as they like and are not among them, but for those that torch makes of a
    layer with a parametrized weight.
    """
    found: dict[str, Place] = {}
    named = cast("Iterable[tuple[str, nn.Module]]", module.named_modules(remove_duplicate=False))
    for name, layer in named:
        for parameter in PACKABLE.get(plain_kind(layer), ()):
            # An embedding with max_norm changes its weight on use. Attention lacks some of its four.
            lacks = parameter in layer._parameters and layer._parameters[parameter] is None
            if getattr(layer, "max_norm", None) is None and not lacks:
                found[f"{name}.{parameter}" if name else parameter] = Place(layer, parameter)
    return found


def by_layer(planned: Mapping[str, T], places: Mapping[str, Place]) -> dict[str, T]:
    """What is planned, by the names of the places; the plan's may lack what wrappers add to them.

    Raises:
        CheckpointError: the plan names a weight that no layer has.
    """
    bare = {without_wrappers(name): name for name in places}
    names = {name: name if name in places else bare.get(without_wrappers(name)) for name in planned}
    if unknown := [name for name, ours in names.items() if ours is None]:
        raise CheckpointError(
            f"tensor {unknown[0]!r} of the plan",
            "no layer of the module that can be packed has a weight of that name",
            f"they include {', '.join(map(repr, list(places)[:4]))}" if places else "it has no such layer",
        )
    return {ours: planned[name] for name, ours in names.items() if ours is not None}


def check_packable(name: str, place: Place) -> None:
    """Refuses a weight that cannot be packed.

    Args:
        name: of it.
        place: one of ``packable_places``.

    Raises:
        WeightsError: with the reason and what mends it.
    """
    if found := why_not_packable(place):
        cause, remedy = found
        raise WeightsError(f"tensor {name!r}", cause, f"{remedy}, or exclude it")


def why_not_packable(place: Place, *, numbers: bool = True) -> tuple[str, str] | None:
    """The cause and its remedy; None where it can be packed.

    Args:
        place: one of ``packable_places``.
        numbers: whether it must hold numbers.
    """
    weight = place.layer._parameters.get(place.parameter)
    if weight is None:
        return "it is no parameter of its layer", "make it one"
    if not numbers:
        return None
    return _no_numbers(weight)


def _no_numbers(weight: Tensor) -> tuple[str, str] | None:
    if nn.parameter.is_lazy(weight):
        return "its layer has not seen its first input", "call the module once first"
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
