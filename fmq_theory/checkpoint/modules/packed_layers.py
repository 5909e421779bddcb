"""Modules that keep their weight packed and dequantize it on use.

A packed layer is the layer that it was, of a subclass whose ``weight`` is dequantized each time it is asked
for. So ``isinstance(layer, nn.Linear)`` still holds, its ``forward`` is that of torch, and code that reads
``layer.weight`` goes on working. For inference only: a packed weight has no gradient.
"""

# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false
# torch offers no other way to exchange a submodule or a parameter for one of another kind.

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from fmq_theory.checkpoint.io.naming import matches
from fmq_theory.checkpoint.io.number_types import safetensors_type
from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.checkpoint.io.packed.tensor import CodebookType, pack
from fmq_theory.checkpoint.io.tensors import as_numpy
from fmq_theory.checkpoint.modules.fitting import check_sound, check_writable, fitting_names, own_tensors
from fmq_theory.checkpoint.modules.packable import by_layer, check_packable, packable_layers, why_not_packable
from fmq_theory.checkpoint.modules.packed_weight import SUBMODULE, PackedWeight
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Planned
from fmq_theory.errors import CheckpointError, FmqError, WeightsError

__all__ = ["PACKED", "load_packed", "quantize_module"]


class _Packed(nn.Module):
    """Mixed into a layer whose ``weight`` is made of ``packed_weight`` instead of being a parameter.

    In a state dict the packed weight is called ``weight.codes`` and so on, as in a quantized file.
    """

    packed_weight: PackedWeight

    @property
    def weight(self) -> Any:
        """The weights, dequantized now."""
        return self.packed_weight.dequantize()

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
        ours, stored = f"{prefix}{SUBMODULE}.", f"{prefix}weight."
        for key in [key for key in state_dict if key.startswith(stored)]:
            state_dict[ours + key.removeprefix(stored)] = state_dict.pop(key)
        super()._load_from_state_dict(  # pyright: ignore[reportUnknownMemberType]
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class PackedLinear(_Packed, nn.Linear):
    """``nn.Linear`` with a packed weight."""


class PackedConv1d(_Packed, nn.Conv1d):
    """``nn.Conv1d`` with a packed weight."""


class PackedConv2d(_Packed, nn.Conv2d):
    """``nn.Conv2d`` with a packed weight."""


class PackedConv3d(_Packed, nn.Conv3d):
    """``nn.Conv3d`` with a packed weight."""


class PackedConvTranspose1d(_Packed, nn.ConvTranspose1d):
    """``nn.ConvTranspose1d`` with a packed weight."""


class PackedConvTranspose2d(_Packed, nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` with a packed weight."""


class PackedConvTranspose3d(_Packed, nn.ConvTranspose3d):
    """``nn.ConvTranspose3d`` with a packed weight."""


class PackedEmbedding(_Packed, nn.Embedding):
    """``nn.Embedding`` with a packed weight; only the rows that are looked up are dequantized."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """The rows of ``input``'s indices.

        Raises:
            IndexError: an index is negative or too large.
        """
        if input.dtype not in (torch.int32, torch.int64):
            return super().forward(input)  # which says what torch says
        if input.numel() and not 0 <= int(input.min()) <= int(input.max()) < self.num_embeddings:
            raise IndexError(f"an index of the embedding is not in 0..{self.num_embeddings - 1}")
        index, place = cast("tuple[Tensor, Tensor]", cast("Any", torch).unique(input, return_inverse=True))
        return self.packed_weight.rows(index)[place]


PACKED: dict[type[nn.Module], type[_Packed]] = {
    nn.Linear: PackedLinear,
    nn.Conv1d: PackedConv1d,
    nn.Conv2d: PackedConv2d,
    nn.Conv3d: PackedConv3d,
    nn.ConvTranspose1d: PackedConvTranspose1d,
    nn.ConvTranspose2d: PackedConvTranspose2d,
    nn.ConvTranspose3d: PackedConvTranspose3d,
    nn.Embedding: PackedEmbedding,
}


def quantize_module(
    module: nn.Module,
    plan: str | Iterable[Planned] = "lloyd_max",
    bits: int = 4,
    granularity: str = "channel",
    group_size: int | None = None,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    codebook_type: CodebookType | None = None,
    threads: int | None = None,
) -> nn.Module:
    """Replaces the layers of ``module`` by packed ones, in place.

    Linear layers, convolutions and embeddings are packed; layers that a subclass of those made different, and
    all other parameters, stay as they are.

    Args:
        module: any; a weight that several layers share stays shared.
        plan: a scheme for all layers, or how each is quantized (``Plan.tensors``), by the name of its weight.
        bits: of the codes, for a scheme.
        granularity: see ``quantize``, for a scheme.
        group_size: see ``quantize``, for a scheme.
        include: patterns of names of weights, for a scheme.
        exclude: patterns of names that are left as they are, for a scheme.
        codebook_type: of the stored levels.
        threads: at most so many at once; None for FMQ_THREADS, or all CPUs. No result depends on it.

    Returns:
        ``module``, or what takes its place if it is itself a layer.

    Raises:
        WeightsError: a weight cannot be quantized so, or is made of others before each call (weight and
            spectral norm, pruning); it is named, and the module is as it was.
        SchemeError: see ``quantize``.
        CheckpointError: the plan names a weight that no layer has, or nothing is to be quantized.

    Examples:
        >>> import torch
        >>> from fmq_theory import checkpoint
        >>> layer = checkpoint.quantize_module(torch.nn.Linear(1024, 4), "lloyd_max", bits=3)
        >>> isinstance(layer, torch.nn.Linear), [row.unique().numel() for row in layer.weight]
        (True, [8, 8, 8, 8])
        >>> layer(torch.ones(2, 1024)).shape
        torch.Size([2, 4])
    """
    layers = packable_layers(module)
    if isinstance(plan, str):
        choice = Choice(plan, bits, granularity, group_size)
        choices = {name: choice for name in layers if matches(name, include, exclude)}
    else:
        choices = by_layer({planned.name: planned.choice for planned in plan}, layers)
    if not choices:
        raise CheckpointError("module", "none of its layers is to be quantized", "ask for some")
    for name in choices:
        check_packable(name, layers[name])
    weights: dict[int, PackedWeight] = {}
    for name, choice in choices.items():
        tensor = cast(Tensor, layers[name].weight)  # the layers keep them, so that no id is used twice
        if id(tensor) not in weights:
            weights[id(tensor)] = _quantized(name, tensor, choice, codebook_type, threads).to(tensor.device)
    # Nothing was changed so far, and nothing fails from here on.
    found = {name: weights[id(layers[name].weight)] for name in choices}
    return _with_packed(module, {name: layers[name] for name in choices}, found)


def load_packed(module: nn.Module, path: Path | str, strict: bool = True) -> nn.Module:
    """Reads a quantized checkpoint into a module without dequantizing the layers that can stay packed.

    Args:
        module: of the checkpoint's architecture. On the meta device it never takes more memory than it
            will: ``with torch.device("meta"): module = ...``.
        path: see ``QuantizedFile``. Prefixes of names are taken off as ``load_into`` does it.
        strict: every tensor of the module must be in the file, and the other way round.

    Returns:
        ``module``, or what takes its place if it is itself a layer. Weights have the types that the module
        had, those of the file where it was on the meta device.

    Raises:
        CheckpointError: the file is damaged, or does not fit. The module is then as it was.

    Examples:
        The module is made without memory for its weights:

        >>> import tempfile
        >>> from pathlib import Path
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> from fmq_theory import checkpoint
        >>> weight = torch.linspace(0, 1, 4096).reshape(4, 1024)
        >>> recipe = checkpoint.Recipe("weight", checkpoint.Choice("lloyd_max", bits=4))
        >>> with torch.device("meta"):
        ...     module = torch.nn.Linear(1024, 4, bias=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path, small = Path(folder) / "model.safetensors", Path(folder) / "small.safetensors"
        ...     save_file({"weight": weight}, path)
        ...     written = checkpoint.write_quantized(path, small, [recipe])
        ...     module = checkpoint.load_packed(module, small)
        >>> [row.unique().numel() for row in module.weight]
        [16, 16, 16, 16]
        >>> module(torch.ones(2, 1024)).shape
        torch.Size([2, 4])
    """
    with QuantizedFile(path) as file, torch.no_grad():
        layers, own = packable_layers(module), own_tensors(module)
        _, renames = fitting_names(file, own, strict=strict)
        targets = {name: file.ties.get(name, name) for name in renames}
        packed = {
            name
            for name, target in targets.items()
            if target in file.quantized
            and file.shape(name) == file.shape(target)
            and renames[name] in layers
            and not why_not_packable(layers[renames[name]], numbers=False)
        }
        for name, ours in renames.items():
            if name not in packed and own[ours].device.type != "meta":
                check_writable(ours, own[ours])
        check_sound(file, renames)
        weights: dict[tuple[str, torch.dtype, torch.device], PackedWeight] = {}
        found: dict[str, PackedWeight] = {}
        for name, ours in renames.items():
            meta = own[ours].device.type == "meta"
            if name in packed:
                # A module that has numbers keeps its type; one that has none takes that of the file.
                dtype = file.dtype(name) if meta else own[ours].dtype
                device = torch.device("cpu") if meta else own[ours].device
                key = targets[name], dtype, device
                if key not in weights:
                    weights[key] = PackedWeight(file.packed(targets[name])).to(device, dtype)
                found[ours] = weights[key]
            elif meta:
                _assign(module, ours, file.dequantize(name))
            else:
                own[ours].copy_(file.dequantize(name))
    return _with_packed(module, {name: layers[name] for name in found}, found)


def _quantized(
    name: str, tensor: Tensor, choice: Choice, codebook_type: CodebookType | None, threads: int | None
) -> PackedWeight:
    dtype = safetensors_type(name, tensor.dtype)
    weights = as_numpy(tensor)
    if not np.isfinite(weights).all():
        nans, infs = int(np.isnan(weights).sum()), int(np.isinf(weights).sum())
        raise WeightsError(
            f"tensor {name!r}", f"{nans} of its numbers are nan and {infs} are infinite", "exclude it"
        )
    tensor = tensor.detach().cpu().resolve_neg()
    try:
        choice.check(tuple(tensor.shape))
        found = choice.quantize(tensor, threads)
        return PackedWeight(pack(found, dtype, codebook_type or choice.codebook_type, weights, threads))
    except FmqError as error:
        raise error.renamed(f"tensor {name!r}: {error.thing}") from error


def _with_packed(
    module: nn.Module, layers: Mapping[str, nn.Module], weights: Mapping[str, PackedWeight]
) -> nn.Module:
    """``module`` with packed layers in the places of ``layers``; the layer itself where that is the root."""
    made: dict[int, nn.Module] = {}
    for name, layer in layers.items():
        # A layer that is there twice stays one.
        packed = made.setdefault(id(layer), _packed_layer(layer, weights[name]))
        parent, _, child = name.removesuffix("weight").removesuffix(".").rpartition(".")
        if not child:
            return packed
        module.get_submodule(parent)._modules[child] = packed
    return module


def _packed_layer(layer: nn.Module, weight: PackedWeight) -> nn.Module:
    kind = PACKED[type(layer)]
    packed = kind.__new__(kind)
    packed.__dict__ = layer.__dict__.copy()
    packed.__dict__["_parameters"] = {k: v for k, v in layer._parameters.items() if k != "weight"}
    packed.__dict__["_modules"] = {**layer._modules, SUBMODULE: weight}
    return packed


def _assign(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Gives a module that has no numbers yet those of ``tensor``."""
    parent, _, child = name.rpartition(".")
    holder = module.get_submodule(parent)
    if child in holder._parameters:
        holder._parameters[child] = nn.Parameter(tensor, requires_grad=False)
    else:
        holder._buffers[child] = tensor
