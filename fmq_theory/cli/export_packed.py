"""``fmq export`` of what ``fmq quantize`` wrote: the same codes and levels in files of other formats."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmq_theory.cli.dequantize import write_plain
from fmq_theory.shown import counted, escaped, python_text

if TYPE_CHECKING:
    from fmq_theory.checkpoint.exports import Repacked

__all__ = ["PACKED_FILES", "export_packed"]

PACKED_FILES = ("onnx", "openvino", "coreml", "torchao", "safetensors")
"""Formats that hold the codes, or the numbers, of a file of ``fmq quantize``."""


def export_packed(checkpoint: Path, out: Path, kind: str, graph: Path | None, *, overwrite: bool) -> None:
    """Writes the file and says what it is.

    Args:
        checkpoint: as the user named it.
        out: as the user named the output.
        kind: one of ``PACKED_FILES``.
        graph: a model of the user's, for the format that takes one.
        overwrite: replace what exists.

    Raises:
        FmqError: see the exports of ``fmq_theory.checkpoint.exports``.
    """
    if kind == "safetensors":
        write_plain(checkpoint, out, overwrite=overwrite)
        return
    from fmq_theory.checkpoint.exports import (
        export_coreml,
        export_onnx,
        export_onnx_graph,
        export_openvino,
        export_torchao,
    )

    if kind == "torchao":
        _report(export_torchao(checkpoint, out, overwrite=overwrite), out)
        click.echo(
            f"Next: torch.load({python_text(out)}) with CodebookQuantizedTensor of "
            "torchao.prototype.quantization.codebook_coreml among torch.serialization.safe_globals"
        )
        return
    if kind == "coreml":
        _report(export_coreml(checkpoint, out, overwrite=overwrite), out)
        click.echo(f"Next: coremltools.models.MLModel({python_text(out)}); on Apple's systems it is untested")
        return
    if kind == "openvino":
        _report(export_openvino(checkpoint, out, overwrite=overwrite), out)
        click.echo(
            f"Next: openvino.compile_model({python_text(out)})({{}}) gives the tensors; "
            "keep the .bin file beside it"
        )
        return

    if graph is not None:
        _report(export_onnx_graph(checkpoint, out, graph, overwrite=overwrite), out)
        click.echo(
            f"Next: onnxruntime.InferenceSession({python_text(out)}), which computes what the model does "
            "with the quantized weights"
        )
        return
    _report(export_onnx(checkpoint, out, overwrite=overwrite), out)
    click.echo(
        f"Next: onnxruntime.InferenceSession({python_text(out)}).run(None, {{}}) gives the tensors; with "
        "--graph MODEL.onnx the codes go into a model of yours"
    )


def _report(written: "Repacked", out: Path) -> None:
    click.echo(f"File: {escaped(out)}")
    click.echo(
        f"Size: {written.num_bytes:,} bytes, from {written.original_bytes:,} of CHECKPOINT; "
        f"{counted(len(written.quantized), 'tensor')} as codes, at {written.bits_per_weight:.2f} bits a "
        "weight with their tables and scales"
    )
    if written.missing:
        names = ", ".join(map(escaped, written.missing[:5]))
        more = f" and {len(written.missing) - 5} more" if len(written.missing) > 5 else ""
        click.echo(f"Not in the graph: {names}{more}")
