"""``fmq audit``: what each scheme costs at each bit-width on a checkpoint of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.inputs import reading_checkpoint
from fmq_theory.cli.options import (
    csv_option,
    force_option,
    html_option,
    json_option,
    on_nonfinite_option,
    read_bits,
    read_names,
    read_sizes,
    selection_options,
)
from fmq_theory.cli.outputs import ReportFiles
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.scheme_names import AUDITED, NAMES, USUAL
from fmq_theory.shown import escaped, file_stem, shell_word

if TYPE_CHECKING:
    from fmq_theory.checkpoint.audit.result import Audit
    from fmq_theory.checkpoint.io.packed.file import QuantizedFile
    from fmq_theory.checkpoint.plan import Plan

__all__ = ["audit"]

# Said again here, so that --help needs no numerics; a test compares.
BUDGETS = "2.5, 3, 3.5, 4, 4.5, 5, 6"


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--schemes",
    callback=read_names,
    default=None,
    help=f"Comma-separated, or 'all'. Known: {', '.join(NAMES)}, power:ALPHA, ecq:LAGRANGIAN, "
    f"published:RULE.  [default: {', '.join(USUAL)}; with --theory all but fp4, ecq]",
)
@click.option(
    "--theory",
    is_flag=True,
    help="Show also the ratios to min-max uniform with the crossover b*, the high-rate laws, the tails of "
    "the weights, and the schemes that the paper compares with.",
)
@click.option(
    "--budgets",
    callback=read_sizes,
    default=None,
    help="Bits a weight, comma-separated, at which scheme and bits are chosen layer by layer, or 'none'."
    f"  [default: {BUDGETS}]",
)
@click.option(
    "--bits", callback=read_bits, default="2-8", show_default=True, help="Bit-widths: 2-8, 4, or 2,4,6."
)
@click.option(
    "--granularity",
    type=click.Choice(("channel", "tensor", "group")),
    default=None,
    help="What has a codebook of its own: an output channel, a tensor, or a group of weights of a channel."
    "  [default: channel; group with --group-size]",
)
@click.option(
    "--group-size", type=click.IntRange(1), help="Weights of a group; it must divide every channel."
)
@selection_options()
@on_nonfinite_option("tensor", "leave it out and go on")
@click.option(
    "--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, help="Processes; a tensor each."
)
@click.option(
    "--backend",
    type=click.Choice(("local", "dask")),
    default="local",
    show_default=True,
    help="dask: the workers of a cluster, which must see CHECKPOINT under the same path.",
)
@click.option("--scheduler", help="Address of the cluster: tcp://HOST:PORT.")
@click.option(
    "--resume", is_flag=True, help="Keep finished tensors in fmq-audit-NAME.jsonl and go on from them."
)
@json_option()
@csv_option("tensor × scheme × bits")
@html_option()
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path),
    help="A plan of fmq quantize, shown in the page beside the layers.",
)
@force_option()
def audit(
    checkpoint: Path,
    schemes: tuple[str, ...] | None,
    theory: bool,
    budgets: tuple[float, ...] | None,
    bits: tuple[int, ...],
    granularity: str | None,
    group_size: int | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    on_nonfinite: str,
    jobs: int,
    backend: str,
    scheduler: str | None,
    resume: bool,
    json_path: str | None,
    csv_path: Path | None,
    html_path: Path | None,
    plan_path: Path | None,
    force: bool,
) -> None:
    """Measure what every scheme costs at every bit-width, tensor by tensor.

    CHECKPOINT is a .safetensors, .pt, .pth, .ckpt or .bin file, the index of a sharded one, or a folder that
    holds one. Its model class is not needed. Measured are the error of every scheme at every bit-width and
    the size with the codebooks counted; from these follow the least error at each size when every layer may
    have a scheme and bits of its own, and the layers where more bits help most. JSON and CSV hold the ratios,
    laws and tails of --theory in any case, for the schemes that are measured. Of a file that fmq quantize
    wrote it tells what is stored instead.

    \b
    Examples:
      fmq audit model.safetensors
      fmq audit model.safetensors --html audit.html --json audit.json
      fmq audit unet/ --granularity group --group-size 64 --bits 3,4 --exclude '*.proj_out.*'
    """  # noqa: D301 (click reads \\b as "keep these lines")
    if schemes is None:
        schemes = AUDITED if theory else USUAL
    if "all" in schemes:
        schemes = tuple(dict.fromkeys((*NAMES, *(name for name in schemes if name != "all"))))
    if plan_path is not None and html_path is None:
        raise click.UsageError("--plan is shown in the page: pass --html FILE as well")
    granularity = granularity or ("channel" if group_size is None else "group")
    outputs = ReportFiles(json_path, csv_path, html_path, force)
    with reported_errors(), reading_checkpoint(checkpoint, plan_path):
        outputs.check()
        plan = None if plan_path is None else _read_plan(plan_path)
        from fmq_theory.checkpoint.audit import audit as run_audit
        from fmq_theory.checkpoint.audit.budgets import BUDGETS as AUDIT_BUDGETS
        from fmq_theory.checkpoint.io.files import open_checkpoint
        from fmq_theory.report.base.weights_progress import weights_progress

        store = _store_of(checkpoint) if resume else None
        with open_checkpoint(checkpoint) as stored:
            if stored.packed is not None:
                _tell_what_is_stored(stored.packed, checkpoint, outputs)
                return
            try:
                with weights_progress("audit") as progress:
                    found = run_audit(
                        stored,
                        schemes=schemes,
                        bits=bits,
                        granularity=granularity,
                        group_size=group_size,
                        include=include,
                        exclude=exclude,
                        on_nonfinite=cast("Any", on_nonfinite),
                        budgets=AUDIT_BUDGETS if budgets is None else budgets,
                        jobs=jobs,
                        backend=backend,
                        scheduler=scheduler,
                        resume=store,
                        progress=progress,
                    )
            except KeyboardInterrupt:
                kept = (
                    f"finished tensors are in {escaped(store)}: go on with the same command"
                    if store
                    else "nothing is kept"
                )
                click.echo(f"stopped; {kept}", err=True)
                raise SystemExit(130) from None
        _write(found, outputs, plan, checkpoint, theory=theory)


def _tell_what_is_stored(file: "QuantizedFile", checkpoint: Path, outputs: ReportFiles) -> None:
    """What a file of ``fmq quantize`` holds; nothing is measured."""
    from fmq_theory.report.audit.stored import print_stored, stored_as_json

    if given := _given_besides({"checkpoint", "json_path", "force"}):
        raise click.UsageError(
            f"{checkpoint} was written by fmq quantize: what it holds is told, and nothing is measured; "
            f"leave out {', '.join(given)}: --json has all of it"
        )
    outputs.write(lambda: stored_as_json(file))
    if not outputs.prints_json:
        print_stored(file)
    outputs.tell()
    if not outputs.prints_json:
        click.echo(f"Next: fmq compare ORIGINAL {shell_word(checkpoint)} tells what it lost, layer by layer.")


def _given_besides(names: set[str]) -> list[str]:
    """The options of the command line that are not among ``names``."""
    context = click.get_current_context()
    return [
        option.opts[0]
        for option in context.command.params
        if option.name not in names
        and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]


def _read_plan(path: Path) -> "Plan":
    from fmq_theory.checkpoint.plan import Plan

    return Plan.read(path)


def _write(
    found: "Audit", outputs: ReportFiles, plan: "Plan | None", checkpoint: Path, *, theory: bool
) -> None:
    """Writes the files, then prints the tables, where the files are, and what to run next."""
    from fmq_theory.report.audit.files import audit_as_json, write_audit_csv
    from fmq_theory.report.audit.page import write_audit_html
    from fmq_theory.report.audit.table import print_audit

    outputs.write(
        lambda: audit_as_json(found),
        lambda path: write_audit_csv(found, path),
        lambda path: write_audit_html(found, path, plan, theory=theory, checkpoint=checkpoint),
    )
    if not outputs.prints_json:
        print_audit(found, theory=theory)
    outputs.tell()
    if not outputs.prints_json:
        click.echo(_next(found, checkpoint))


def _store_of(checkpoint: Path) -> Path:
    """Where finished tensors are kept: in the current folder, under a name made of the checkpoint's."""
    return Path(f"fmq-audit-{file_stem(checkpoint.resolve().name.split('.', 1)[0])}.jsonl")


def _next(found: "Audit", checkpoint: Path) -> str:
    """What to run after this."""
    from fmq_theory.report.audit.words import next_commands

    commands = next_commands(found, checkpoint)
    if not commands:
        return "Next: nothing to quantize."
    (first, _), *others = commands
    return "\n".join([f"Next: {first}", *(f"  or: {command}  # {words}" for command, words in others)])
