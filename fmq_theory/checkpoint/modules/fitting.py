"""A quantized checkpoint and a module: which tensors belong together, and the copy into the module."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.errors import CheckpointError
from fmq_theory.flow.wrapped_names import fitting_prefix, fitting_renames

__all__ = ["LoadReport", "check_sound", "check_writable", "fitting_names", "load_into", "own_tensors"]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What did not find its counterpart.

    Attributes:
        missing: of the module, not in the file.
        unexpected: of the file, not in the module.
        renamed: pairs of a name in the file and the name in the module that it stands for, where the names
            differ by a prefix (``module.``, ``_orig_mod.``) and fit exactly without it; else empty.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...] = ()


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of a module's state dict by name, themselves and no copies."""
    state: dict[str, object] = module.state_dict(keep_vars=True)
    return {name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}


def fitting_names(
    file: QuantizedFile, own: Mapping[str, Tensor], *, strict: bool
) -> tuple[LoadReport, dict[str, str]]:
    """What a module and a file lack of one another, and the tensors that both have.

    Args:
        file: the checkpoint.
        own: the tensors of the module.
        strict: each must have all of the other.

    Returns:
        the report, and by their names in the file the names in the module.

    Raises:
        CheckpointError: they do not fit.
    """
    renames = fitting_renames(list(own), file.names) or {name: name for name in file.names if name in own}
    taken = set(renames.values())
    report = LoadReport(
        tuple(name for name in own if name not in taken),
        tuple(name for name in file.names if name not in renames),
        tuple((name, ours) for name, ours in renames.items() if name != ours),
    )
    if (strict and (report.missing or report.unexpected)) or not (renames or not own):
        raise _misfit(file, own, report, nothing=not renames)
    for name, ours in renames.items():
        if file.shape(name) != tuple(own[ours].shape):
            raise CheckpointError(
                f"tensor {name!r} of {str(file.path)!r}",
                f"it has shape {list(file.shape(name))} and the module's {list(own[ours].shape)}",
                "build the module that was quantized",
            )
        if own[ours].dtype.is_floating_point < file.dtype(name).is_floating_point:
            raise CheckpointError(
                f"tensor {name!r} of {str(file.path)!r}",
                f"its numbers are {_type(file.dtype(name))} and the module's {_type(own[ours].dtype)}",
                "build the module that was quantized",
            )
    return report, renames


def _misfit(
    file: QuantizedFile, own: Mapping[str, Tensor], report: LoadReport, *, nothing: bool
) -> CheckpointError:
    remedy = "build the module that was quantized"
    if prefix := fitting_prefix(list(own), file.names):
        remedy += f"; names of the file begin with {prefix!r}, and without that more of them would fit"
    elif prefix := fitting_prefix(file.names, list(own)):
        part = prefix.removesuffix(".")
        remedy += (
            f"; names of the module begin with {prefix!r}: pass module.{part}, to which the file fits better"
        )
    elif not nothing:
        remedy += ", or pass strict=False"
    return CheckpointError(
        f"checkpoint {str(file.path)!r}",
        f"the module has {len(report.missing)} tensors that it lacks {list(report.missing[:3])}, and "
        f"lacks {len(report.unexpected)} of its own {list(report.unexpected[:3])}",
        remedy,
    )


def check_sound(file: QuantizedFile, names: Iterable[str]) -> None:
    """Refuses a file of which a tensor cannot be decoded, before one is used.

    Raises:
        CheckpointError: one is damaged.
    """
    for name in dict.fromkeys(file.ties.get(name, name) for name in names):
        file.verify(name)
        if name in file.quantized:
            file.packed(name)


def load_into(module: nn.Module, path: Path | str, strict: bool = True) -> LoadReport:
    """Dequantizes a checkpoint into the parameters and buffers of a module, a tensor at a time.

    Names that differ only by a prefix of all of them, as torch's wrappers put there, are taken for the same
    where they then fit exactly; the report says so.

    Args:
        module: its tensors keep their type and device; numbers are cast as ``Tensor.copy_`` does.
        path: of a quantized file, or of the folder that holds it.
        strict: every tensor of the module must be in the file, and the other way round.

    Raises:
        CheckpointError: see ``QuantizedFile``; or the tensors do not fit, or none does. The module is then
            as it was: all checksums are verified before anything is copied.
    """
    with QuantizedFile(path) as file, torch.no_grad():
        own = own_tensors(module)
        report, renames = fitting_names(file, own, strict=strict)
        for ours in renames.values():
            check_writable(ours, own[ours])
        check_sound(file, renames)
        for name, ours in renames.items():
            own[ours].copy_(file.dequantize(name))
    return report


def check_writable(name: str, tensor: Tensor) -> None:
    """Refuses a tensor of a module that nothing can be copied into.

    Raises:
        CheckpointError: it is one.
    """
    if tensor.device.type == "meta":
        raise CheckpointError(
            f"tensor {name!r} of the module",
            "it is on the meta device and has no memory to copy into",
            "call module.to_empty(device='cpu') first, or load_packed",
        )
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise CheckpointError(
            f"tensor {name!r} of the module", "it is sparse or quantized", "make it dense first"
        )
    if any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True)):
        raise CheckpointError(
            f"tensor {name!r} of the module", "its elements share memory (expand)", "call .contiguous() first"
        )


def _type(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
