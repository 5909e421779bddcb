"""Eight rows of a least-start search side by side, in vector registers."""

# Numba takes the names of the arguments from the function that lowers the call.
# ruff: noqa: ARG001

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import types  # pyright: ignore[reportMissingTypeStubs]
from numba.core import cgutils  # pyright: ignore[reportMissingTypeStubs]
from numba.extending import intrinsic  # pyright: ignore[reportMissingTypeStubs]

from fmq_theory.kernels.runtime.simd import INDEX, REAL, array_data, constant, slots_of, splat, vector_at

__all__ = ["TINY_MASS", "best_starts", "best_starts_and_bounds"]

# A mass that rounding has made zero or negative is replaced by this one: the cost then is zero.
TINY_MASS = 2.0**-1000

_types = cast(Any, types)
_cgutils = cast(Any, cgutils)

_REALS = _types.Array(_types.float64, 1, "C")
_TABLE = _types.Array(_types.float64, 2, "C")
_WHOLE = _types.int64
_STARTS = (_REALS, _REALS, _REALS, _REALS, _WHOLE, _WHOLE, _WHOLE)
_ROWS = (_REALS, _REALS, _REALS, _WHOLE)


def _loop_over_starts(context: Any, builder: Any, signature: Any, args: Any, is_count: bool) -> None:
    """Writes the loop over the starts: eight rows and what is known of each stay in registers.

    Vector instructions, which LLVM turns into those of the processor, because its own loop vectorizer keeps
    the results in memory, at five times the cost. The arguments are those of ``best_starts``, or those of
    ``best_starts_and_bounds``, which has one more.
    """
    has_bounds = len(args) > 14
    out_at = len(args) - 2

    def at_least(vector: Any, least: float) -> Any:
        if is_count:  # no difference of two sums is lost to rounding
            return vector
        return builder.select(builder.fcmp_ordered(">", vector, constant(least)), vector, constant(least))

    def array(position: int) -> Any:
        return array_data(context, builder, signature, args, position)

    value, mass, first, second = (array(position).data for position in range(4))
    offset, low, high, row = args[4], args[5], args[6], args[10]
    row_mass, row_first, row_second = (
        builder.load(vector_at(builder, array(position).data, row), align=8) for position in (7, 8, 9)
    )
    starts = (np.inf, 0.0, 0.0, 0.0) if has_bounds else (np.inf, 0.0)
    results = slots_of(builder, [constant(start) for start in starts])
    with _cgutils.for_range_slice(builder, low, high, INDEX(1), intp=INDEX, inc=True) as (t, _):
        step = builder.add(t, offset)
        here = splat(builder, builder.sitofp(step, REAL))
        before = splat(builder, builder.load(builder.gep(value, [step])))
        moments = (splat(builder, builder.load(builder.gep(p, [t]))) for p in (mass, first, second))
        start_mass, start_first, start_second = moments
        weight = at_least(builder.fsub(row_mass, start_mass), TINY_MASS)
        moment = builder.fsub(row_first, start_first)
        square = builder.fdiv(builder.fmul(moment, moment), weight)
        cost = builder.fsub(builder.fsub(row_second, start_second), square)
        total = builder.fadd(before, at_least(cost, 0.0))
        known = [builder.load(result) for result in results]
        better = builder.fcmp_ordered("<", total, known[0])
        best = builder.select(better, total, known[0])
        chosen = [best, builder.select(better, here, known[1])]
        if has_bounds:
            tolerance = splat(builder, args[12])
            far_better = builder.fcmp_ordered("<", builder.fadd(total, tolerance), known[0])
            near = builder.fcmp_ordered("<=", total, builder.fadd(best, tolerance))
            chosen.append(builder.select(far_better, here, known[2]))
            chosen.append(builder.select(near, here, known[3]))
        for result, new in zip(results, chosen, strict=True):
            builder.store(new, result)
    out = array(out_at)
    width = _cgutils.unpack_tuple(builder, out.shape, 2)[1]
    place = args[out_at + 1]
    for result in results:
        builder.store(builder.load(result), vector_at(builder, out.data, place), align=8)
        place = builder.add(place, width)


def _generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Two loops, one for counts and one for other masses."""
    with builder.if_else(_cgutils.is_not_null(builder, args[11])) as (of_counts, of_masses):
        with of_counts:
            _loop_over_starts(context, builder, signature, args, is_count=True)
        with of_masses:
            _loop_over_starts(context, builder, signature, args, is_count=False)
    return context.get_dummy_value()


def _best_starts(
    typing_context: Any,
    value: Any,
    mass: Any,
    first: Any,
    second: Any,
    offset: Any,
    low: Any,
    high: Any,
    row_mass: Any,
    row_first: Any,
    row_second: Any,
    row: Any,
    is_count: Any,
    out: Any,
    column: Any,
) -> Any:
    """For rows j = row .. row+7: min over low <= t < high of value[offset+t] + cost(t, j).

    cost(t, j) = (s_j - s_t) - (f_j - f_t)**2 / (m_j - m_t) from running sums m, f, s (``mass``,
    ``first``, ``second`` of the starts; ``row_mass`` ... of the rows) about an origin; no less than 0
    where masses are no counts. Writes to columns column .. column+7 of two rows of ``out``: the
    minimum; its start, as offset + t.
    """
    return _types.void(*_STARTS, *_ROWS, _types.boolean, _TABLE, _WHOLE), _generate


def _best_starts_and_bounds(
    typing_context: Any,
    value: Any,
    mass: Any,
    first: Any,
    second: Any,
    offset: Any,
    low: Any,
    high: Any,
    row_mass: Any,
    row_first: Any,
    row_second: Any,
    row: Any,
    is_count: Any,
    tolerance: Any,
    out: Any,
    column: Any,
) -> Any:
    """``best_starts``, and in two more rows of ``out`` bounds of the starts that may be the best.

    A start not after any whose total is within ``tolerance`` of the minimum: it moves to t only where
    the total is lower than all before by more than the tolerance, so it never passes a t0 whose
    total is within the tolerance of the minimum: that total less the tolerance is at most the
    minimum. And a start not before any such: the last t within the tolerance of the minimum so far.
    """
    return _types.void(*_STARTS, *_ROWS, _types.boolean, _types.float64, _TABLE, _WHOLE), _generate


best_starts: Callable[..., None] = cast(Any, intrinsic)(_best_starts)
best_starts_and_bounds: Callable[..., None] = cast(Any, intrinsic)(_best_starts_and_bounds)
