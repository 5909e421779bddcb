"""A network with packed layers as a quantized checkpoint."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fmq_theory.checkpoint.io.container import Spec
from fmq_theory.checkpoint.io.number_types import bytes_of, safetensors_type
from fmq_theory.checkpoint.io.packed.index import CODEBOOK, CODES, CONFIG, SCALES
from fmq_theory.checkpoint.io.packed.table import PACKED, PackedRow
from fmq_theory.checkpoint.io.packed.tensor import PackedTensor
from fmq_theory.checkpoint.modules.packed_layers import packed_weights
from fmq_theory.checkpoint.modules.packed_weight import PackedWeight
from fmq_theory.checkpoint.quantized.assemble import Kept, assemble
from fmq_theory.checkpoint.quantized.output import OutputPlace
from fmq_theory.checkpoint.quantized.parts import stored_arrays
from fmq_theory.checkpoint.quantized.tied import tied_axes
from fmq_theory.checkpoint.quantized.work_folder import WorkFolder
from fmq_theory.errors import CheckpointError

__all__ = ["save_packed"]

Bytes = NDArray[np.uint8]


class _Part:
    """A packed weight as the file is to hold it."""

    def __init__(self, packed: PackedTensor) -> None:
        arrays = stored_arrays(packed)
        self._bytes = {key: data for key, (_, _, data) in arrays.items()}
        self.specs = {key: Spec(key, dtype, shape) for key, (dtype, shape, _) in arrays.items()}
        crc32 = 0
        for key in (CODEBOOK, SCALES, CODES):
            if key in self._bytes:
                crc32 = zlib.crc32(cast("Any", self._bytes[key]), crc32)
        self.row = PackedRow(
            packed.config(), self.specs[CODEBOOK], self.specs.get(SCALES), self.specs[CODES], crc32
        )

    def bytes_of(self, key: str) -> Bytes:
        """The bytes of one of its arrays."""
        return self._bytes[key]


def save_packed(module: nn.Module, path: Path | str, *, overwrite: bool = False) -> Path:
    """Writes a module with packed layers as a quantized checkpoint: what ``fmq quantize`` writes.

    ``load_packed`` puts it into a module again, to the bit; ``load`` and ``fmq dequantize`` make plain
    weights of it. Weights that layers share are stored once.

    Args:
        module: what ``quantize_module`` or ``load_packed`` gave, on any device.
        path: a ``.safetensors`` file, or a folder for ``model.safetensors`` and ``config.json``.
        overwrite: replace what is there.

    Returns:
        the file of the tensors.

    Raises:
        CheckpointError: none of its layers is packed, or its state holds what the format cannot.
        OutputError: the output exists, or cannot be written; nothing is then under its name.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import torch
        >>> import fmq_theory
        >>> net = fmq_theory.quantize_module(torch.nn.Sequential(torch.nn.Linear(1024, 4)), bits=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = fmq_theory.save_packed(net, Path(folder) / "small.safetensors")
        ...     again = fmq_theory.load_packed(torch.nn.Sequential(torch.nn.Linear(1024, 4)), file)
        >>> torch.equal(again[0].weight, net[0].weight)
        True
    """
    place = OutputPlace(Path(path))
    place.check(overwrite=overwrite)
    weights = packed_weights(module)
    if not weights:
        raise CheckpointError(
            "module", "none of its layers is packed", "call fmq_theory.quantize_module on it first"
        )
    first: dict[int, str] = {}
    ties: dict[str, dict[str, Any]] = {}
    for name, weight in weights.items():
        if (same := first.setdefault(id(weight), name)) != name:
            ties[name] = {"of": same, "axes": list(range(len(weight.shape)))}
    others = _others(module, weights)
    kept = {name: _kept(name, tensor) for name, tensor in others.items() if not _tie(name, others, ties)}
    if PACKED in kept:
        raise CheckpointError(f"tensor {PACKED!r}", "its name is that of the packed tensors", "rename it")
    parts = {name: _Part(weights[name].packed()) for name in first.values()}
    work = WorkFolder(place.path)
    with work.opened(resume=False):
        temporary = work.temporary("model")
        config = assemble(temporary, parts, kept, ties)
        place.take(temporary, work.temporary("folder"), {CONFIG: config})
    return place.file


def _others(module: nn.Module, weights: Mapping[str, PackedWeight]) -> dict[str, Tensor]:
    """The tensors of the state that are not packed.

    Raises:
        CheckpointError: something in the state is no tensor.
    """
    state = cast("dict[str, object]", module.state_dict(keep_vars=True))
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.rpartition(".")[0] in weights:
            continue
        if not isinstance(value, Tensor):
            raise CheckpointError(
                f"{name!r} of the module's state",
                f"it is of type {type(value).__name__}, and the file holds tensors only",
                "save it apart, and let get_extra_state of its module return nothing",
            )
        found[name] = value
    return found


def _kept(name: str, tensor: Tensor) -> Kept:
    """How a tensor is stored that is not packed.

    Raises:
        CheckpointError: it has no numbers, or of a type or layout that the file lacks.
    """
    if tensor.device.type == "meta" or tensor.layout != torch.strided or tensor.is_quantized:
        raise CheckpointError(
            f"tensor {name!r}", "it is on the meta device, sparse or quantized", "make it dense first"
        )
    spec = Spec(name, safetensors_type(name, tensor.dtype), tuple(tensor.shape))
    is_weight = tensor.dtype.is_floating_point and tensor.ndim > 1 and tensor.numel() > 0
    return Kept(spec, lambda: bytes_of(tensor.detach().cpu().resolve_neg().resolve_conj()), is_weight)


def _tie(name: str, others: Mapping[str, Tensor], ties: dict[str, dict[str, Any]]) -> bool:
    """Whether a tensor shows the numbers of an earlier one, which is then noted."""
    tensor = others[name]
    if tensor.numel() == 0 or tensor.layout != torch.strided or tensor.device.type == "meta":
        return False
    for earlier, other in others.items():
        if earlier == name:
            return False
        same = other.dtype == tensor.dtype and other.data_ptr() == tensor.data_ptr()
        # Two views of the same bytes differ where one of them is to be negated or conjugated on reading.
        same = same and other.is_neg() == tensor.is_neg() and other.is_conj() == tensor.is_conj()
        if not same or earlier in ties or other.numel() != tensor.numel():
            continue
        if (axes := tied_axes(other, tensor)) is not None:
            ties[name] = {"of": earlier, "axes": list(axes)}
            return True
    return False
