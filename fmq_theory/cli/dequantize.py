"""``fmq dequantize``: a quantized checkpoint as plain safetensors."""

from pathlib import Path

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.inputs import reading_checkpoint
from fmq_theory.cli.options import force_option
from fmq_theory.cli.outputs import say_next
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.start import leave_torch_out_of_pot
from fmq_theory.shown import escaped, python_text

__all__ = ["dequantize", "write_plain"]


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("quantized", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="A .safetensors file.")
@force_option("an output that exists")
def dequantize(quantized: Path, out: Path, force: bool) -> None:
    """Write the tensors of a quantized checkpoint in the types and shapes that they had.

    QUANTIZED is what fmq quantize wrote, a file or its folder. The result is what
    fmq_theory.checkpoint.load gives, bit for bit, in a file that every safetensors reader reads. It is as
    large as the original; the weights are the quantized ones.

    \b
    Examples:
      fmq dequantize small -o plain.safetensors
    """  # noqa: D301 (click reads \\b as "keep these lines")
    leave_torch_out_of_pot()
    with reported_errors(), reading_checkpoint(quantized):
        write_plain(quantized, out, overwrite=force)


def write_plain(quantized: Path, out: Path, *, overwrite: bool) -> None:
    """Writes the file and says how it is read.

    Args:
        quantized: what ``fmq quantize`` wrote.
        out: as the user named the file.
        overwrite: replace a file that exists.

    Raises:
        FmqError: see ``dequantize_file``.
    """
    from fmq_theory.checkpoint.quantized.plain_file import dequantize_file

    size = dequantize_file(quantized, out, overwrite=overwrite)
    click.echo(f"File: {escaped(out)}, {size:,} bytes")
    say_next(out, f"safetensors.torch.load_file({python_text(out)}) gives the state dict of the model.")
