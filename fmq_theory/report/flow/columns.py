"""The columns of a flow experiment's tables, for the terminal and for the page alike."""

import math
from collections.abc import Callable, Sequence

from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import RUNGS, FlowRow
from fmq_theory.report.base.words import ABSENT

__all__ = ["LADDER_COLUMNS", "Column", "fidelity_columns", "in_digits"]

Column = tuple[str, Callable[[FlowRow], str]]
"""Heading, and the cell of a row."""


def in_digits(value: float | None, places: str = ".3g") -> str:
    """A number in the format ``places``; infinite as inf, absent as a dash."""
    if value is None:
        return ABSENT
    return "inf" if math.isinf(value) else f"{value:{places}}"


def fidelity_columns(report: FlowReport, rows: Sequence[FlowRow], *, page: bool = False) -> list[Column]:
    """Samples against full precision; only what was measured has a column.

    Args:
        report: what was measured.
        rows: of the report.
        page: whether there is room for the interval over seeds behind the one over samples, and for what the
            draws of the latent's ratio are between.
    """
    score = _with_range if report.measure == "velocity" else _with_both_intervals if page else _with_interval
    columns: list[Column] = [
        ("eff. bits", lambda row: in_digits(row.effective_bits, ".2f")),
        ("weights mse", lambda row: in_digits(row.mse)),
        ("|e| rms", lambda row: in_digits(row.sample_error_rms, ".4g")),
        ("PSNR dB", score("psnr_db", ".2f")),
    ]
    if report.ssim_window is not None:
        columns.append(("SSIM", score("ssim", ".3f")))
    if report.full.latent is not None:
        ratio = _with_range if page else _alone
        columns.append(("latent std ratio", ratio("latent_std_ratio", ".3f")))
        columns.append(("collapsed", lambda row: in_digits(row.latent_collapsed, "d")))
    if report.features is not None:
        columns.append(("Fréchet", lambda row: in_digits(row.frechet, ".4g")))
    if any(row.frechet_to_data is not None for row in rows):
        columns.append(("to data", lambda row: in_digits(row.frechet_to_data, ".4g")))
    return columns


def _alone(name: str, places: str) -> Callable[[FlowRow], str]:
    return lambda row: in_digits(getattr(row, name), places)


def _with_range(name: str, places: str) -> Callable[[FlowRow], str]:
    """``17.26 (16.90 to 17.71)``: the mean, the smallest and the largest of its draws or batches."""

    def cell(row: FlowRow) -> str:
        each = row.by_batch.get(name, [])
        ends = f" ({min(each):{places}} to {max(each):{places}})" if len(each) > 1 else ""
        return f"{in_digits(getattr(row, name), places)}{ends}"

    return cell


def _with_interval(name: str, places: str) -> Callable[[FlowRow], str]:
    """``17.26 ± 0.22``, half the interval over samples."""
    return lambda row: (
        f"{in_digits(getattr(row, name), places)}{_half(row, name, 'samples', ' ± {}', places)}"
    )


def _with_both_intervals(name: str, places: str) -> Callable[[FlowRow], str]:
    """``17.26 ± 0.22 (± 0.41)``, with half the interval over seeds."""
    alone = _with_interval(name, places)
    return lambda row: f"{alone(row)}{_half(row, name, 'seeds', ' (± {})', places)}"


def _half(row: FlowRow, name: str, over: str, words: str, places: str) -> str:
    ends = row.intervals.get(name, {}).get(over)
    return "" if ends is None else words.format(f"{0.5 * (ends[1] - ends[0]):{places}}")


def _tightness(rung: str) -> Callable[[FlowRow], str]:
    return lambda row: in_digits(row.tightness[rung])


def _of_ladder(key: str) -> Callable[[FlowRow], str]:
    return lambda row: in_digits(None if row.ladder is None else row.ladder[key])


def _secant(row: FlowRow) -> str:
    return in_digits(None if row.ladder is None else row.ladder["tightness"]["secant"])


def _broken(row: FlowRow) -> str:
    if row.ladder is None:
        return ABSENT
    return ", ".join(rung for rung, count in row.ladder["broken_count"].items() if count) or "none"


LADDER_COLUMNS: Sequence[Column] = (
    *((rung, _tightness(rung)) for rung in RUNGS),
    ("secant", _secant),
    ("g3 off by", _of_ladder("response_error")),
    ("L_x max", _of_ladder("lipschitz_max")),
    ("μ₂ max", _of_ladder("log_norm_max")),
    ("L_θ", _of_ladder("theta_lipschitz")),
    ("broken", _broken),
)
