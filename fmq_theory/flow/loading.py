"""Models by name, ``package.module:factory`` or ``file.py:factory``, and weights put into them."""

import copy
from collections.abc import Collection, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from fmq_theory.errors import CheckpointError, FlowError, WeightsError
from fmq_theory.flow.factories import made_by
from fmq_theory.flow.model import FlowModel
from fmq_theory.flow.wrapped_names import fitting_prefix, fitting_renames, without_wrappers

__all__ = ["build_model", "with_weights"]

_NAMED = 5  # how many mismatches a message lists


def build_model(factory: str) -> FlowModel:
    """The model of ``package.module:factory`` or ``file.py:factory``, with the weights it starts with.

    The factory is called without arguments. The folder of a file is added to the end of ``sys.path``, so that
    the file may import what lies beside it.

    Args:
        factory: a module or a Python file, a colon, and the name of a function in it.

    Raises:
        FlowError: there is no such module, file or function, it needs arguments or raises an error, or it
            returns something else.

    Examples:
        >>> from fmq_theory.flow import build_model
        >>> build_model("fmq_theory.flow.digits:load_digits").sample_shape
        (1, 8, 8)
    """
    thing = f"model {factory!r}"
    model = made_by(thing, factory)
    if not isinstance(model, FlowModel):
        bare = isinstance(model, nn.Module)
        raise FlowError(
            thing,
            f"it returned {type(model).__name__}" + (", which does not say what a sample is" if bare else ""),
            "return fmq_theory.flow.FlowModel(module, sample_shape=...) from the factory",
        )
    return model


def with_weights(model: FlowModel, weights: Mapping[str, Tensor], origin: str) -> FlowModel:
    """The model with these weights and running statistics, by name, all of them and no others.

    Names under ``model.unused`` may be there and are left out. Where all names agree but for a prefix that
    one side has and the other has not (``module.`` of torch's wrappers, ``net.`` of a module that holds the
    network), it is taken off or put before them. The weights take the module's type.

    Args:
        model: stays as it is.
        weights: a state dict.
        origin: what messages call the weights.

    Raises:
        CheckpointError: names or shapes do not fit; the message lists the first of each kind, and a prefix
            under which some of them would fit.
        WeightsError: a tensor holds nan or inf.
    """
    wanted = cast("dict[str, Tensor]", model.module.state_dict())
    weights = _renamed(wanted, weights, model.unused)
    missing = [name for name in wanted if name not in weights]
    surplus = [name for name in weights if name not in wanted]
    shapes = [
        f"{name!r} is {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}"
        for name, tensor in weights.items()
        if name in wanted and tensor.shape != wanted[name].shape
    ]
    causes = [
        *_listed("missing", list(map(repr, missing))),
        *_listed("not of the model", list(map(repr, surplus))),
        *_listed("shapes", shapes),
    ]
    if causes:
        raise CheckpointError(
            f"{origin} in {type(model.module).__name__}",
            f"the weights do not fit: {'; '.join(causes)}{_hint(wanted, weights)}",
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
    # A copy and not replace(): a class made of FlowModel may be constructed otherwise.
    loaded = copy.copy(model)
    if hasattr(model, "__dict__"):
        vars(loaded).update(vars(model))
    object.__setattr__(loaded, "module", module.eval().requires_grad_(False))
    return loaded


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


def _hint(own: Collection[str], given: Collection[str]) -> str:
    """A prefix that one side has before names and the other has not."""
    if prefix := fitting_prefix(own, given):
        return f"; names of the checkpoint begin with {prefix!r}, and without it more of them would fit"
    if prefix := fitting_prefix(given, own):
        return f"; names of the module begin with {prefix!r}, under which more of the checkpoint's would fit"
    return ""


def _listed(what: str, items: list[str]) -> list[str]:
    if not items:
        return []
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return [f"{what}: {', '.join(items[:_NAMED])}{more}"]
