"""What a file of ``fmq quantize`` holds: how each tensor is quantized, what it takes, and what it lost."""

import math
from typing import Any

from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.report.base.environment import environment
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.tables import Line, Section, Sheet, print_prose, print_sheet, terminal
from fmq_theory.report.base.words import size_of
from fmq_theory.shown import counted

__all__ = ["print_stored", "stored_as_json"]


def stored_as_json(file: QuantizedFile) -> dict[str, Any]:
    """How each tensor is stored, with the versions and the machine.

    Args:
        file: open.
    """
    return {
        "format": "fmq-stored-1",
        "path": str(file.path),
        "quantization_config": file.config,
        "environment": environment(),
    }


def print_stored(file: QuantizedFile) -> None:
    """Prints on standard output.

    Args:
        file: open.
    """
    console, config = terminal(), file.config
    tensors: dict[str, dict[str, Any]] = config["tensors"]
    weights = sum(math.prod(entry["shape"]) for entry in tensors.values())
    print_prose(
        console,
        f"{file.path}: quantized by fmq, {counted(len(tensors), 'tensor')}, {weights:,} weights at "
        f"{config['effective_bits']:.2f} bits with all that is stored of them, mean squared error "
        f"{config['mse']:.4g}; {size_of(config['num_bytes'])} in all, {size_of(config['kept_bytes'])} of "
        "them tensors that were kept as they are",
    )
    console.print()
    sections = [
        Section(
            name,
            [
                Line(
                    (
                        "×".join(map(str, entry["shape"])),
                        style_of(entry["scheme"]).short,
                        str(entry["bits"]),
                        _per(entry),
                        f"{entry['effective_bits']:.2f}",
                        f"{entry['mse']:.3g}",
                    )
                )
            ],
        )
        for name, entry in tensors.items()
    ]
    columns = ["shape", "scheme", "bits", "a codebook per", "eff. bits", "mean sq. error"]
    print_sheet(
        console,
        Sheet(sections, columns, label="tensor", left=frozenset({"scheme", "a codebook per"})),
    )


def _per(entry: dict[str, Any]) -> str:
    if entry["scale_unit"] is not None:
        return f"tensor, a scale per {entry['group_size']}"
    return f"group of {entry['group_size']}" if entry["strategy"] == "group" else str(entry["strategy"])
