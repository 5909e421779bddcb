"""Eight rows of a least-start search side by side, in vector registers."""

# Numba takes the names of the arguments from the function that lowers the call.
# ruff: noqa: ARG001

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # pyright: ignore[reportMissingTypeStubs]
from numba import types  # pyright: ignore[reportMissingTypeStubs]
from numba.core import cgutils  # pyright: ignore[reportMissingTypeStubs]
from numba.extending import intrinsic  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

__all__ = [
    "LANES",
    "TINY_MASS",
    "best_starts",
    "best_starts_and_bounds",
    "best_starts_and_bounds_of_counts",
    "best_starts_of_counts",
    "constant",
    "splat",
]

FloatArray = NDArray[np.float64]

LANES = 8
# A mass that rounding has made zero or negative is replaced by this one: the cost then is zero.
TINY_MASS = 2.0**-1000

_ir = cast(Any, ir)
_types = cast(Any, types)
_cgutils = cast(Any, cgutils)

_REAL = _ir.DoubleType()
_INDEX = _ir.IntType(64)
_VECTOR = _ir.VectorType(_REAL, LANES)


def constant(value: float) -> Any:
    """The number in every lane."""
    return _ir.Constant(_VECTOR, [value] * LANES)


def splat(builder: Any, scalar: Any) -> Any:
    """The scalar in every lane."""
    nothing = _ir.Constant(_VECTOR, _ir.Undefined)
    one = builder.insert_element(nothing, scalar, _ir.Constant(_ir.IntType(32), 0))
    zeros = _ir.Constant(_ir.VectorType(_ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, nothing, zeros)


def _loop_over_starts(arguments: int, has_bounds: bool, is_count: bool) -> Any:
    """Writes the loop over the starts: eight rows and what is known of each stay in registers.

    Vector instructions, which LLVM turns into those of the processor, because its own loop vectorizer keeps
    the results in memory, at five times the cost.

    Args:
        arguments: the number before those for ``out`` and ``column``.
        has_bounds: whether to look for bounds of the best starts too.
        is_count: whether all masses are counts, so that no difference of two is lost to rounding.
    """

    def at_least(builder: Any, vector: Any, least: float) -> Any:
        if is_count:
            return vector
        return builder.select(builder.fcmp_ordered(">", vector, constant(least)), vector, constant(least))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def array(position: int) -> Any:
            return context.make_array(signature.args[position])(context, builder, args[position])

        def vector_at(pointer: Any, index: Any) -> Any:
            return builder.bitcast(builder.gep(pointer, [index]), _VECTOR.as_pointer())

        value, mass, first, second = (array(position).data for position in range(4))
        offset, low, high, row = args[4], args[5], args[6], args[10]
        row_mass, row_first, row_second = (
            builder.load(vector_at(array(position).data, row), align=8) for position in (7, 8, 9)
        )
        starts = (np.inf, 0.0, 0.0, 0.0) if has_bounds else (np.inf, 0.0)
        results = [_cgutils.alloca_once(builder, _VECTOR) for _ in starts]
        for result, start in zip(results, starts, strict=True):
            builder.store(constant(start), result)
        with _cgutils.for_range_slice(builder, low, high, _INDEX(1), intp=_INDEX, inc=True) as (t, _):
            step = builder.add(t, offset)
            here = splat(builder, builder.sitofp(step, _REAL))
            before = splat(builder, builder.load(builder.gep(value, [step])))
            moments = (splat(builder, builder.load(builder.gep(p, [t]))) for p in (mass, first, second))
            start_mass, start_first, start_second = moments
            weight = at_least(builder, builder.fsub(row_mass, start_mass), TINY_MASS)
            moment = builder.fsub(row_first, start_first)
            square = builder.fdiv(builder.fmul(moment, moment), weight)
            cost = builder.fsub(builder.fsub(row_second, start_second), square)
            total = builder.fadd(before, at_least(builder, cost, 0.0))
            known = [builder.load(result) for result in results]
            better = builder.fcmp_ordered("<", total, known[0])
            best = builder.select(better, total, known[0])
            chosen = [best, builder.select(better, here, known[1])]
            if has_bounds:
                tolerance = splat(builder, args[11])
                far_better = builder.fcmp_ordered("<", builder.fadd(total, tolerance), known[0])
                near = builder.fcmp_ordered("<=", total, builder.fadd(best, tolerance))
                chosen.append(builder.select(far_better, here, known[2]))
                chosen.append(builder.select(near, here, known[3]))
            for result, new in zip(results, chosen, strict=True):
                builder.store(new, result)
        out = array(arguments)
        width = _cgutils.unpack_tuple(builder, out.shape, 2)[1]
        place = args[arguments + 1]
        for result in results:
            builder.store(builder.load(result), vector_at(out.data, place), align=8)
            place = builder.add(place, width)
        return context.get_dummy_value()

    return generate


_REALS = _types.Array(_types.float64, 1, "C")
_TABLE = _types.Array(_types.float64, 2, "C")
_WHOLE = _types.int64
_STARTS = (_REALS, _REALS, _REALS, _REALS, _WHOLE, _WHOLE, _WHOLE)
_ROWS = (_REALS, _REALS, _REALS, _WHOLE)


def _best_starts(is_count: bool) -> Any:
    def lower(
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
        out: Any,
        column: Any,
    ) -> Any:
        """For rows j = row .. row+7: min over low <= t < high of value[offset+t] + cost(t, j).

        cost(t, j) = (s_j - s_t) - (f_j - f_t)**2 / (m_j - m_t) from running sums m, f, s (``mass``,
        ``first``, ``second`` of the starts; ``row_mass`` ... of the rows) about an origin; no less than 0
        where masses are no counts. Writes to columns column .. column+7 of two rows of ``out``: the
        minimum; its start, as offset + t.
        """
        return _types.void(*_STARTS, *_ROWS, _TABLE, _WHOLE), _loop_over_starts(11, False, is_count)

    return cast(Any, intrinsic)(lower)


def _best_starts_and_bounds(is_count: bool) -> Any:
    def lower(
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
        types_of_all = (*_STARTS, *_ROWS, _types.float64, _TABLE, _WHOLE)
        return _types.void(*types_of_all), _loop_over_starts(12, True, is_count)

    return cast(Any, intrinsic)(lower)


best_starts: Callable[..., None] = _best_starts(is_count=False)
best_starts_of_counts: Callable[..., None] = _best_starts(is_count=True)
best_starts_and_bounds: Callable[..., None] = _best_starts_and_bounds(is_count=False)
best_starts_and_bounds_of_counts: Callable[..., None] = _best_starts_and_bounds(is_count=True)
