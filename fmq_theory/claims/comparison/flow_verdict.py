"""What a flow experiment says, in sentences: which scheme wins where, and how sharp the bounds are."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from fmq_theory.claims.words import bits_in_words
from fmq_theory.flow.cell import BySeed, Cell
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import RUNGS, FlowRow, flow_rows
from fmq_theory.metrics import median_estimate, order_statistics_confidence, printed_interval

__all__ = ["MEASURES", "Winner", "flow_verdict", "winners_at_bits", "winners_within_budget"]

MEASURES = {"psnr_db": "PSNR", "ssim": "SSIM"}
_NEAR_DB = 30.0
_NEAR = 0.25
"""How far from the error a useful prediction may be."""
_LOOSE = 1e4
"""g0 over the error from which on g0 says nothing."""
_ATTRIBUTE = {"psnr_db": "psnr", "ssim": "ssim"}


@dataclass(frozen=True, slots=True)
class Winner:
    """The scheme with the highest mean at one place, and its lead.

    Attributes:
        measure: "psnr_db" or "ssim".
        place: bits of the code, or effective bits that may be spent.
        scheme: the winner.
        bits: of the winner's code.
        effective_bits: of the winner.
        value: its mean.
        runner_up: the best other scheme; None if it is alone.
        lead: median difference over pairs: of samples from the same noise, or of outputs on the same real
            data.
        lead_low: end of the median's 95 % interval, from one order statistic to another, which covers with
            95 % or more whatever the law of the differences; None if it has none.
        lead_high: other end.
        lead_confidence: with which these ends cover the median of a law without atoms, exactly; of one with
            atoms they cover as often or more often. None without an interval.
    """

    measure: str
    place: int
    scheme: str
    bits: int
    effective_bits: float
    value: float
    runner_up: str | None
    lead: float | None
    lead_low: float | None
    lead_high: float | None
    lead_confidence: float | None

    @property
    def decided(self) -> bool:
        """Whether the whole interval of the lead is above 0."""
        return self.runner_up is None or (self.lead_low is not None and self.lead_low > 0.0)


def winners_at_bits(report: FlowReport, measure: str) -> tuple[Winner, ...]:
    """The winner at each bit-width at which two schemes were measured."""
    found: list[Winner] = []
    for bits in sorted({cell.bits for cell in report.cells}):
        cells = [cell for cell in _measured(report, measure) if cell.bits == bits]
        if len(cells) > 1:
            found.append(_winner(measure, bits, cells))
    return tuple(found)


def winners_within_budget(report: FlowReport, measure: str) -> tuple[Winner, ...]:
    """For each whole number of effective bits: each scheme at its best within it, and the best of them.

    A bit-width may be skipped: a scheme with fewer bits and smaller codebooks competes with one of more bits.
    """
    cells = _measured(report, measure)
    if not cells:
        return ()
    least = min(cell.effective_bits or math.inf for cell in cells)
    most = max(cell.bits for cell in cells)
    found: list[Winner] = []
    for budget in range(math.ceil(least), most + 1):
        best: dict[str, Cell] = {}
        for cell in cells:
            if (cell.effective_bits or math.inf) > budget:
                continue
            held = best.get(cell.scheme)
            if held is None or _mean(cell, measure) > _mean(held, measure):
                best[cell.scheme] = cell
        if best:
            found.append(_winner(measure, budget, list(best.values())))
    return tuple(found)


def flow_verdict(report: FlowReport) -> tuple[str, ...]:
    """One sentence for each question; only what was measured is spoken of."""
    rows = flow_rows(report)
    sentences: list[str] = []
    for measure, name in MEASURES.items():
        at_bits, within = winners_at_bits(report, measure), winners_within_budget(report, measure)
        if at_bits:
            sentences.append(f"At equal bits, by {name}: {_grouped(at_bits, 'at')}.")
        if within:
            sentences.append(
                f"At equal effective bits (codebooks counted), by {name}: "
                f"{_grouped(within, 'within', 'effective')}."
            )
    sentences += _latent(rows) + _frechet(report, rows) + _ladder(report, rows)
    if report.full.convergence is not None:
        sentences.append(f"Sampler, apart from quantization: {report.full.convergence}.")
    return tuple(sentences)


def _measured(report: FlowReport, measure: str) -> list[Cell]:
    return [cell for cell in report.cells if cell.measured and _values(cell, measure)]


def _values(cell: Cell, measure: str) -> BySeed:
    return cast("BySeed", getattr(cell, _ATTRIBUTE[measure]))


def _pooled(cell: Cell, measure: str) -> list[float]:
    return [value for seed in _values(cell, measure) for value in seed]


def _mean(cell: Cell, measure: str) -> float:
    return statistics.fmean(_pooled(cell, measure))


def _winner(measure: str, place: int, cells: Sequence[Cell]) -> Winner:
    ordered = sorted(cells, key=lambda cell: _mean(cell, measure), reverse=True)
    first = ordered[0]
    lead: tuple[float | None, float | None, float | None, float | None] = (None, None, None, None)
    if len(ordered) > 1:
        pairs = zip(_pooled(first, measure), _pooled(ordered[1], measure), strict=True)
        # Both infinite: no sample changed under either, which is a tie of that pair.
        # A verdict rests on it, so its ends are not interpolated (see ``policy``).
        found = median_estimate([0.0 if a == b else a - b for a, b in pairs], interpolated=False)
        low, high = printed_interval(found, "lead") or (None, None)
        lead = (found.value, low, high, None if low is None else order_statistics_confidence(found.count))
    return Winner(
        measure,
        place,
        first.scheme,
        first.bits,
        first.effective_bits or math.nan,
        _mean(first, measure),
        ordered[1].scheme if len(ordered) > 1 else None,
        *lead,
    )


def _grouped(winners: Sequence[Winner], preposition: str, kind: str = "") -> str:
    """``lloyd_max wins at 2-4 bits (0.9 to 2.1 dB ahead); undecided at 5 bits (...)``."""
    groups: dict[str, list[Winner]] = {}
    for winner in winners:
        words = f"{winner.scheme} wins" if winner.decided else "undecided"
        groups.setdefault(words, []).append(winner)
    parts: list[str] = []
    for words, group in groups.items():
        where = f"{preposition} {bits_in_words([winner.place for winner in group], kind)}"
        parts.append(f"{words} {where}{_leads(group)}")
    return "; ".join(parts)


def _leads(group: Sequence[Winner]) -> str:
    if not group[0].decided:
        pairs = sorted({f"{w.scheme} or {w.runner_up}" for w in group})
        return f" ({', '.join(pairs)})"
    leads = [winner.lead for winner in group if winner.lead is not None and math.isfinite(winner.lead)]
    if not leads:
        return " (alone)" if group[0].runner_up is None else ""
    unit = " dB" if group[0].measure == "psnr_db" else ""
    low, high = f"{min(leads):.2g}", f"{max(leads):.2g}"
    return f" ({low if low == high else f'{low} to {high}'}{unit} ahead of the next)"


def _latent(rows: Sequence[FlowRow]) -> list[str]:
    parts: list[str] = []
    for scheme in dict.fromkeys(row.scheme for row in rows):
        ratios = [row.latent_std_ratio for row in rows if row.scheme == scheme and row.latent_std_ratio]
        if ratios:
            parts.append(f"{scheme} {min(ratios):.2f} to {max(ratios):.2f}")
    if not parts:
        return []
    return [
        "Standard deviation over dimensions of the latent's variance, relative to full precision, over all "
        f"bits: {', '.join(parts)}."
    ]


def _frechet(report: FlowReport, rows: Sequence[FlowRow]) -> list[str]:
    known = [cell.frechet for cell in report.cells if cell.frechet is not None]
    if not known:
        return []
    ratios = [math.sqrt(each.distance) / each.feature_rms for each in known if each.feature_rms > 0.0]
    share = f"{min(ratios):.2f} to {max(ratios):.2f} of the paired bound" if ratios else "0"
    sentences = [f"Root of the Fréchet distance ({report.features}) from full precision: {share}."]
    count, dimension = known[0].count, known[0].dimension
    if count <= dimension:
        sentences.append(
            f"INCONCLUSIVE for the population: {count} samples cannot fill a covariance of {dimension} "
            "features; the distances and the paired inequality hold for these samples alone."
        )
    data = report.full.frechet_to_data
    if data is not None:
        moved = [
            abs(math.sqrt(row.frechet_to_data) - math.sqrt(data)) / math.sqrt(row.frechet)
            for row in rows
            if row.frechet_to_data is not None and row.frechet
        ]
        sentences.append(
            f"Distance from the data: full precision {data:.4g}; its root moves by {min(moved):.2f} to "
            f"{max(moved):.2f} of the triangle inequality's bound."
            if moved
            else f"Distance from the data: full precision {data:.4g}."
        )
    return sentences


def _ladder(report: FlowReport, rows: Sequence[FlowRow]) -> list[str]:
    climbed = [row for row in rows if row.ladder]
    if not climbed:
        return []
    parts: list[str] = []
    for rung in RUNGS:
        known = [value for row in climbed if (value := row.tightness[rung]) is not None]
        if known:
            parts.append(f"{rung} {statistics.median(known):.3g}")
    graded = "certified" if all((row.ladder or {})["certified"] for row in climbed) else "estimated constants"
    sentences = [f"Bound over error at t = 1, median ({graded}): {', '.join(parts)}."]
    broken = [
        f"{rung} {row.scheme} {bits_in_words([row.bits])}"
        for row in climbed
        for rung, count in cast("dict[str, Any]", (row.ladder or {})["broken_count"]).items()
        if count
    ]
    sentences.append(f"Broken rungs: {', '.join(broken)}." if broken else "No rung is broken.")
    return sentences + _sharper_than_g0(climbed) + _response(report, climbed)


def _sharper_than_g0(climbed: Sequence[FlowRow]) -> list[str]:
    """How much the sharpest of g1, g2 and g4 gains where g0 is useless."""
    gains: list[float] = []
    for row in climbed:
        error = (row.ladder or {})["error_rms"]
        sharpest = min(_or_infinite(row.bounds[rung]) for rung in ("g1", "g2", "g4"))
        g0 = _or_infinite(row.bounds["g0"])
        if error and g0 > _LOOSE * error and math.isfinite(sharpest):
            gains.append(g0 / sharpest)
    if not gains:
        return []
    least = f"{min(gains):.2g}" if math.isfinite(min(gains)) else "infinitely many"
    return [
        f"Where g0 exceeds {_LOOSE:,.0f} times the error ({len(gains)} of {len(climbed)} rows), the sharpest "
        f"of g1, g2 and g4 is at least {least} times tighter than g0."
    ]


def _response(report: FlowReport, climbed: Sequence[FlowRow]) -> list[str]:
    """How near g3 is, where samples are near.

    A row's PSNR is a mean over all samples, and g3 speaks of a few: a row that is far off is named with the
    PSNR that the rms error of these few makes.
    """
    near = [
        (row, row.ladder or {})
        for row in climbed
        if row.psnr_db is not None
        and row.psnr_db > _NEAR_DB
        and (row.ladder or {})["response_error"] is not None
    ]
    if not near:
        return []
    sizes = [float(ladder["response_rms_ratio"]) for _, ladder in near]
    gaps = [100.0 * float(ladder["response_error"]) for _, ladder in near]
    far = [
        f"{row.scheme} {bits_in_words([row.bits])} {size:.2f}, whose {ladder['batch']} samples are at "
        f"{_decibels(report, float(ladder['error_rms'])):.0f} dB"
        for (row, ladder), size in zip(near, sizes, strict=True)
        if abs(size - 1.0) > _NEAR
    ]
    within = f"within {100 * _NEAR:.0f} % in {len(near) - len(far)} of {len(near)} rows"
    but = f" (not in {'; '.join(far)})" if far else ""
    return [
        f"Linear response where PSNR exceeds {_NEAR_DB:g} dB: its rms is {min(sizes):.2f} to "
        f"{max(sizes):.2f} of the error's, {within}{but}; sample by sample it is off "
        f"by {statistics.median(gaps):.2g} % of the rms error in the median, {max(gaps):.2g} % at most."
    ]


def _decibels(report: FlowReport, error_rms: float) -> float:
    """PSNR of the Euclidean rms error."""
    return 20.0 * math.log10(report.data_range * math.sqrt(report.dimension) / error_rms)


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value
