"""``fmq quantize``: a checkpoint in fewer bits, in a file that is really smaller."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.inputs import reading_checkpoint
from fmq_theory.cli.options import force_option, json_option, on_nonfinite_option, selection_options
from fmq_theory.cli.outputs import ReportFiles
from fmq_theory.cli.quantize_plan import Budget, PlanOptions, read_budget
from fmq_theory.cli.quantize_report import report_written, write_plan
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.scheme_names import NAMES
from fmq_theory.cli.start import leave_torch_out_of_pot

if TYPE_CHECKING:
    from fmq_theory.checkpoint.io.files import OpenCheckpoint
    from fmq_theory.checkpoint.io.packed.tensor import CodebookType
    from fmq_theory.checkpoint.plan import Plan
    from fmq_theory.checkpoint.quantized.job import OnNonfinite
    from fmq_theory.checkpoint.quantized.recipe import Misfit
    from fmq_theory.checkpoint.quantized.write import WrittenCheckpoint

__all__ = ["quantize", "read_config"]


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="A .safetensors file, or a folder for model.safetensors and config.json.",
)
@click.option(
    "--scheme",
    help=f"{', '.join(NAMES)}, power:ALPHA, ecq:LAGRANGIAN, published:RULE, or "
    "block:SCHEME (a scale for each group, one codebook a tensor).  [default: lloyd_max, the least squared "
    "error]",
)
@click.option("--bits", type=click.IntRange(1, 8), help="Bits of a code.  [default: 4]")
@click.option(
    "--granularity",
    type=click.Choice(("channel", "tensor", "group")),
    help="What has a codebook of its own: an output channel, a tensor, or a group of weights of a channel."
    "  [default: channel; group with --group-size]",
)
@click.option(
    "--group-size", type=click.IntRange(1), help="Weights of a group; it must divide every channel."
)
@click.option(
    "--misfit",
    type=click.Choice(("error", "channel", "keep")),
    default="error",
    show_default=True,
    help="Tensors whose channels the group size does not divide: refuse, quantize by channel, or keep.",
)
@click.option(
    "--budget",
    callback=read_budget,
    metavar="SIZE",
    help="Instead of the options above: bits a weight (3.5), all that is stored of them counted, or the size "
    "of the file (300KB). Scheme, bits and "
    "granularity of each tensor are then chosen for the least squared error of the weights; give "
    "--sensitivities for that of a flow's samples.",
)
@click.option(
    "--sensitivities",
    type=click.Path(path_type=Path),
    help="With --budget: how much an error in each tensor matters, a JSON object or the JSON of fmq flow.",
)
@click.option(
    "--end-bits",
    type=click.IntRange(0, 8),
    help="With --budget and no sensitivities: bits that the first and the last layer get at least, as far as "
    "the budget allows; 0 leaves them free.  [default: 4]",
)
@click.option(
    "--plan", "plan_path", type=click.Path(path_type=Path), help="Instead: a plan, as --plan-only writes it."
)
@click.option(
    "--plan-only", is_flag=True, help="Quantize nothing; write the plan (JSON) to OUT, or print it."
)
@selection_options()
@click.option(
    "--codebook-dtype",
    type=click.Choice(("float32", "float16")),
    help="Type of the stored levels.  [default: what they were computed in, which loses nothing]",
)
@click.option(
    "--entropy-coding",
    is_flag=True,
    help="Code the codes with Zstandard where that takes less; pays for uneven codes (ecq, uniform).",
)
@on_nonfinite_option("tensor", "keep it as it is and go on")
@click.option("--resume", is_flag=True, help="Go on where a run that was stopped left off.")
@force_option("an output that exists")
@json_option("what was done")
def quantize(
    checkpoint: Path,
    out: Path | None,
    scheme: str | None,
    bits: int | None,
    granularity: str | None,
    group_size: int | None,
    misfit: "Misfit",
    budget: Budget | None,
    sensitivities: Path | None,
    end_bits: int | None,
    plan_path: Path | None,
    plan_only: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    codebook_dtype: "CodebookType | None",
    entropy_coding: bool,
    on_nonfinite: "OnNonfinite",
    resume: bool,
    force: bool,
    json_path: str | None,
) -> None:
    """Quantize the weights of a checkpoint and write a file that is as small as they are.

    CHECKPOINT is a .safetensors, .pt, .pth, .ckpt or .bin file, the index of a sharded checkpoint, or a
    folder with one (diffusers' too). Pickles that need code are refused. Quantized are the tensors of real
    numbers with two dimensions or more that become smaller by it; all others are copied bit for bit.

    A tensor at a time is in memory. Nothing is under the output's name before it is complete, and a run that
    was stopped keeps its finished tensors beside it for --resume.

    \b
    Examples:
      fmq quantize model.safetensors -o small
      fmq quantize unet/ -o small --scheme nf4 --group-size 64 --misfit channel
      fmq quantize model.safetensors -o small --budget 3.5
      fmq quantize model.pt -o small.safetensors --bits 3 --exclude '*embed*' --exclude 'head.*'
    """  # noqa: D301 (click reads \\b as "keep these lines")
    options = PlanOptions(
        checkpoint, scheme, bits, granularity, group_size, misfit, plan_path, budget, sensitivities,
        include, exclude, on_nonfinite == "skip", end_bits,
    )  # fmt: skip
    options.check()
    if out is None and not plan_only:
        raise click.UsageError("-o OUT is missing: the file or the folder to write")
    leave_torch_out_of_pot()
    with reported_errors(), reading_checkpoint(checkpoint, plan_path, sensitivities):
        from fmq_theory.checkpoint.foreign.files import refuse_quantized
        from fmq_theory.checkpoint.io.files import open_checkpoint
        from fmq_theory.checkpoint.quantized.output import OutputPlace
        from fmq_theory.checkpoint.quantized.write import write_quantized
        from fmq_theory.report import progress_bar
        from fmq_theory.storage import refuse_same

        outputs = ReportFiles(json_path, force=force)
        outputs.check()
        if out is None or plan_only:
            write_plan(options, out, force=force)
            return
        place = OutputPlace(out)
        place.check(overwrite=force)
        refuse_same([*filter(None, [outputs.json_file]), *place.files])
        with open_checkpoint(checkpoint) as stored:
            refuse_quantized(stored)
            planned, kept, plan = options.settle(stored)
            stored.verify_in_place()
            try:
                with progress_bar("quantizing", "reading the checkpoint") as progress:
                    written = write_quantized(
                        stored,
                        out,
                        planned,
                        codebook_type=codebook_dtype,
                        entropy_coding=entropy_coding,
                        overwrite=force,
                        resume=resume,
                        on_nonfinite=on_nonfinite,
                        kept=kept,
                        base_config=read_config(stored.file.parent / "config.json")
                        if checkpoint.is_dir()
                        else None,
                        progress=progress,
                    )
            except KeyboardInterrupt:
                click.echo("stopped; finished tensors are kept: go on with --resume", err=True)
                raise SystemExit(130) from None
            proven = _proven(plan, stored, written)
        report_written(written, outputs, plan, proven)


def _proven(plan: "Plan | None", checkpoint: "OpenCheckpoint", written: "WrittenCheckpoint") -> float | None:
    """What the plan proves of the file that was written."""
    from fmq_theory.checkpoint.plan.proof import proven_gap

    if plan is None:
        return None
    weights = {tensor.name: tensor.weights for tensor in plan.tensors}
    tensors: dict[str, dict[str, Any]] = written.config["tensors"]
    errors = {name: entry["mse"] * weights[name] for name, entry in tensors.items() if name in weights}
    return proven_gap(plan, checkpoint, errors)


def read_config(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None if there is no such file or it holds something else."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
