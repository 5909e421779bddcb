"""``fmq export``: a model in the format of another tool, or a quantized checkpoint in its folder layout."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.inputs import reading_checkpoint
from fmq_theory.cli.quantize import read_config
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.start import leave_torch_out_of_pot
from fmq_theory.shown import escaped, python_text

if TYPE_CHECKING:
    from fmq_theory.checkpoint.exports import SdnqExport

__all__ = ["export"]

# Said again here, so that --help needs no numerics; a test compares with FORMATS.
FORMATS = ("diffusers", "transformers")
_SDNQ = "sdnq"


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The folder.")
@click.option(
    "--format",
    "kind",
    type=click.Choice((*FORMATS, _SDNQ)),
    default="diffusers",
    show_default=True,
    help="diffusers or transformers: the folder layout, for a file of fmq quantize. sdnq: codebooks that "
    "diffusers 0.40 and later load by themselves where the package sdnq is installed.",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="The original model's config.json.  [default: the one beside CHECKPOINT, if it is there]",
)
@click.option("--bits", type=click.IntRange(1, 8), help="With sdnq: bits of a code.  [default: 4]")
@click.option(
    "--scheme",
    help="With sdnq: how the levels are chosen, as fmq quantize takes it.  [default: lloyd_max, the least "
    "squared error]",
)
@click.option(
    "--granularity",
    type=click.Choice(("channel", "tensor")),
    help="With sdnq: a table of levels for each row of input channels, or one for each tensor. Where tables "
    "a row take more than a bit a weight the tensor has one in any case.  [default: channel]",
)
@click.option("--include", multiple=True, help="With sdnq: only tensors whose name fits; repeatable.")
@click.option("--exclude", multiple=True, help="With sdnq: not tensors whose name fits; repeatable.")
@click.option("--force", is_flag=True, help="Replace files in a folder that exists.")
def export(
    checkpoint: Path,
    out: Path,
    kind: str,
    config_path: Path | None,
    bits: int | None,
    scheme: str | None,
    granularity: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    force: bool,
) -> None:
    """Write a model in the format of another tool.

    With --format sdnq CHECKPOINT is an original model of diffusers, its folder for one. It is quantized into
    the codebooks of SDNQ, and from_pretrained of diffusers loads the folder with no code of ours.

    With --format diffusers or transformers CHECKPOINT is what fmq quantize wrote, a file or its folder. The
    folder holds the packed tensors under the name that the library looks for, and a config.json whose
    quantization_config says how to read them. The library itself does not know the method "fmq": build the
    model from the config and fill it with fmq_theory.checkpoint.load_into or load_packed.

    \b
    Examples:
      fmq export dit/ -o dit-sdnq --format sdnq --bits 4
      fmq export small -o small-diffusers --config unet/config.json
    """  # noqa: D301 (click reads \\b as "keep these lines")
    given = {
        "--bits": bits,
        "--scheme": scheme,
        "--granularity": granularity,
        "--include": include or None,
        "--exclude": exclude or None,
    }
    if kind != _SDNQ and (named := [option for option, value in given.items() if value is not None]):
        raise click.UsageError(
            f"{named[0]} is for --format sdnq: the other formats hold a file of fmq quantize as it is"
        )
    leave_torch_out_of_pot()
    with reported_errors(), reading_checkpoint(checkpoint, config_path):
        from fmq_theory.checkpoint.io.shards import find_checkpoint

        beside = find_checkpoint(checkpoint).parent / "config.json"
        base = read_config(beside) if config_path is None else _named_config(config_path)
        if kind == _SDNQ:
            from fmq_theory.checkpoint.exports import export_sdnq

            written = export_sdnq(
                checkpoint,
                out,
                base or {},
                bits=bits or 4,
                scheme=scheme or "lloyd_max",
                granularity=granularity or "channel",
                include=include,
                exclude=exclude,
                overwrite=force,
            )
            _tell(written, out)
            return
        from fmq_theory.checkpoint.quantized.plain_file import export_folder

        file = export_folder(checkpoint, out, kind, base, overwrite=force)
    click.echo(f"Folder: {escaped(out)} ({escaped(file.name)}, config.json)")
    click.echo(
        f"Next: fmq_theory.checkpoint.load_packed(model, {python_text(file)}) fills a model built from its "
        "config."
    )


def _tell(written: "SdnqExport", out: Path) -> None:
    """What was written, what it lost, and how it is loaded."""
    from fmq_theory.shown import counted

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
    for name, reason in written.kept.items():
        click.echo(f"Kept: {escaped(name)} ({reason})")
    click.echo(
        f"Next: from_pretrained({python_text(out)}) of the model's class in diffusers, with sdnq installed."
    )


def _named_config(path: Path) -> dict[str, Any]:
    """The JSON object of the file that ``--config`` names.

    Raises:
        CheckpointError: it holds something else.
    """
    from fmq_theory.errors import CheckpointError
    from fmq_theory.storage.json_objects import json_value, text_of_json

    def refused(cause: str) -> CheckpointError:
        return CheckpointError(f"--config {str(path)!r}", cause, "name a model's config.json")

    found = json_value(text_of_json(path, refused), refused)
    if not isinstance(found, dict):
        raise refused("it is no JSON object")
    return cast("dict[str, Any]", found)
