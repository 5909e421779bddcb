"""What kind of layer each weight of a diffusers model belongs to, of which a checkpoint says nothing."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

import torch

from fmq_theory.checkpoint.io.naming import Entry
from fmq_theory.errors import CheckpointError

__all__ = ["Architecture", "architecture_of", "model_of"]

_INSTALL = "install diffusers: pip install 'fmq_theory[sdnq]'"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model without its numbers.

    Attributes:
        layers: the class of each module that has a tensor called "weight", by the name of that tensor.
        shapes: of every tensor of its state dict.
    """

    layers: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]


def architecture_of(config: Mapping[str, Any], thing: str) -> Architecture:
    """The model that a diffusers ``config.json`` describes, built without memory for its weights.

    Args:
        config: the JSON object; its ``_class_name`` names the class.
        thing: what errors call the file.

    Raises:
        CheckpointError: diffusers is missing, or lacks that class, or cannot build it from this.
    """
    name = config.get("_class_name")
    if not isinstance(name, str):
        raise CheckpointError(
            thing,
            "it has no _class_name, so which layer each weight belongs to is unknown",
            "pass the folder of a diffusers model, with its config.json",
        )
    try:
        diffusers: Any = importlib.import_module("diffusers")
    except ImportError as error:
        raise CheckpointError(thing, f"diffusers, which builds {name!r}, is missing", _INSTALL) from error
    names = [known for known in dir(diffusers) if known.endswith("Model")]
    found: Any = getattr(diffusers, name, None)
    if not (isinstance(found, type) and issubclass(found, torch.nn.Module)):
        close = get_close_matches(name, names, 1)
        raise CheckpointError(
            thing,
            f"diffusers {diffusers.__version__} has no model {name!r}",
            f"did you mean {close[0]!r}?" if close else "update diffusers, or correct _class_name",
        )
    try:
        with torch.device("meta"):
            model: Any = cast("Any", found).from_config(dict(config))
    except Exception as error:
        raise CheckpointError(
            thing, f"diffusers cannot build {name!r} from it: {error}", "correct the config.json"
        ) from error
    modules = cast("dict[str, torch.nn.Module]", dict(model.named_modules()))
    layers = {
        f"{key}.weight": type(module).__name__
        for key, module in modules.items()
        if isinstance(getattr(module, "weight", None), torch.Tensor) and key
    }
    return Architecture(layers, {key: tuple(value.shape) for key, value in model.state_dict().items()})


def model_of(entries: Mapping[str, Entry], config: Mapping[str, Any], thing: str) -> Architecture:
    """The model that a ``config.json`` describes, after its tensors were found to be these.

    Args:
        entries: the tensors of a checkpoint by name.
        config: of the model; its ``_class_name`` names the class of diffusers.
        thing: what errors call the checkpoint.

    Raises:
        CheckpointError: they are those of another model, or as of ``architecture_of``.
    """
    model = architecture_of(config, f"config.json of {thing}")
    missing = [name for name in model.shapes if name not in entries]
    foreign = [name for name in entries if name not in model.shapes]
    if missing or foreign:
        first = f"lacks {missing[0]!r}" if missing else f"has {foreign[0]!r}, which the model has not"
        raise CheckpointError(
            thing, f"it {first}: config.json is that of another model", "pass a whole folder of diffusers"
        )
    for name, shape in model.shapes.items():
        if entries[name].stored.shape != shape:
            raise CheckpointError(
                f"tensor {name!r}",
                f"its shape is {entries[name].stored.shape}, and config.json says {shape}",
                "pass the config.json of this model",
            )
        entries[name].stored.file_type(name)
    return model
