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


def fidelity_columns(report: FlowReport, rows: Sequence[FlowRow], *, seeds: bool = False) -> list[Column]:
    """Samples against full precision; only what was measured has a column.

    Args:
        report: what was measured.
        rows: of the report.
        seeds: whether the interval over seeds follows the one over samples.
    """
    columns: list[Column] = [
        ("eff. bits", lambda row: in_digits(row.effective_bits, ".2f")),
        ("weights mse", lambda row: in_digits(row.mse)),
        ("|e| rms", lambda row: in_digits(row.sample_error_rms, ".4g")),
        ("PSNR dB", _with_intervals("psnr_db", ".2f", seeds=seeds)),
    ]
    if report.ssim_window is not None:
        columns.append(("SSIM", _with_intervals("ssim", ".3f", seeds=seeds)))
    if report.full.latent is not None:
        columns.append(("latent std ratio", lambda row: in_digits(row.latent_std_ratio, ".3f")))
        columns.append(("collapsed", lambda row: in_digits(row.latent_collapsed, "d")))
    if report.features is not None:
        columns.append(("Fréchet", lambda row: in_digits(row.frechet, ".4g")))
    if any(row.frechet_to_data is not None for row in rows):
        columns.append(("to data", lambda row: in_digits(row.frechet_to_data, ".4g")))
    return columns


def _with_intervals(name: str, places: str, *, seeds: bool) -> Callable[[FlowRow], str]:
    """``17.26 ± 0.22``, or ``17.26 ± 0.22 (± 0.41)`` with the interval over seeds."""

    def half(row: FlowRow, over: str) -> str:
        ends = row.intervals.get(name, {}).get(over)
        return "" if ends is None else f"± {0.5 * (ends[1] - ends[0]):{places}}"

    def cell(row: FlowRow) -> str:
        parts = [in_digits(getattr(row, name), places), half(row, "samples")]
        if seeds and (over_seeds := half(row, "seeds")):
            parts.append(f"({over_seeds})")
        return " ".join(part for part in parts if part)

    return cell


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
