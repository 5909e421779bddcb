"""Models by name, ``package.module:factory``, and weights put into them."""

import copy
import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from fmq_theory.errors import CheckpointError, FlowError, WeightsError
from fmq_theory.flow.model import FlowModel
from fmq_theory.flow.wrapped_names import fitting_renames, without_wrappers

__all__ = ["build_model", "with_weights"]

_NAMED = 5  # how many mismatches a message lists


def build_model(factory: str) -> FlowModel:
    """The model that ``package.module:factory`` returns, with whatever weights it starts with.

    Raises:
        FlowError: there is no such module or function, or it returns something else.
    """
    thing = f"model {factory!r}"
    place, colon, name = factory.partition(":")
    if not (place and colon and name):
        raise FlowError(
            thing, "it is not of the form package.module:factory", "name a factory, as in a.b:build"
        )
    try:
        module = importlib.import_module(place)
    except ImportError as error:
        raise FlowError(
            thing, f"the module cannot be imported ({error})", "check the name and PYTHONPATH"
        ) from error
    made = getattr(module, name, None)
    if not callable(made):
        raise FlowError(thing, f"{place} has no function {name!r}", "check the name")
    model = made()
    if not isinstance(model, FlowModel):
        raise FlowError(
            thing,
            f"it returned {type(model).__name__}",
            "return a fmq_theory.flow.FlowModel from the factory",
        )
    return model


def with_weights(model: FlowModel, weights: Mapping[str, Tensor], origin: str) -> FlowModel:
    """The model with these weights and running statistics, by name, all of them and no others.

    Names under ``model.unused`` may be there and are left out. A prefix that torch's wrappers put
    before every name (``module.``, ``_orig_mod.``) is taken off. The weights take the module's type.

    Args:
        model: stays as it is.
        weights: a state dict.
        origin: what messages call the weights.

    Raises:
        CheckpointError: names or shapes do not fit; the message lists the first of each kind.
        WeightsError: a tensor holds nan or inf.
    """
    wanted = cast("dict[str, Tensor]", model.module.state_dict())
    weights = _renamed(wanted, weights, model.unused)
    missing = [repr(name) for name in wanted if name not in weights]
    surplus = [repr(name) for name in weights if name not in wanted]
    shapes = [
        f"{name!r} is {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}"
        for name, tensor in weights.items()
        if name in wanted and tensor.shape != wanted[name].shape
    ]
    causes = [*_listed("missing", missing), *_listed("not of the model", surplus), *_listed("shapes", shapes)]
    if causes:
        raise CheckpointError(
            f"{origin} in {type(model.module).__name__}",
            f"the weights do not fit: {'; '.join(causes)}",
            "pass the factory of the network that was trained",
        )
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(
                f"tensor {name!r} of {origin}",
                "it holds nan or inf",
                "use a checkpoint from before the training diverged",
            )
    module = copy.deepcopy(model.module)
    module.load_state_dict(dict(weights))
    return replace(model, module=module.eval().requires_grad_(False))


def _renamed(
    wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor], unused: tuple[str, ...]
) -> dict[str, Tensor]:
    """The weights by the module's names, where those differ by a prefix alone; else by their own."""
    bare = {name: without_wrappers(name) for name in weights}
    used = [name for name in weights if not (name.startswith(unused) or bare[name].startswith(unused))]
    names = fitting_renames(wanted, used) or {
        name: name if name in wanted or bare[name] not in wanted else bare[name] for name in used
    }
    return {names[name]: weights[name] for name in used}


def _listed(what: str, items: list[str]) -> list[str]:
    if not items:
        return []
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return [f"{what}: {', '.join(items[:_NAMED])}{more}"]
