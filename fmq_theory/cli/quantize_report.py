"""What ``fmq quantize`` says of the file that it wrote."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmq_theory.cli.outputs import ReportFiles, say_next
from fmq_theory.shown import counted, escaped, one_line, python_text, shell_word, shown

if TYPE_CHECKING:
    from fmq_theory.checkpoint.io.tensors import SkippedTensor
    from fmq_theory.checkpoint.plan import Plan
    from fmq_theory.checkpoint.quantized.recipe import KeptTensor
    from fmq_theory.checkpoint.quantized.write import WrittenCheckpoint
    from fmq_theory.cli.quantize_plan import PlanOptions

__all__ = ["report_written", "write_plan"]

_MOST_LISTED = 5


def report_written(
    written: "WrittenCheckpoint", outputs: ReportFiles, plan: "Plan | None", gap: float | None
) -> None:
    """Prints the summary, or the JSON that was asked for, and what to do next.

    Args:
        written: what was done.
        outputs: where the JSON goes; it may be printed instead of the summary.
        plan: if there was one.
        gap: what is proven of it; see ``proven_gap``.
    """
    from fmq_theory.report.base.words import percent

    outputs.write(lambda: _as_json(written))
    if outputs.prints_json:
        return
    config = written.config
    weights = sum(_size(entry["shape"]) for entry in config["tensors"].values())
    how = [str(config["scheme"] or "several schemes"), _bits(config["bits"])]
    how.append(f"by {config['strategy']}" if config["strategy"] else "by several granularities")
    click.echo(
        f"Quantized: {counted(len(config['tensors']), 'tensor')}, {weights:,} weights ({', '.join(how)})"
    )
    effective = config["effective_bits"]
    packed = sum(entry["effective_bits"] * _size(entry["shape"]) for entry in config["tensors"].values())
    packed /= weights
    click.echo(
        f"  relative error {percent(written.relative_error)} (mean squared error {config['mse']:.4g}), "
        f"{effective:.3f} bits a weight, all that is stored "
        f"counted ({effective - packed:.3f} of them header)"
    )
    if plan is not None:
        _say_plan(plan, gap)
    if (bits := config["bits"]) and packed > bits + 1:
        click.echo(f"  {packed - bits:.1f} of these bits are codebooks{_smaller(config, plan)}")
    _say_coding(config["tensors"].values())
    _list("Kept as they were", written.kept)
    _list("Left out", written.left_out)
    if written.reused:
        click.echo(f"Taken over from the run before: {counted(written.reused, 'tensor')}")
    share = written.num_bytes / max(written.original_bytes, 1)
    size = f"{written.num_bytes:,} bytes, {100 * share:.1f} % of {written.original_bytes:,}"
    click.echo(f"File: {escaped(written.path)}, {size}")
    outputs.tell()
    say_next(
        written.path,
        f"fmq_theory.checkpoint.load({python_text(written.path)}) gives the state dict; "
        f"fmq dequantize {shell_word(written.path)} -o plain.safetensors makes a file for other tools.",
    )


def _smaller(config: Mapping[str, Any], plan: "Plan | None") -> str:
    """How the codebooks of one recipe become smaller, in options that say something else than those given."""
    from fmq_theory.checkpoint.quantized.recipe import smaller_codebooks

    if plan is not None or not config["scheme"] or not config["strategy"]:
        return ""
    ways = smaller_codebooks(config["scheme"], config["bits"], config["strategy"])
    text = ", or ".join(way.removeprefix("choose ") for way in ways)
    words = {
        "granularity ": "--granularity ",
        "scheme ": "--scheme ",
        "larger groups": "a larger --group-size",
    }
    for said, option in words.items():
        text = text.replace(said, option)
    return f"; {text}: these make them smaller" if text else ""


def _say_coding(tensors: Iterable[Mapping[str, Any]]) -> None:
    """Bits that entropy coding took beside the entropy, where it was asked for."""
    coded = [(entry, _size(entry["shape"])) for entry in tensors if "entropy_bits" in entry]
    if not coded:
        return
    total = sum(size for _, size in coded)
    entropy = sum(entry["entropy_bits"] * size for entry, size in coded) / total
    smaller = sum(1 for entry, _ in coded if entry.get("coding"))
    stored = sum(entry["code_bits"] * size for entry, size in coded) / total
    click.echo(
        f"  entropy coding made {smaller} of {len(coded)} tensors smaller: {stored:.3f} bits a code; "
        f"the index entropy is {entropy:.3f}"
    )


def write_plan(options: "PlanOptions", path: Path | None, *, force: bool) -> None:
    """Makes a plan and writes it to ``path``, or prints it.

    Raises:
        FmqError: see ``PlanOptions.measured``; the file cannot be written.
    """
    from fmq_theory.checkpoint.foreign.files import refuse_quantized
    from fmq_theory.checkpoint.io.files import open_checkpoint
    from fmq_theory.checkpoint.plan.proof import proven_gap
    from fmq_theory.report import check_writable, write_text_atomically

    if path is not None:
        check_writable(path, overwrite=force)
    with open_checkpoint(options.checkpoint) as stored:
        refuse_quantized(stored)
        plan = options.measured(stored)
        stored.verify_in_place()
        gap = None
        if path is not None:
            gap = proven_gap(plan, stored, {tensor.name: tensor.sse for tensor in plan.tensors})
    if path is None:
        click.echo(plan.to_json(), nl=False)
        return
    write_text_atomically(path, plan.to_json())
    best = "" if gap is None else f", within {gap:.1g} of the least possible"
    click.echo(
        f"Plan: {escaped(path)}, {counted(len(plan.tensors), 'tensor')}, "
        f"{plan.effective_bits:.3f} bits a weight without the file's header, "
        f"mean squared error {plan.mse:.4g}{best}"
    )
    _say_ends(plan)
    say_next(path, f"fmq quantize {shell_word(options.checkpoint)} -o OUT --plan {shell_word(path)}")


def _bits(bits: int | None) -> str:
    return "several bits" if bits is None else counted(bits, "bit")


def _say_plan(plan: "Plan", proven: float | None) -> None:
    """How near the plan is to the best one, and what treating all tensors alike would cost."""
    if proven is None:
        click.echo(
            "  how near the plan is to the least possible error is not proven here: it does not say so, was "
            "changed after it was made, or was made for other weights"
        )
    else:
        click.echo(
            f"  the error of the plan is at most {proven:.1g} above the least possible at this size "
            "(relatively; proven, for the choices it had)"
        )
    _say_ends(plan)
    single: dict[str, Any] | None = plan.config.get("best_single")
    objective: float = plan.config.get("objective", 0.0)
    if proven is not None and single is not None and objective > 0.0:
        group = f" of {single['group_size']}" if single["group_size"] else ""
        click.echo(
            f"  the best single choice of that size, {single['scheme']} at "
            f"{counted(single['bits'], 'bit')} by {single['granularity']}{group}, has "
            f"{single['objective'] / objective:.2f} times its error"
        )


def _say_ends(plan: "Plan") -> None:
    """What was done about the layers of which the error of the weights tells too little."""
    if "budget_bits" not in plan.config or plan.config.get("sensitivities"):
        return
    ends: list[str] = plan.config.get("ends", [])
    floor: int = plan.config.get("end_bits", 0)
    bits = {tensor.name: tensor.bits for tensor in plan.tensors}
    if ends and floor and all(bits.get(name, floor) >= floor for name in ends):
        named = " and ".join(shown(name) for name in ends)
        click.echo(
            f"  first and last layer ({named}): {counted(floor, 'bit')} at least; --end-bits changes it"
        )
    click.echo(
        "  this is the error of the weights; what samples of a flow lose can be another matter: measure it "
        "with fmq flow --json, and pass that file as --sensitivities"
    )


def _list(title: str, tensors: Sequence["KeptTensor | SkippedTensor"]) -> None:
    from fmq_theory.report.base.reasons import by_reason

    if tensors:
        click.echo(f"{title}: {counted(len(tensors), 'tensor')}")
    groups = by_reason((tensor, tensor.reason) for tensor in tensors)
    most = sorted(groups.items(), key=lambda group: -len(group[1]))
    for reason, alike in most[:_MOST_LISTED]:
        numbers = sum(_size(tensor.shape) for tensor in alike)
        example = f"{shown(alike[0].name)}{', ...' if len(alike) > 1 else ''}"
        click.echo(f"  {len(alike)} x {one_line(reason)} ({example}): {numbers:,} numbers")
    if rest := sum(len(alike) for _, alike in most[_MOST_LISTED:]):
        click.echo(f"  {rest} x other reasons, which --json has")


def _as_json(written: "WrittenCheckpoint") -> dict[str, Any]:
    return {
        "path": str(written.path),
        "bytes": written.num_bytes,
        "original_bytes": written.original_bytes,
        "relative_error": written.relative_error,
        "reused": written.reused,
        "kept": [{"name": t.name, "shape": list(t.shape), "reason": t.reason} for t in written.kept],
        "left_out": [{"name": t.name, "shape": list(t.shape), "reason": t.reason} for t in written.left_out],
        "quantization_config": written.config,
    }


def _size(shape: Sequence[int]) -> int:
    return math.prod(shape)
