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

__all__ = ["build_model", "with_weights"]

_NAMED = 5  # how many mismatches a message lists
# What torch's wrappers put before every name.
_WRAPPERS = ("module.", "_orig_mod.")


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
    weights = {
        name: tensor for name, tensor in _unwrapped(weights).items() if not name.startswith(model.unused)
    }
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


def _unwrapped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = dict(weights)
    for prefix in _WRAPPERS:
        if found and all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return found


def _listed(what: str, items: list[str]) -> list[str]:
    if not items:
        return []
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return [f"{what}: {', '.join(items[:_NAMED])}{more}"]
