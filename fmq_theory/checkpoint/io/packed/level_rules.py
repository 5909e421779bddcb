"""The numbers that a codebook is stored as, and the levels that come of them.

A codebook without a rule is its levels. Equally spaced levels are their two ends, a table is its scale, and
levels in geometric progression are the ends of both sides. The levels are rebuilt by the scheme itself: it
designs them again for weights that are nothing but those ends, so that there is no second formula.
"""

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.quantizers import get_scheme
from fmq_theory.quantizers.log2 import log2_codebooks
from fmq_theory.sources.sorted_rows import SortedRows

__all__ = ["LEVELS", "RULES", "levels_of", "stored_numbers"]

Reals = NDArray[np.floating]

LEVELS = "levels"
# The rule that spaces the levels of a scheme.
_RULE_OF = {"uniform": "uniform", "uniform_clipped": "uniform", "log2": "log2", "nf4": "nf4", "fp4": "fp4"}


def stored_numbers(scheme: str, codebooks: Reals, used: NDArray[np.int64], bits: int) -> tuple[str, Reals]:
    """The rule and the numbers to store, shape ``[R, N]``: as few as the scheme allows.

    The rule gives every level back to the bit; where it does not, the levels themselves are stored.

    Args:
        scheme: its name.
        codebooks: levels as used, shape ``[R, K]``.
        used: how many levels of each are not padding, shape ``[R]``.
        bits: of the codes.
    """
    full = codebooks[:, : int(used.max())]
    rule = _RULE_OF.get(scheme, LEVELS)
    if rule == LEVELS or (numbers := _ENDS[rule](codebooks)).shape[1] >= full.shape[1]:
        return LEVELS, full
    in_use = cast("NDArray[np.bool_]", np.arange(full.shape[1]) < used[:, None])
    # With both signs an odd number of levels leaves one unused.
    most = int(used.max())
    others = [f"log2:{count}" for count in (most, most + 1) if f"log2:{count}" in RULES]
    for name in [rule, *(others if rule == "log2" else [])]:
        rebuilt = levels_of(name, numbers, bits, codebooks.dtype)
        if bool(((rebuilt[:, : full.shape[1]] == full) | ~in_use).all()):
            return name, numbers
    return LEVELS, full


def levels_of(rule: str, numbers: Reals, bits: int, dtype: np.dtype[np.floating]) -> Reals:
    """The levels of each row, shape ``[R, 2**bits]``; behind the last one in use anything finite.

    Args:
        rule: a key of ``RULES``.
        numbers: as stored, shape ``[R, N]``.
        bits: of the codes.
        dtype: of the levels.
    """
    return RULES[rule](numbers, bits).astype(dtype, copy=False)


def _as_they_are(numbers: Reals, bits: int) -> Reals:
    return np.pad(numbers, ((0, 0), (0, 2**bits - numbers.shape[1])), mode="edge")


def _by_scheme(name: str) -> Callable[[Reals, int], Reals]:
    def rebuild(ends: Reals, bits: int) -> Reals:
        rows = np.ascontiguousarray(ends if ends.dtype == np.float64 else ends.astype(np.float32))
        return get_scheme(name).design_rows(SortedRows.of(rows), 2**bits).levels

    return rebuild


def _by_log2(count: int | None) -> Callable[[Reals, int], Reals]:
    """``count`` levels of a row; None for files of before: 2**bits, of which one sign alone has half."""

    def rebuild(ends: Reals, bits: int) -> Reals:
        rows = ends.astype(np.float64)
        first, last = rows[:, 0], rows[:, 3]
        inner = np.where(np.stack((first < 0.0, last > 0.0), axis=1), rows[:, 1:3], np.nan)
        of_both = 2**bits if count is None else min(count, 2**bits)
        of_one = max(1, of_both // 2) if count is None else of_both
        found = log2_codebooks(inner, first, last, 2**bits, of_both=of_both, of_one=of_one).levels
        return np.where((first == last)[:, np.newaxis], first[:, np.newaxis], found)

    return rebuild


def _by_table(name: str) -> Callable[[Reals, int], Reals]:
    """Level 0 is minus the scale, also of a constant row, which uses no other level."""
    rebuild = _by_scheme(name)

    def levels(scale: Reals, bits: int) -> Reals:
        found = rebuild(np.concatenate((-scale, scale), axis=1), bits)
        return np.where(scale > 0.0, found, 0.0 - scale)

    return levels


def _outer_levels(codebooks: Reals) -> Reals:
    return codebooks[:, [0, -1]]


def _scale(codebooks: Reals) -> Reals:
    return 0.0 - codebooks[:, :1]


def _ends_of_sides(codebooks: Reals) -> Reals:
    """Far and near end of the negative side, near and far end of the other; a side that lacks repeats one."""
    inner = np.where(codebooks < 0.0, codebooks, -np.inf).max(axis=1)
    outer = np.where(codebooks > 0.0, codebooks, np.inf).min(axis=1)
    first, last = codebooks[:, 0], codebooks[:, -1]
    inner = np.where(np.isfinite(inner), inner, first)
    outer = np.where(np.isfinite(outer), outer, last)
    return np.stack((first, inner, outer, last), axis=1)


RULES: dict[str, Callable[[Reals, int], Reals]] = {
    LEVELS: _as_they_are,
    "uniform": _by_scheme("uniform"),
    "log2": _by_log2(None),
    **{f"log2:{count}": _by_log2(count) for count in range(2, 257)},
    "nf4": _by_table("nf4"),
    "fp4": _by_table("fp4"),
}

_ENDS: dict[str, Callable[[Reals], Reals]] = {
    "uniform": _outer_levels,
    "log2": _ends_of_sides,
    "nf4": _scale,
    "fp4": _scale,
}
