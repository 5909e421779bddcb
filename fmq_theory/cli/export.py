"""``fmq export``: a quantized checkpoint in the folder layout of another library."""

from pathlib import Path
from typing import Any, cast

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.inputs import reading_checkpoint
from fmq_theory.cli.quantize import read_config
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.start import leave_torch_out_of_pot
from fmq_theory.shown import escaped, python_text

__all__ = ["export"]

# Said again here, so that --help needs no numerics; a test compares with FORMATS.
FORMATS = ("diffusers", "transformers")


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("quantized", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The folder.")
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="diffusers", show_default=True, help="Its layout."
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="The original model's config.json.  [default: the one beside QUANTIZED, if it is there]",
)
@click.option("--force", is_flag=True, help="Replace files in a folder that exists.")
def export(quantized: Path, out: Path, kind: str, config_path: Path | None, force: bool) -> None:
    """Lay a quantized checkpoint out as a model folder of another library.

    QUANTIZED is what fmq quantize wrote, a file or its folder. The folder holds the packed tensors under the
    name that the library looks for, and a config.json whose quantization_config says how to read them.
    The library itself does not know the method "fmq": build the model from the config and fill it with
    fmq_theory.checkpoint.load_into or load_packed.

    \b
    Examples:
      fmq export small -o small-diffusers --config unet/config.json
    """  # noqa: D301 (click reads \\b as "keep these lines")
    leave_torch_out_of_pot()
    with reported_errors(), reading_checkpoint(quantized, config_path):
        from fmq_theory.checkpoint.io.shards import find_checkpoint
        from fmq_theory.checkpoint.quantized.plain_file import export_folder

        beside = find_checkpoint(quantized).parent / "config.json"
        base = read_config(beside) if config_path is None else _named_config(config_path)
        file = export_folder(quantized, out, kind, base, overwrite=force)
    click.echo(f"Folder: {escaped(out)} ({escaped(file.name)}, config.json)")
    click.echo(
        f"Next: fmq_theory.checkpoint.load_packed(model, {python_text(file)}) fills a model built from its "
        "config."
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
