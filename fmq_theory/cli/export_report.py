"""What ``fmq export`` says when it is done: the size, the error, what was kept, and how it is loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmq_theory.shown import counted, escaped, python_text, shell_word

if TYPE_CHECKING:
    from fmq_theory.checkpoint.exports import Export, SdnqExport

__all__ = ["report_folder", "report_gguf", "report_nf4", "report_sdnq"]

_MOST_NAMED = 3


def report_folder(file: Path, out: Path) -> None:
    """Of a folder with a file of fmq.

    Args:
        file: of the tensors.
        out: as the user named the folder.
    """
    click.echo(f"Folder: {escaped(out)} ({escaped(file.name)}, config.json)")
    click.echo(
        f"Next: fmq_theory.checkpoint.load_packed(model, {python_text(file)}) fills a model built from its "
        "config."
    )


def report_sdnq(written: "SdnqExport", out: Path) -> None:
    """Of a folder of SDNQ.

    Args:
        written: what the library says of it.
        out: as the user named the folder.
    """
    click.echo(f"Folder: {escaped(out)} ({escaped(written.path.name)}, config.json)")
    click.echo(
        f"Size: {written.num_bytes:,} bytes, from {written.original_bytes:,}; "
        f"{counted(len(written.quantized), 'tensor')} quantized, "
        f"at {written.bits_per_weight:.2f} bits a weight with their tables"
    )
    click.echo(f"Relative squared error of their weights: {written.relative_error:.3g}")
    if written.one_table:
        click.echo(
            "One table for the tensor, as tables a row would take more than a bit a weight: "
            f"{counted(len(written.one_table), 'tensor')}"
        )
    _tell_kept(written.kept)
    click.echo(
        f"Next: from_pretrained({python_text(out)}) of the model's class in diffusers, with sdnq installed."
    )


def report_gguf(written: "Export", checkpoint: Path, out: Path, *, folded: bool) -> None:
    """Of a GGUF file.

    Args:
        written: what the library says of it.
        checkpoint: the original, as the user named it.
        out: as the user named the file.
        folded: whether weights were folded into rows that only ComfyUI-GGUF unfolds.
    """
    click.echo(f"File: {escaped(out)}")
    _report_size(written)
    loaders = "ComfyUI-GGUF" if folded else "ComfyUI-GGUF, diffusers (GGUFQuantizationConfig)"
    click.echo(f"Next: fmq compare {shell_word(checkpoint)} {shell_word(out)}")
    click.echo(f"  or: load it in {loaders} by its name; tensors are called as in the original")


def report_nf4(written: "Export", checkpoint: Path, out: Path) -> None:
    """Of a model in NF4.

    Args:
        written: what the library says of it.
        checkpoint: the original, as the user named it.
        out: as the user named the file or the folder.
    """
    folder = written.path != out
    if folder:
        click.echo(f"Folder: {escaped(out)} ({escaped(written.path.name)}, config.json)")
    else:
        click.echo(f"File: {escaped(out)}")
    _report_size(written)
    click.echo(f"Next: fmq compare {shell_word(checkpoint)} {shell_word(out)}")
    if folder:
        click.echo(
            f"  or: from_pretrained({python_text(out)}) of the model's class, with bitsandbytes and a GPU"
        )


def _report_size(written: "Export") -> None:
    formats = ", ".join(f"{count} x {name}" for name, count in written.formats.items())
    click.echo(
        f"Size: {written.num_bytes:,} bytes, from {written.original_bytes:,}; "
        f"{counted(len(written.quantized), 'tensor')} quantized ({formats}), "
        f"at {written.bits_per_weight:.2f} bits a weight with all that belongs to them"
    )
    click.echo(f"Relative squared error of their weights: {written.relative_error:.3g}")
    _tell_kept(written.kept)


def _tell_kept(kept: Mapping[str, str]) -> None:
    """Tensors that stay as they are, a line a reason with the first names."""
    from fmq_theory.report.base.reasons import by_reason

    for reason, names in by_reason(kept.items()).items():
        named = ", ".join(map(escaped, names[:_MOST_NAMED]))
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        click.echo(f"Kept: {named}{more} ({reason})")
