"""Anyone's table of levels on a law: how far from the optimum, why, and what would mend it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from fmq_theory.certify import BestMap, Enclosure, best_affine_map, best_multiple
from fmq_theory.certify.scaled import ScaledLaw
from fmq_theory.claims.oracle.design import Optimum, optimum_of
from fmq_theory.claims.oracle.table_file import Table

__all__ = ["Mending", "TableReport", "check_table"]

_NOTICEABLE = Fraction(1, 10**6)
"""Defects below this share of the standard deviation are not called a failure."""
_FULLY_SEARCHED, _FULL, _SHORT = 64, 2_000_000, 200_000


@dataclass(frozen=True, slots=True)
class Mending:
    """A rescaled table, levels ``factor * level + shift``, and what it is worth with nearest levels.

    Attributes:
        factor: of the levels, positive.
        shift: added to them, in the law's unit; 0 where only multiples were asked for.
        distortion: its mean squared error.
        excess: distortion/optimum - 1.
        verdict: CERTIFIED if no other multiple (multiple and shift) is as good; INCONCLUSIVE if it is the
            best found.
        proof: the argument, or what is missing.
    """

    factor: Enclosure
    shift: Enclosure
    distortion: Enclosure
    excess: Enclosure
    verdict: Literal["CERTIFIED", "INCONCLUSIVE"]
    proof: str


@dataclass(frozen=True, slots=True)
class TableReport:
    """What was proven about a table.

    Attributes:
        table: the levels that were judged.
        source: the law in words.
        scaled_by: the multiple of the table given that was judged; None if it was judged as given.
        distortion: with the thresholds given, or nearest levels.
        nearest_distortion: with nearest levels.
        optimum: the least distortion of as many levels.
        excess: distortion/optimum - 1.
        centroid_defects: level - mean of its cell; None where the cell has no proven mass.
        threshold_defects: threshold - middle of its two levels; exact.
        bad_levels: indices of the levels whose defect is noticeable.
        bad_thresholds: indices of the thresholds whose defect is noticeable.
        scale: the best multiple; None where no codebook is noticeably better than the table, so none was
            sought.
        affine: the best multiple and shift; None where no codebook is noticeably better than the table.
        scale_helps: whether the best multiple has a noticeably smaller error than the table judged.
        affine_helps: whether the best affine map has a noticeably smaller error than the best multiple.
    """

    table: Table
    source: str
    scaled_by: Mending | None
    distortion: Enclosure
    nearest_distortion: Enclosure
    optimum: Optimum
    excess: Enclosure
    centroid_defects: tuple[Enclosure | None, ...]
    threshold_defects: tuple[Fraction, ...]
    bad_levels: tuple[int, ...]
    bad_thresholds: tuple[int, ...]
    scale: Mending | None
    affine: Mending | None
    scale_helps: bool
    affine_helps: bool


def check_table(
    table: Table, source: ScaledLaw, *, digits: int = 30, best_scale: bool = False
) -> TableReport:
    """Everything that can be proven about the table.

    Args:
        table: levels, and thresholds if it has its own.
        source: the law.
        digits: wanted decimal places.
        best_scale: judge the table, with nearest levels, at its best multiple instead of as given: what a
            format is worth whose blocks carry a scale.

    Raises:
        CertificationError: not even a stationary codebook of that size could be proven.
    """
    more = digits + 40
    optimum = optimum_of(source, len(table.levels), digits=more)
    at_best = None
    if best_scale:
        found = best_multiple(source.law, table.levels, digits=more, effort=_effort(table))
        at_best = _mending(found, source, optimum.value, more)
        table = _scaled(table, at_best.factor.rounded(more).midpoint)
    middles = tuple((a + b) / 2 for a, b in pairwise(table.levels))
    cuts = table.thresholds or middles
    nearest = source.distortion(table.levels, middles, digits=more)
    value = nearest if table.thresholds is None else source.distortion(table.levels, cuts, digits=more)
    # The least distortion of all codebooks is not above that of the one at hand.
    least = Enclosure(optimum.value.lower, max(optimum.value.lower, min(optimum.value.upper, value.upper)))
    scale, affine = _mendings(table, source, nearest, least, more)
    defects = _centroid_defects(table, cuts, source, more)
    offsets = tuple(cut - middle for cut, middle in zip(cuts, middles, strict=True))
    floor = max(table.unit, _NOTICEABLE * source.deviation)
    base = nearest.lower if scale is None else min(scale.distortion.lower, nearest.lower)
    return TableReport(
        table,
        source.label(),
        at_best,
        value,
        nearest,
        replace(optimum, value=least),
        _excess(value, least),
        defects,
        offsets,
        tuple(
            k
            for k, defect in enumerate(defects)
            if defect is None or defect.lower > floor or defect.upper < -floor
        ),
        tuple(k for k, offset in enumerate(offsets) if abs(offset) > floor),
        scale,
        affine,
        scale is not None and scale.distortion.upper < nearest.lower * (1 - _NOTICEABLE),
        affine is not None and affine.distortion.upper < base * (1 - _NOTICEABLE),
    )


def _centroid_defects(
    table: Table, cuts: Sequence[Fraction], source: ScaledLaw, digits: int
) -> tuple[Enclosure | None, ...]:
    centroids = source.centroids(cuts, digits=digits)
    return tuple(
        None if centroid is None else Enclosure.of(level) - centroid
        for level, centroid in zip(table.levels, centroids, strict=True)
    )


def _scaled(table: Table, factor: Fraction) -> Table:
    levels = tuple(factor * level for level in table.levels)
    return replace(table, levels=levels, thresholds=None, unit=factor * table.unit)


def _excess(value: Enclosure, optimum: Enclosure) -> Enclosure:
    # Nothing beats the optimum, so rounding alone cannot make the lower end negative.
    ratio = value / optimum - 1
    return Enclosure(max(Fraction(0), ratio.lower), max(Fraction(0), ratio.upper)).rounded(30)


def _mendings(
    table: Table, source: ScaledLaw, nearest: Enclosure, least: Enclosure, digits: int
) -> tuple[Mending | None, Mending | None]:
    if nearest.upper <= least.lower * (1 + _NOTICEABLE):
        return None, None
    effort = _effort(table)
    scale = best_multiple(source.law, table.levels, digits=digits, effort=effort)
    affine = best_affine_map(source.law, table.levels, digits=digits, effort=effort)
    return _mending(scale, source, least, digits), _mending(affine, source, least, digits)


def _effort(table: Table) -> int:
    return _FULL if len(table.levels) <= _FULLY_SEARCHED else _SHORT


def _mending(found: BestMap, source: ScaledLaw, optimum: Enclosure, digits: int) -> Mending:
    """From the law's natural scale to this one."""
    factor, shift = source.stretched([found.scale, found.shift], digits=digits)
    value = source.stretched_square(found.distortion, digits=digits)
    return Mending(factor, shift, value, _excess(value, optimum), found.verdict, found.proof)
