"""The oracle's answers as text."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

from fmq_theory.certify import Enclosure
from fmq_theory.claims.oracle.design import CodebookReport
from fmq_theory.claims.oracle.table_check import Mending, TableReport
from fmq_theory.shown import one_line

__all__ = ["codebook_text", "judgement", "table_text"]

_MOST_DEFECTS = 6
_SLIGHT = Fraction(1, 10**6)


def codebook_text(report: CodebookReport) -> str:
    """Levels, thresholds and what they are worth; every digit is within the radius printed beside it."""
    digits = report.digits
    lines = [f"{report.criterion} codebook of {report.source}, K = {report.num_levels}: {report.verdict}"]
    lines += [f"  {report.proof}", "", "levels"]
    lines += [f"  {index:3d}  {level.decimal(digits)}" for index, level in enumerate(report.levels)]
    if report.thresholds:
        lines.append("thresholds")
        lines += [f"  {index:3d}  {cut.decimal(digits)}" for index, cut in enumerate(report.thresholds)]
    lines += [
        "",
        f"distortion            {report.distortion.decimal(digits)}",
        f"  rounded             {_significant(report.distortion, min(digits, 20))}",
    ]
    if report.criterion == "uniform":
        lines.append(f"least of equal steps  {_range(report.least_of_kind, digits)}")
    lines.append(f"least for this K      {_range(report.optimum, digits)}")
    if report.criterion != "mse":
        lines.append(f"above the least       {_percent(_excess(report))}")
    lines += [
        f"entropy (bits)        {report.entropy_bits.decimal(min(digits, 20))}",
        f"Shannon bound at log2 K bits   {_significant(report.shannon_at_levels, 12)}"
        f"   distance {_decibels(report.distortion, report.shannon_at_levels)}",
        f"Shannon bound at the entropy   {_significant(report.shannon_at_entropy, 12)}"
        f"   distance {_decibels(report.distortion, report.shannon_at_entropy)}",
    ]
    return "\n".join(lines)


def _excess(report: CodebookReport) -> Enclosure:
    """D/D_opt - 1: not negative, since nothing is below the optimum."""
    ratio = report.distortion / report.optimum - 1
    return Enclosure(max(Fraction(0), ratio.lower), max(Fraction(0), ratio.upper)).rounded(15)


def table_text(report: TableReport) -> str:
    """The verdict on a table, its worst defects, and what would mend it."""
    count = len(report.table.levels)
    lines = [
        f"{one_line(report.table.name)}: {count} levels on {report.source}",
        *_judged_at(report.scaled_by),
        f"mean squared error    {report.distortion.decimal(20)}",
        f"least for this K      {_range(report.optimum.value, 20)}",
        f"verdict               {judgement(report)}",
    ]
    lines += _conditions(report)
    if not (report.bad_levels or report.bad_thresholds) and report.excess.lower > _SLIGHT:
        lines.append(
            "stationary            yet not optimal: the two conditions are necessary, not sufficient"
        )
    return "\n".join(lines + _rescaling(report))


def _judged_at(mending: Mending | None) -> list[str]:
    if mending is None:
        return []
    words = "no other is as good" if mending.verdict == "CERTIFIED" else mending.proof
    return [f"{_best(mending, 'multiple'):21} {float(mending.factor):.12g} x level, judged below: {words}"]


def _rescaling(report: TableReport) -> list[str]:
    scale, affine = report.scale, report.affine
    if scale is None or affine is None:
        return ["rescaling             no codebook at all lowers the error by a millionth of it"]
    lines: list[str] = []
    if report.scale_helps:
        lines.append(f"{_best(scale, 'multiple'):21} {_mending(scale)}")
    if report.affine_helps:
        lines.append(f"{_best(affine, 'affine map'):21} {_mending(affine)}")
    if not lines:
        both = scale.verdict == affine.verdict == "CERTIFIED"
        which = "no multiple and no shift" if both else "no multiple or shift that was found"
        lines.append(f"rescaling             {which} lowers the error by a millionth of it")
    return lines


def _best(mending: Mending, what: str) -> str:
    return f"best {what}" if mending.verdict == "CERTIFIED" else f"best {what} found"


def judgement(report: TableReport) -> str:
    """What is proven of a table: CERTIFIED and of what, or INCONCLUSIVE."""
    excess = report.excess
    if report.optimum.verdict == "INCONCLUSIVE" and excess.lower <= _SLIGHT:
        return f"INCONCLUSIVE: {_percent(excess)} above the optimum ({report.optimum.proof})"
    if excess.upper <= _SLIGHT:
        return f"CERTIFIED optimal to within {_scientific(excess.upper)} of the least error"
    if excess.lower > 0:
        return f"CERTIFIED not optimal: {_percent(excess)} above the optimum"
    return f"INCONCLUSIVE: {_percent(excess)} above the optimum"


def _conditions(report: TableReport) -> list[str]:
    lines: list[str] = []
    if report.bad_thresholds:
        shown = sorted(report.bad_thresholds, key=lambda k: -abs(report.threshold_defects[k]))[:_MOST_DEFECTS]
        lines.append(f"nearest level         fails at {len(report.bad_thresholds)} thresholds:")
        lines += [
            f"    threshold {k} is {float(report.threshold_defects[k]):+.4g} from the middle of its levels"
            for k in sorted(shown)
        ]
        lines.append(f"    with nearest levels the error is {report.nearest_distortion.decimal(20)}")
    else:
        lines.append("nearest level         holds: every threshold is half-way between its levels")
    if not report.bad_levels:
        lines.append(
            "centroid              holds: every level is the mean of its cell, to the table's own rounding"
        )
        return lines
    size = {k: _defect(report.centroid_defects[k]) for k in report.bad_levels}
    lines.append(
        f"centroid              fails at {len(size)} of {len(report.table.levels)} levels; the worst:"
    )
    for k in sorted(sorted(size, key=lambda k: -abs(size[k]))[:_MOST_DEFECTS]):
        level = float(report.table.levels[k])
        if math.isinf(size[k]):
            lines.append(f"    level {k} = {level:.6g}: its cell has no mass")
        else:
            lines.append(f"    level {k} = {level:.6g} is {size[k]:+.4g} from the mean of its cell")
    return lines


def _defect(defect: Enclosure | None) -> float:
    return math.inf if defect is None else float(defect)


def _mending(mending: Mending) -> str:
    shift = "" if mending.shift.contains(0) else f" {float(mending.shift):+.9g}"
    return (
        f"{float(mending.factor):.9g} x level{shift}: error {mending.distortion.decimal(12)}, "
        f"{_percent(mending.excess)} above the optimum"
    )


def _range(value: Enclosure, digits: int) -> str:
    if value.radius * 10**12 <= abs(value.midpoint):
        return value.decimal(digits)
    return f"between {value.lower_float:.10g} and {value.upper_float:.10g}"


def _significant(value: Enclosure, digits: int) -> str:
    """As many significant digits, up to ``digits``, as both ends round to alike."""
    for places in range(digits, 0, -1):
        low, high = (_rounded(end, places) for end in (value.lower, value.upper))
        if low == high:
            return low
    return "no digit is certain"


def _rounded(value: Fraction, digits: int) -> str:
    with localcontext() as context:
        context.prec = digits + 20
        return f"{Decimal(value.numerator) / Decimal(value.denominator):.{digits - 1}e}"


def _percent(excess: Enclosure) -> str:
    # 0.0 + turns the -0.0 of a lower end at 0 into 0.
    low, high = 0.0 + 100 * excess.lower_float, 100 * excess.upper_float
    return f"{high:.4g} %" if f"{low:.4g}" == f"{high:.4g}" else f"{low:.4g} % to {high:.4g} %"


def _decibels(value: Enclosure, bound: Enclosure) -> str:
    """10 log10 of the ratio: printed to three decimals, which its enclosure supports or widens."""
    if value.lower_float <= 0 or bound.lower_float <= 0:
        return "not known"
    low = 10 * math.log10(value.lower_float / bound.upper_float)
    high = 10 * math.log10(value.upper_float / bound.lower_float)
    return f"{low:.3f} dB" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f} dB"


def _scientific(value: Fraction) -> str:
    return f"{Enclosure.of(value).upper_float:.1e}"
