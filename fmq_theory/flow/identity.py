"""What a flow's finished cells depend on, as digests: the network, its weights, its code, and data."""

import hashlib
import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from fmq_theory.flow.model import FlowModel

__all__ = ["model_digest", "module_digest", "tensors_digest", "weights_digest"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # another one in every process


def tensors_digest(tensors: Iterable[Tensor]) -> str:
    """A short name of these numbers, their types and shapes, equal for equal ones only.

    Args:
        tensors: of any type and layout in memory; their order counts.
    """
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(_bytes_of(tensor))
    return found.hexdigest()[:16]


def weights_digest(model: FlowModel) -> str:
    """A short name of the weights of a flow's network, equal for equal weights only."""
    return _numbers_digest(model.module)


def module_digest(module: nn.Module) -> str:
    """A short name of a network: its weights and buffers, its structure, and the files of its code.

    Two networks with the same weights may differ in an activation. So the digest has what ``repr`` says of
    every layer, and the text of each file outside of torch that a layer's class comes from. A change in a
    file that these import is not seen.
    """
    found = hashlib.sha256(_numbers_digest(module).encode())
    found.update(_ADDRESS.sub("", repr(module)).encode("utf-8", "backslashreplace"))
    layers = list(module.modules())
    for text in _code_of({type(layer) for layer in layers}):
        found.update(text)
    return found.hexdigest()[:16]


def model_digest(model: FlowModel) -> str:
    """A short name of a flow model: its network (see ``module_digest``) and what its factory says of it."""
    told = (model.sample_shape, model.data_range, model.latent_layer)
    found = hashlib.sha256(f"{module_digest(model.module)} {told}".encode("utf-8", "backslashreplace"))
    for text in _code_of({model.draw_condition}):
        found.update(text)
    return found.hexdigest()[:16]


def _numbers_digest(module: nn.Module) -> str:
    found = hashlib.sha256()
    state = dict(cast("dict[str, Tensor]", module.state_dict()))
    # Buffers that a state dict leaves out, such as a table of frequencies, change the answers too.
    state.update({name: buffer for name, buffer in module.named_buffers() if name not in state})
    for name, tensor in sorted(state.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode("utf-8", "backslashreplace"))
        found.update(_bytes_of(tensor))
    return found.hexdigest()[:16]


def _bytes_of(tensor: Tensor) -> bytes:
    plain = tensor.detach().contiguous().cpu().flatten()
    return plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""


def _code_of(things: Iterable[object]) -> list[bytes]:
    """The text of the files that classes or functions come from, each once; none for torch's own."""
    places: set[str] = set()
    for thing in things:
        home = sys.modules.get(getattr(thing, "__module__", "") or "")
        if home is None or home.__name__.partition(".")[0] == "torch":
            continue
        try:
            if (place := inspect.getsourcefile(home)) is not None:
                places.add(place)
        except TypeError:
            continue  # built in, or typed at a prompt
    found: list[bytes] = []
    for place in sorted(places):
        try:
            found.append(Path(place).read_bytes())
        except OSError:
            continue  # inside an archive
    return found
