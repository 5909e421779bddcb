"""A state dict of torchao's codebook tensors, which ``torch.load`` reads where torchao is installed.

A quantized tensor is a ``CodebookQuantizedTensor`` of torchao's prototype for Core ML and ExecuTorch, with a
table for the tensor, for each channel, or for each group of weights of a row. It holds a code in a byte,
whatever the bits: what lowers a model packs them. torchao's own reader of safetensors does not know this
class (version 0.18), so the file is one of ``torch.save``.
"""

import importlib
from pathlib import Path
from typing import Any

import torch

from fmq_theory.checkpoint.exports.block_tables import block_tables
from fmq_theory.checkpoint.exports.lookup import lookup_of
from fmq_theory.checkpoint.exports.repacked import Held, Repacked, quantized_file
from fmq_theory.checkpoint.io.inputs import checkpoint_files
from fmq_theory.errors import CheckpointError, OutputError
from fmq_theory.storage import check_output, reading
from fmq_theory.storage.outputs import write_atomically

__all__ = ["TENSORS", "export_torchao"]

TENSORS = "torchao.prototype.quantization.codebook_coreml"
"""The module with the class of the tensors."""
_SUFFIXES = (".pt", ".pth")
_TYPES = (torch.float32, torch.float16, torch.bfloat16)
_BITS = (1, 2, 3, 4, 5, 6, 7, 8)


def export_torchao(path_in: Path | str, path_out: Path | str, *, overwrite: bool = False) -> Repacked:
    """Writes a quantized checkpoint as a state dict with torchao's codebook tensors.

    It is read by ``torch.load`` with the class of its tensors among ``torch.serialization.safe_globals``, and
    assigned to a model by ``load_state_dict(..., assign=True)``.

    Args:
        path_in: a file of ``fmq quantize``, or its folder.
        path_out: a file that ends in ``.pt`` or ``.pth``.
        overwrite: replace a file that exists.

    Raises:
        CheckpointError: the input is no quantized checkpoint, or is damaged; a tensor has scales, groups or a
            type that torchao's cannot hold; torchao is missing, or has no such tensors.
        OutputError: the file exists, or cannot be written.
    """
    place = Path(path_out)
    if place.suffix.lower() not in _SUFFIXES:
        raise OutputError(
            f"output {path_out}", "torchao's tensors are kept by torch.save", "name a file that ends in .pt"
        )
    kind = _class()
    with reading(*checkpoint_files(Path(path_in))), quantized_file(path_in, "torchao") as file:
        check_output(place, overwrite=overwrite)
        state: dict[str, Any] = {}
        held: dict[str, Held] = {}
        for name in file.names:
            if name not in file.quantized:
                state[name] = file.dequantize(name).contiguous()
                continue
            found = lookup_of(file.packed(name))
            if found.table.dtype not in _TYPES:
                raise CheckpointError(
                    f"tensor {name!r}",
                    f"torchao does not look up numbers of {str(found.table.dtype).removeprefix('torch.')}",
                    "quantize it from float32, float16 or bfloat16",
                )
            codes, tables, bits = block_tables(name, found, _BITS, "torchao")
            block = [side // count for side, count in zip(found.shape, tables.shape, strict=False)]
            held[name] = Held(codes.size, codes.nbytes + tables.nbytes)
            state[name] = kind(
                torch.from_numpy(codes),  # pyright: ignore[reportUnknownMemberType]
                tables,
                getattr(torch, f"uint{bits}"),
                block,
                torch.Size(found.shape),
                dtype=tables.dtype,
            )
        write_atomically(place, lambda temporary: torch.save(state, temporary))
        return Repacked(place, place.stat().st_size, file.path.stat().st_size, held)


def _class() -> Any:
    try:
        return importlib.import_module(TENSORS).CodebookQuantizedTensor
    except (ImportError, AttributeError):
        raise CheckpointError(
            "torchao's codebook tensors",
            "torchao is not installed, or its version has none",
            "install it: pip install 'fmq_theory[torchao]'",
        ) from None
