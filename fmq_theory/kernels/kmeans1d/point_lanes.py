"""Least starts of paths through all points of a row, eight at a time in vector registers.

U(j) = min over t < j of U(t) - (f_j - f_t)**2 / (j - t) + multiplier, f running sums. The quotient comes from
a table of 1 / n: of successive rows and one start, or of one row and successive starts, the divisors are
successive whole numbers.
"""

# Numba takes the names of the arguments from the function that lowers the call.
# ruff: noqa: ARG001

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # pyright: ignore[reportMissingTypeStubs]
from numba import types  # pyright: ignore[reportMissingTypeStubs]
from numba.core import cgutils  # pyright: ignore[reportMissingTypeStubs]
from numba.extending import intrinsic  # pyright: ignore[reportMissingTypeStubs]

from fmq_theory.kernels.runtime.simd import (
    INDEX,
    LANES,
    REAL,
    VECTOR,
    array_data,
    constant,
    slots_of,
    splat,
    vector_at,
)

__all__ = ["best_starts_of_points", "starts_near_the_best"]

_ir = cast(Any, ir)
_types = cast(Any, types)
_cgutils = cast(Any, cgutils)

_SHORT = _ir.VectorType(_ir.IntType(32), LANES)

_REALS = _types.Array(_types.float64, 1, "C")
_SHORTS = _types.Array(_types.int32, 1, "C")
_TABLE = _types.Array(_types.float64, 2, "C")
_WHOLE = _types.int64


def _load(builder: Any, pointer: Any, index: Any) -> Any:
    return builder.load(vector_at(builder, pointer, index), align=8)


def _counter(builder: Any, begin: Any) -> Any:
    """Eight successive numbers from an integer on, as reals."""
    steps = _ir.Constant(VECTOR, [float(lane) for lane in range(LANES)])
    return builder.fadd(splat(builder, builder.sitofp(begin, REAL)), steps)


def _less_square(builder: Any, before: Any, moment: Any, inverse: Any) -> Any:
    return builder.fsub(before, builder.fmul(builder.fmul(moment, moment), inverse))


def _best_starts(
    typing_context: Any,
    value: Any,
    first: Any,
    inverse: Any,
    low: Any,
    high: Any,
    row: Any,
    multiplier: Any,
    parent: Any,
) -> Any:
    """U of the rows j = row .. row+7 over the starts low <= t < high, into ``value``; t into ``parent``.

    ``inverse[n]`` is 1 / n. Arrays have eight elements more than there are rows.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = [array_data(context, builder, signature, args, position).data for position in (0, 1, 2, 7)]
        value, first, inverse, parent = data
        low, high, row = args[3:6]
        of_rows = _load(builder, first, row)
        begin = splat(builder, builder.sitofp(low, REAL))
        best, chosen, here = slots = slots_of(builder, (constant(np.inf), begin, begin))
        with _cgutils.for_range_slice(builder, low, high, INDEX(1), intp=INDEX, inc=True) as (t, _):
            moment = builder.fsub(of_rows, splat(builder, builder.load(builder.gep(first, [t]))))
            before = splat(builder, builder.load(builder.gep(value, [t])))
            divisors = _load(builder, inverse, builder.sub(row, t))
            total = _less_square(builder, before, moment, divisors)
            least, start, now = (builder.load(slot) for slot in slots)
            better = builder.fcmp_ordered("<", total, least)
            builder.store(builder.select(better, total, least), best)
            builder.store(builder.select(better, now, start), chosen)
            builder.store(builder.fadd(now, constant(1.0)), here)
        with_multiplier = builder.fadd(builder.load(best), splat(builder, args[6]))
        builder.store(with_multiplier, vector_at(builder, value, row), align=8)
        starts = builder.fptosi(builder.load(chosen), _SHORT)
        builder.store(starts, vector_at(builder, parent, row, _SHORT), align=4)
        return context.get_dummy_value()

    return _types.void(_REALS, _REALS, _REALS, _WHOLE, _WHOLE, _WHOLE, _types.float64, _SHORTS), generate


def _starts_near(
    typing_context: Any,
    value: Any,
    first: Any,
    backward: Any,
    low: Any,
    high: Any,
    row: Any,
    tolerance: Any,
    out: Any,
) -> Any:
    """The best starts of one row, by lane: the starts low + lane + 8 i below ``high``, and up to 7 beyond.

    ``backward[m - n]`` is 1 / n for n > 0, and the array has m + 9 elements. ``value`` is inf from the
    last start on. Fills three rows of ``out``, shape ``[3, 8]``: the least U - multiplier; a start not
    after any whose total is within ``tolerance`` of it; a start not before any such.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, first = (array_data(context, builder, signature, args, position).data for position in (0, 1))
        table = array_data(context, builder, signature, args, 2)
        out = array_data(context, builder, signature, args, 7).data
        low, high, row, tolerance = args[3:7]
        size = _cgutils.unpack_tuple(builder, table.shape, 1)[0]
        shift = builder.sub(builder.sub(size, INDEX(LANES + 1)), row)
        of_row = splat(builder, builder.load(builder.gep(first, [row])))
        margin = splat(builder, tolerance)
        begin = _counter(builder, low)
        slots = slots_of(builder, (constant(np.inf), begin, begin, begin))
        with _cgutils.for_range_slice(builder, low, high, INDEX(LANES), intp=INDEX, inc=True) as (t, _):
            moment = builder.fsub(of_row, _load(builder, first, t))
            divisors = _load(builder, table.data, builder.add(t, shift))
            total = _less_square(builder, _load(builder, value, t), moment, divisors)
            least, left, right, now = (builder.load(slot) for slot in slots)
            best = builder.select(builder.fcmp_ordered("<", total, least), total, least)
            far_better = builder.fcmp_ordered("<", builder.fadd(total, margin), least)
            near = builder.fcmp_ordered("<=", total, builder.fadd(best, margin))
            builder.store(best, slots[0])
            builder.store(builder.select(far_better, now, left), slots[1])
            builder.store(builder.select(near, now, right), slots[2])
            builder.store(builder.fadd(now, constant(float(LANES))), slots[3])
        for line, slot in enumerate(slots[:3]):
            builder.store(builder.load(slot), vector_at(builder, out, INDEX(LANES * line)), align=8)
        return context.get_dummy_value()

    kinds = (_REALS, _REALS, _REALS, _WHOLE, _WHOLE, _WHOLE, _types.float64, _TABLE)
    return _types.void(*kinds), generate


best_starts_of_points: Callable[..., None] = cast(Any, intrinsic)(_best_starts)
starts_near_the_best: Callable[..., None] = cast(Any, intrinsic)(_starts_near)
