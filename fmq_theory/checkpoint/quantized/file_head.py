"""How many bytes a quantized file takes beside the numbers in it, before there is one."""

import json
from collections.abc import Iterable

import numpy as np

from fmq_theory.checkpoint.io.container import Spec, header_text, in_file_order
from fmq_theory.checkpoint.io.files import Readable, opened
from fmq_theory.checkpoint.io.number_types import ITEM_BITS
from fmq_theory.checkpoint.io.packed.index import CONFIG, METHOD, VERSION
from fmq_theory.checkpoint.io.packed.table import PACKED, SMALL, PackedRow, Table, write_table
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Planned

__all__ = ["head_bytes"]

_SPARE = 32  # digits that are not known yet: checksums, errors, units of scales
_SPARE_SHARE = 0.02


def head_bytes(checkpoint: Readable, plan: Iterable[Planned]) -> int:
    """Bytes of header and table of the file that ``write_quantized`` makes of a plan, and a little more.

    The table is written with errors and checksums drawn at random, which take as many digits as the real
    ones; what they compress to differs by a few bytes.

    Args:
        checkpoint: what is to be quantized.
        plan: how its tensors are quantized; the others are kept.

    Raises:
        CheckpointError: it cannot be read.
    """
    choices = {planned.name: planned.choice for planned in plan}
    rng = np.random.default_rng(0)
    rows: dict[str, PackedRow] = {}
    kept: list[Spec] = []
    ties: dict[str, dict[str, object]] = {}
    with opened(checkpoint) as stored:
        for entry in stored.entries():
            tensor, choice = entry.stored, choices.get(entry.name)
            if entry.tied:
                ties[entry.name] = {"of": entry.name, "axes": list(range(len(tensor.shape)))}
            elif entry.excluded:
                continue
            elif choice is None:
                kept.append(Spec(entry.name, tensor.file_type(entry.name), tensor.shape))
            else:
                rows[entry.name] = _row(choice, tensor.file_type(entry.name), tensor.shape, rng)
    modules = [spec.name for spec in kept if len(spec.shape) > 1]
    large = [spec for spec in kept if spec.num_bytes > SMALL]
    small = {spec.name: (spec, int(rng.integers(2**32))) for spec in kept if spec.num_bytes <= SMALL}
    sums = [int(rng.integers(2**32)) for _ in large]
    head, said = write_table(Table(rows, ties, modules, sums, small))
    metadata = json.dumps({"quant_method": METHOD, "version": VERSION, **said}, separators=(",", ":"))
    packed = Spec(PACKED, "U8", (len(head) + sum(row.num_bytes for row in rows.values()),))
    text = header_text([*in_file_order(large), packed], {"format": "pt", CONFIG: metadata})
    return int((len(head) + len(text)) * (1.0 + _SPARE_SHARE)) + _SPARE


def _row(choice: Choice, dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> PackedRow:
    """A row with the fields that are known and others as long as the real ones."""
    blocks = choice.block is not None
    entry = {
        "shape": list(shape),
        "dtype": dtype,
        "scheme": choice.scheme,
        "bits": choice.bits,
        "strategy": choice.granularity,
        "axis": 0,
        "group_size": choice.group_size,
        "levels": "levels",
        "mse": float(rng.random()),
        "scale_unit": float(rng.random()) if blocks else None,
    }
    codebook = Spec("", "F64" if ITEM_BITS[dtype] == 64 else "F32", (1, int(2**choice.bits)))
    return PackedRow(entry, codebook, Spec("", "F32", (1,)) if blocks else None, Spec("", "U8", (1,)),
                     int(rng.integers(2**32)))  # fmt: skip
