"""``fmq compare``: what a quantized file lost of the original, layer by layer, whoever wrote it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.inputs import json_object, reading_checkpoint
from fmq_theory.cli.options import (
    csv_option,
    force_option,
    html_option,
    json_option,
    on_nonfinite_option,
    selection_options,
)
from fmq_theory.cli.outputs import ReportFiles
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.start import leave_torch_out_of_pot
from fmq_theory.shown import shell_word

if TYPE_CHECKING:
    from fmq_theory.checkpoint.compare import FileScore

__all__ = ["compare"]


_WIDE = 9.0  # effective bits: no plan gives as many


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("original", type=click.Path(path_type=Path))
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@selection_options("layers")
@click.option(
    "--names",
    "names_path",
    type=click.Path(path_type=Path),
    help="A JSON object: names in FILE by names in ORIGINAL, where they are not found by themselves.",
)
@on_nonfinite_option("layer", "leave it out and go on")
@click.option("--allow-missing", is_flag=True, help="Score what both have, where FILE lacks layers.")
@click.option(
    "--no-best",
    is_flag=True,
    help="Leave out the best at the size of each layer, which takes some time.",
)
@click.option(
    "--no-own",
    is_flag=True,
    help="Leave out the optimum of each layer's own format; of NF4 and its kind it takes some time.",
)
@click.option("--worst", type=click.IntRange(0), default=10, show_default=True, help="Layers to print.")
@json_option()
@csv_option("file × layer")
@html_option()
@force_option()
def compare(
    original: Path,
    files: tuple[Path, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    names_path: Path | None,
    on_nonfinite: str,
    allow_missing: bool,
    no_best: bool,
    no_own: bool,
    worst: int,
    json_path: str | None,
    csv_path: Path | None,
    html_path: Path | None,
    force: bool,
) -> None:
    """Score quantized files of any tool against the original, layer by layer.

    ORIGINAL holds the weights before they were quantized. Each FILE is recognised by what is in it: files of
    fmq quantize, bitsandbytes (NF4, FP4, int8), SDNQ, GGUF (needs the package gguf), MXFP4, NVFP4, fp8 and
    int8 with scales, and plain weights in lower precision. Told are the relative error, the signal-to-noise
    ratio (SQNR), the bits a weight with everything counted that the file stores of it, how far the squared
    error is from the optimum of the file's own format and from the best of the same size, and which layers
    to keep in 16 bits.

    \b
    Examples:
      fmq compare model.safetensors model-Q4_0.gguf
      fmq compare unet/ unet-fp8/ small/ --html compare.html
      fmq compare model.safetensors fp8.safetensors --no-best --no-own --json scores.json
    """  # noqa: D301 (click reads \\b as "keep these lines")
    leave_torch_out_of_pot()
    outputs = ReportFiles(json_path, csv_path, html_path, force)
    with reported_errors(), reading_checkpoint(original, names_path, *_all_files(files)):
        outputs.check()
        names = None if names_path is None else _names(names_path)
        from fmq_theory.checkpoint.compare import compare as score
        from fmq_theory.report.base.weights_progress import weights_progress

        found: list[FileScore] = []
        for path in files:
            with weights_progress("compare") as progress:
                found.append(
                    score(
                        original,
                        path,
                        include=include,
                        exclude=exclude,
                        names=names,
                        on_nonfinite=cast("Any", on_nonfinite),
                        allow_missing=allow_missing,
                        best=not no_best,
                        own=not no_own,
                        progress=progress,
                    )
                )
        _write(found, outputs, worst)
        if not outputs.prints_json:
            click.echo(_next(original, found, html_path))


def _all_files(files: tuple[Path, ...]) -> list[Path]:
    """What the quantized files are made of: none of it may become an output."""
    from fmq_theory.checkpoint.io.inputs import checkpoint_files

    return [path for file in files for path in checkpoint_files(file)]


def _write(found: "list[FileScore]", outputs: ReportFiles, worst: int) -> None:
    from fmq_theory.report.compare.files import scores_as_json, write_scores_csv
    from fmq_theory.report.compare.page import write_scores_html
    from fmq_theory.report.compare.table import print_scores

    if not outputs.prints_json:
        print_scores(found, worst=worst)
    outputs.write(
        lambda: scores_as_json(found),
        lambda path: write_scores_csv(found, path),
        lambda path: write_scores_html(found, path),
    )
    outputs.tell()


def _names(path: Path) -> dict[str, str]:
    """The names in FILE by those in ORIGINAL.

    Raises:
        CheckpointError: the file holds something else.
    """
    from fmq_theory.errors import CheckpointError

    remedy = 'write {"name in ORIGINAL": "name in FILE"}'
    found = json_object("--names", path, remedy)
    if not all(isinstance(value, str) for value in found.values()):
        raise CheckpointError(f"--names {str(path)!r}", "it is no JSON object of names", remedy)
    return cast("dict[str, str]", found)


def _next(original: Path, found: "list[FileScore]", html_path: Path | None) -> str:
    """What to do with it: a file of the same size with less error, where there is one."""
    best = min(found, key=lambda score: score.totals.sse)
    bits = best.totals.effective_bits
    if best.totals.over_best is not None and best.totals.over_best > 1.0 and bits < _WIDE:
        return (
            f"Next: fmq quantize {shell_word(original)} --budget {bits:.2f} -o OUT makes a file of at "
            "most that size, with the bits where they matter."
        )
    return "Next: --html FILE shows every layer." if html_path is None else "Next: open the page."
