"""Anyone's table of levels on a law: how far from the optimum, why, and what would mend it."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from fmq_theory.certify import Enclosure
from fmq_theory.certify.scaled import ScaledLaw
from fmq_theory.claims.oracle import MOST_LEVELS, Optimum, optimum_of
from fmq_theory.codebook import Codebook
from fmq_theory.errors import WeightsError
from fmq_theory.metrics import distortion
from fmq_theory.sources import Source, make

__all__ = ["SHIPPED", "Mending", "Table", "TableReport", "check_table", "read_table"]

SHIPPED = ("nf4", "fp4")
_NOTICEABLE = Fraction(1, 10**6)
"""Defects below this share of the standard deviation are not called a failure."""


@dataclass(frozen=True, slots=True)
class Table:
    """Levels, and thresholds if the file gives them, exactly as written.

    Attributes:
        unit: half a unit of the last decimal place written: a rounding that no table can avoid.
    """

    name: str
    levels: tuple[Fraction, ...]
    thresholds: tuple[Fraction, ...] | None
    unit: Fraction


@dataclass(frozen=True, slots=True)
class Mending:
    """A rescaled table and what it would be worth; found by search, its distortion proven."""

    factor: Fraction
    shift: Fraction
    distortion: Enclosure
    excess: Enclosure


@dataclass(frozen=True, slots=True)
class TableReport:
    """What was proven about a table.

    Attributes:
        distortion: with the thresholds given, or nearest levels.
        nearest_distortion: with nearest levels.
        optimum: the least distortion of as many levels.
        excess: distortion/optimum - 1.
        centroid_defects: level - mean of its cell; None where the cell has no proven mass.
        threshold_defects: threshold - middle of its two levels; exact.
        bad_levels: indices whose defect is noticeable.
        bad_thresholds: likewise.
        scale: the best multiple found; None if no multiple helps.
        affine: the best multiple and shift found; None if they help no more than a multiple.
    """

    table: Table
    source: str
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


def read_table(name: str) -> Table:
    """A shipped table by name, or a JSON file: a list of levels, or ``levels`` and ``thresholds``.

    Raises:
        WeightsError: the file is missing or malformed, or its numbers are not a codebook.
    """
    shipped = name in SHIPPED and not Path(name).exists()
    where = f"table {name}"
    try:
        place = files("fmq_theory").joinpath("data", f"{name}.json") if shipped else Path(name)
        # Numbers stay as written: 0.1 is one tenth, not the float nearest to it.
        data = json.loads(
            place.read_text("utf-8"), parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal
        )
    except (OSError, ValueError, RecursionError) as error:
        remedy = f"name a JSON file, or one of {', '.join(SHIPPED)}"
        raise WeightsError(where, f"it cannot be read as JSON ({error})", remedy) from error
    found = cast("dict[str, object]", {"levels": data} if isinstance(data, list) else data)
    if not isinstance(data, (list, dict)) or "levels" not in found:
        raise WeightsError(
            where, "it is neither a list nor an object with 'levels'", "write [-1.5, -0.5, 0.5, 1.5]"
        )
    levels = _numbers(found["levels"], where, "level")
    given = found.get("thresholds")
    thresholds = None if given is None else _numbers(given, where, "threshold")
    _check(where, levels, thresholds)
    unit = min(Fraction(10) ** _exponent(value) for value in levels) / 2
    return Table(
        name,
        tuple(Fraction(value) for value in levels),
        None if thresholds is None else tuple(Fraction(value) for value in thresholds),
        unit,
    )


def _exponent(value: Decimal) -> int:
    return int(value.as_tuple().exponent)


def _numbers(data: object, where: str, what: str) -> list[Decimal]:
    if not isinstance(data, list):
        raise WeightsError(where, f"its {what}s are not a list", "write [-1.5, -0.5, 0.5, 1.5]")
    values: list[Decimal] = []
    for index, item in enumerate(cast("list[object]", data)):
        value = item
        if isinstance(item, str):
            try:
                value = Decimal(item)
            except InvalidOperation:
                value = item
        if not isinstance(value, Decimal):
            raise WeightsError(where, f"{what} {index} is {item!r}, not a number", "write decimal numbers")
        if not value.is_finite() or abs(_exponent(value)) > 400 or abs(value.adjusted()) > 300:
            raise WeightsError(where, f"{what} {index} is {item}, not a finite number", "mend that entry")
        values.append(value)
    return values


def _check(where: str, levels: Sequence[Decimal], thresholds: Sequence[Decimal] | None) -> None:
    if len(levels) < 2:
        raise WeightsError(where, f"it has {len(levels)} level(s)", "give at least two")
    if len(levels) > MOST_LEVELS:
        raise WeightsError(where, f"it has {len(levels)} levels", f"give at most {MOST_LEVELS}")
    for index, (left, right) in enumerate(pairwise(levels)):
        if left == right:
            raise WeightsError(where, f"levels {index} and {index + 1} are both {left}", "drop duplicates")
        if left > right:
            raise WeightsError(
                where, f"level {index + 1} ({right}) is below level {index} ({left})", "sort them"
            )
    if thresholds is None:
        return
    if len(thresholds) != len(levels) - 1:
        raise WeightsError(
            where,
            f"{len(levels)} levels and {len(thresholds)} thresholds",
            "give one threshold fewer than levels",
        )
    for index, (left, cut, right) in enumerate(zip(levels, thresholds, levels[1:], strict=False)):
        if not left <= cut <= right:
            raise WeightsError(
                where, f"threshold {index} ({cut}) is not between its levels", "put it between the two"
            )


def check_table(table: Table, source: ScaledLaw, *, digits: int = 30) -> TableReport:
    """Everything that can be proven about the table.

    Raises:
        CertificationError: not even a stationary codebook of that size could be proven.
    """
    more = digits + 40
    middles = tuple((a + b) / 2 for a, b in pairwise(table.levels))
    cuts = table.thresholds or middles
    optimum = optimum_of(source, len(table.levels), digits=more)
    nearest = source.distortion(table.levels, middles, digits=more)
    value = nearest if table.thresholds is None else source.distortion(table.levels, cuts, digits=more)
    centroids = source.centroids(cuts, digits=more)
    defects = tuple(
        None if centroid is None else Enclosure.of(level) - centroid
        for level, centroid in zip(table.levels, centroids, strict=True)
    )
    offsets = tuple(cut - middle for cut, middle in zip(cuts, middles, strict=True))
    floor = max(table.unit, _NOTICEABLE * source.deviation)
    scale, affine = _mend(table, source, nearest, optimum.value, more)
    return TableReport(
        table,
        source.label(),
        value,
        nearest,
        optimum,
        _excess(value, optimum.value),
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
    )


def _excess(value: Enclosure, optimum: Enclosure) -> Enclosure:
    # Nothing beats the optimum, so rounding alone cannot make the lower end negative.
    ratio = value / optimum - 1
    return Enclosure(max(Fraction(0), ratio.lower), max(Fraction(0), ratio.upper)).rounded(30)


# --- rescaling: floats find it, enclosures value it -------------------------------------------------


def _mend(
    table: Table, source: ScaledLaw, nearest: Enclosure, optimum: Enclosure, digits: int
) -> tuple[Mending | None, Mending | None]:
    floats = np.array([float(level) for level in table.levels], dtype=np.float64)
    law = _float_source(source)
    scale = _valued(table, source, _search(floats, law, shifts=False), optimum, digits)
    affine = _valued(table, source, _search(floats, law, shifts=True), optimum, digits)
    helps = scale is not None and scale.distortion.upper < nearest.lower * (1 - _NOTICEABLE)
    base = scale.distortion.lower if helps and scale is not None else nearest.lower
    more = affine is not None and affine.distortion.upper < base * (1 - _NOTICEABLE)
    return (scale if helps else None), (affine if more else None)


def _valued(
    table: Table, source: ScaledLaw, found: tuple[float, float], optimum: Enclosure, digits: int
) -> Mending | None:
    factor, shift = (Fraction(f"{value:.9g}") for value in found)
    if factor <= 0:
        return None
    levels = [factor * level + shift for level in table.levels]
    value = source.distortion(levels, [(a + b) / 2 for a, b in pairwise(levels)], digits=digits)
    return Mending(factor, shift, value, _excess(value, optimum))


def _float_source(source: ScaledLaw) -> Source:
    parameters = {name: float(value) for name, value in source.law.parameters().items()}
    unit = make(source.law.name, **parameters).standard_deviation_one()
    return make(
        source.law.name,
        **parameters,
        scale=float(getattr(unit, "scale")) * float(source.deviation),  # noqa: B009
    )


def _search(levels: NDArray[np.float64], law: Source, *, shifts: bool) -> tuple[float, float]:
    """The best factor of a geometric scan, polished by the simplex method: at least a local minimum."""
    spread = float(np.std(levels))
    middle = float(levels.mean()) if shifts else 0.0
    start, sigma = math.sqrt(law.variance()) / spread, math.sqrt(law.variance())
    factors = [start * 1.12**step for step in range(-24, 25)]
    trials = [(1.0, 0.0), *((factor, -middle * factor) for factor in factors)]
    factor, shift = min(trials, key=lambda trial: _worth(levels, law, *trial))

    def worth(point: NDArray[np.float64]) -> float:
        return _worth(levels, law, factor * math.exp(point[0]), shift + (sigma * point[1] if shifts else 0.0))

    simplex = np.array([[0.0, 0.0], [0.06, 0.0], [0.0, 0.06]]) if shifts else np.array([[0.0], [0.06]])
    # The starting point is that of the simplex; the argument is required all the same.
    best = minimize(
        worth,
        simplex[0],
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-10, "fatol": 0.0, "maxfev": 600},
    ).x
    return factor * math.exp(best[0]), shift + (sigma * float(best[1]) if shifts else 0.0)


def _worth(levels: NDArray[np.float64], law: Source, factor: float, shift: float) -> float:
    return distortion(Codebook.nearest(factor * levels + shift), law)
