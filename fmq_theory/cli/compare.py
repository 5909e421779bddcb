"""``fmq compare``: what a quantized file lost of the original, layer by layer, whoever wrote it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.inputs import reading_checkpoint
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.start import leave_torch_out_of_pot
from fmq_theory.shown import escaped, shell_word

if TYPE_CHECKING:
    from fmq_theory.checkpoint.compare import FileScore

__all__ = ["compare"]


_WIDE = 9.0  # effective bits: no plan gives as many


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("original", type=click.Path(path_type=Path))
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--include", multiple=True, help="Only layers whose name fits, as in '*.attn.*'; repeatable.")
@click.option("--exclude", multiple=True, help="Not layers whose name fits; repeatable.")
@click.option(
    "--names",
    "names_path",
    type=click.Path(path_type=Path),
    help="A JSON object: names in FILE by names in ORIGINAL, where they are not found by themselves.",
)
@click.option(
    "--on-nonfinite",
    type=click.Choice(("stop", "skip")),
    default="stop",
    show_default=True,
    help="At a layer with nan or inf: stop and name it, or leave it out and go on.",
)
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
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write everything as JSON.")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write file × layer as CSV.")
@click.option("--html", "html_path", type=click.Path(path_type=Path), help="Write one self-contained page.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
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
    json_path: Path | None,
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
    outputs = {"JSON": json_path, "CSV": csv_path, "Page": html_path}
    with reported_errors(), reading_checkpoint(original, names_path, *_all_files(files)):
        from fmq_theory.storage import check_outputs

        check_outputs([path for path in outputs.values() if path is not None], overwrite=force)
        names = None if names_path is None else _names(names_path)
        from fmq_theory.checkpoint.compare import compare as score
        from fmq_theory.report.audit.progress import weights_progress
        from fmq_theory.report.compare.table import print_scores

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
        print_scores(found, worst=worst)
        _write(found, json_path, csv_path, html_path)
        click.echo(_next(original, found, html_path))


def _all_files(files: tuple[Path, ...]) -> list[Path]:
    """What the quantized files are made of: none of it may become an output."""
    from fmq_theory.checkpoint.io.inputs import checkpoint_files

    return [path for file in files for path in checkpoint_files(file)]


def _write(
    found: "list[FileScore]", json_path: Path | None, csv_path: Path | None, html_path: Path | None
) -> None:
    if json_path is not None:
        from fmq_theory.report.compare.files import write_scores_json

        write_scores_json(found, json_path)
        click.echo(f"JSON: {escaped(json_path)}")
    if csv_path is not None:
        from fmq_theory.report.compare.files import write_scores_csv

        write_scores_csv(found, csv_path)
        click.echo(f"CSV: {escaped(csv_path)}")
    if html_path is not None:
        from fmq_theory.report.compare.page import write_scores_html

        write_scores_html(found, html_path)
        click.echo(f"Page: {escaped(html_path)}")


def _names(path: Path) -> dict[str, str]:
    """The JSON object of the file that ``--names`` names.

    Raises:
        CheckpointError: it holds something else.
    """
    from fmq_theory.errors import CheckpointError
    from fmq_theory.storage.json_objects import json_value, text_of_json

    def refused(cause: str) -> CheckpointError:
        return CheckpointError(f"--names {str(path)!r}", cause, 'write {"name in ORIGINAL": "name in FILE"}')

    found = json_value(text_of_json(path, refused), refused)
    if not isinstance(found, dict) or not all(
        isinstance(value, str) for value in cast("dict[str, Any]", found).values()
    ):
        raise refused("it is no JSON object of names")
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
