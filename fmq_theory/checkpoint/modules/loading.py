"""A quantized checkpoint in a network whose layers stay packed."""

# pyright: reportPrivateUsage=false
# A module without numbers gets its tensors by way of its tables.

from pathlib import Path

import torch
from torch import Tensor, nn

from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.checkpoint.modules.fitting import check_sound, check_writable, fitting_names, own_tensors
from fmq_theory.checkpoint.modules.folding import folded_layers
from fmq_theory.checkpoint.modules.packable import packable_places, why_not_packable
from fmq_theory.checkpoint.modules.packed_layers import with_packed
from fmq_theory.checkpoint.modules.packed_weight import PackedWeight, checked_decode
from fmq_theory.flow.wrapped_names import without_wrappers

__all__ = ["load_packed"]


def load_packed(
    module: nn.Module, path: Path | str, strict: bool = True, *, decode: str = "each_call"
) -> nn.Module:
    """Reads a quantized checkpoint into a module without dequantizing the layers that can stay packed.

    A layer whose weight is made of others (weight norm, for one) is replaced by one with a weight of its own
    where the file has that weight, as ``save_packed`` writes it.

    Args:
        module: of the checkpoint's architecture. On the meta device it never takes more memory than it
            will: ``with torch.device("meta"): module = ...``.
        path: see ``QuantizedFile``. Prefixes of names are taken off as ``load_into`` does it.
        strict: every tensor of the module must be in the file, and the other way round.
        decode: "each_call" decodes a weight whenever it is used: memory stays packed. "once" keeps the
            decoded weights beside the packed ones.

    Returns:
        ``module``, or what takes its place if it is itself a layer. Weights have the types that the module
        had, those of the file where it was on the meta device.

    Raises:
        CheckpointError: the file is damaged, or does not fit. The module is then as it was.
        SettingError: there is no such ``decode``.

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
    checked_decode(decode)
    with (
        QuantizedFile(path) as file,
        torch.no_grad(),
        folded_layers(module, _to_fold(module, file)) as module,
    ):
        places, own = packable_places(module), own_tensors(module)
        _, renames = fitting_names(file, own, strict=strict)
        targets = {name: file.ties.get(name, name) for name in renames}
        packed = {
            name
            for name, target in targets.items()
            if target in file.quantized
            and file.shape(name) == file.shape(target)
            and renames[name] in places
            and not why_not_packable(places[renames[name]], numbers=False)
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
                    weights[key] = PackedWeight(file.packed(targets[name]), decode).to(device, dtype)
                found[ours] = weights[key]
            elif meta:
                _assign(module, ours, file.dequantize(name))
            else:
                own[ours].copy_(file.dequantize(name))
        return with_packed(module, {name: places[name] for name in found}, found)


def _to_fold(module: nn.Module, file: QuantizedFile) -> list[str]:
    """The layers whose made weight the file has as one tensor, and not as the parts that it is made of."""
    names = {without_wrappers(name) for name in file.names}
    return [
        name.removesuffix(place.parameter).removesuffix(".")
        for name, place in packable_places(module).items()
        if place.made and without_wrappers(name) in names
    ]


def _assign(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Gives a module that has no numbers yet those of ``tensor``."""
    parent, _, child = name.rpartition(".")
    holder = module.get_submodule(parent)
    if child in holder._parameters:
        holder._parameters[child] = nn.Parameter(tensor, requires_grad=False)
    else:
        holder._buffers[child] = tensor
