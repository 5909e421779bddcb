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

__all__ = ["FEW_STARTS", "best_few_starts_of_points", "best_starts_of_points", "starts_near_the_best"]

_ir = cast(Any, ir)
_types = cast(Any, types)
_cgutils = cast(Any, cgutils)

# Starts that are looked at in a row, without a loop: the best ones of eight successive rows are about eight.
FEW_STARTS = 12

_SHORT = _ir.VectorType(_ir.IntType(32), LANES)

_REALS = _types.Array(_types.float64, 1, "C")
_SHORTS = _types.Array(_types.int32, 1, "C")
_WHOLE = _types.int64


def _load(builder: Any, pointer: Any, index: Any) -> Any:
    return builder.load(vector_at(builder, pointer, index), align=8)


def _counter(builder: Any, begin: Any) -> Any:
    """Eight successive numbers from an integer on, as reals."""
    steps = _ir.Constant(VECTOR, [float(lane) for lane in range(LANES)])
    return builder.fadd(splat(builder, builder.sitofp(begin, REAL)), steps)


def _less_square(builder: Any, before: Any, moment: Any, inverse: Any) -> Any:
    kind = _ir.FunctionType(VECTOR, [VECTOR] * 3)
    fused = _cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f64")
    return builder.call(fused, (builder.fneg(builder.fmul(moment, moment)), inverse, before))


def _total_of_rows(
    builder: Any, value: Any, first: Any, inverse: Any, of_rows: Any, row: Any, start: Any
) -> Any:
    """U - multiplier of eight successive rows from one start."""
    moment = builder.fsub(of_rows, splat(builder, builder.load(builder.gep(first, [start]))))
    before = splat(builder, builder.load(builder.gep(value, [start])))
    return _less_square(builder, before, moment, _load(builder, inverse, builder.sub(row, start)))


def _keep_best_starts(builder: Any, args: Any, data: Any, best: Any, chosen: Any) -> None:
    """Writes what ``best_starts_of_points`` finds."""
    value, parent = data
    row, multiplier = args[5], args[6]
    with_multiplier = builder.fadd(best, splat(builder, multiplier))
    builder.store(with_multiplier, vector_at(builder, value, row), align=8)
    starts = builder.fptosi(chosen, _SHORT)
    builder.store(starts, vector_at(builder, parent, row, _SHORT), align=4)


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
            total = _total_of_rows(builder, value, first, inverse, of_rows, row, t)
            least, start, now = (builder.load(slot) for slot in slots)
            better = builder.fcmp_ordered("<", total, least)
            builder.store(builder.select(better, total, least), best)
            builder.store(builder.select(better, now, start), chosen)
            builder.store(builder.fadd(now, constant(1.0)), here)
        _keep_best_starts(builder, args, (value, parent), builder.load(best), builder.load(chosen))
        return context.get_dummy_value()

    return _types.void(_REALS, _REALS, _REALS, _WHOLE, _WHOLE, _WHOLE, _types.float64, _SHORTS), generate


def _best_few_starts(
    typing_context: Any,
    value: Any,
    first: Any,
    inverse: Any,
    low: Any,
    row: Any,
    multiplier: Any,
    parent: Any,
) -> Any:
    """``best_starts_of_points`` over ``FEW_STARTS`` starts from ``low`` on, all of them before the row."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = [array_data(context, builder, signature, args, position).data for position in (0, 1, 2, 6)]
        value, first, inverse, parent = data
        low, row = args[3:5]
        of_rows = _load(builder, first, row)
        best, chosen = constant(np.inf), constant(0.0)
        for step in range(FEW_STARTS):
            t = builder.add(low, INDEX(step))
            total = _total_of_rows(builder, value, first, inverse, of_rows, row, t)
            better = builder.fcmp_ordered("<", total, best)
            best = builder.select(better, total, best)
            chosen = builder.select(better, constant(float(step)), chosen)
        chosen = builder.fadd(chosen, splat(builder, builder.sitofp(low, REAL)))
        _keep_best_starts(builder, (*args[:4], None, *args[4:]), (value, parent), best, chosen)
        return context.get_dummy_value()

    return _types.void(_REALS, _REALS, _REALS, _WHOLE, _WHOLE, _types.float64, _SHORTS), generate


def _least(builder: Any, vector: Any, sign: str) -> Any:
    """The least ("<") or greatest (">") of the lanes, in all lanes."""
    nothing = _ir.Constant(VECTOR, _ir.Undefined)
    apart = LANES // 2
    while apart > 0:
        order = [lane ^ apart for lane in range(LANES)]
        other = builder.shuffle_vector(
            vector, nothing, _ir.Constant(_ir.VectorType(_ir.IntType(32), LANES), order)
        )
        vector = builder.select(builder.fcmp_ordered(sign, vector, other), vector, other)
        apart //= 2
    return vector


def _starts_near(
    typing_context: Any,
    value: Any,
    first: Any,
    backward: Any,
    low: Any,
    high: Any,
    row: Any,
    tolerance: Any,
) -> Any:
    """Of one row over the starts low <= t < high: the least U - multiplier, and bounds of the starts near it.

    ``backward[m - n]`` is 1 / n for n > 0, and the array has m + 9 elements. ``value`` is inf from the
    last start on: up to seven beyond are looked at. The bounds: a start not after any whose total is within
    ``tolerance`` of the least, and one not before any such, though below ``high`` + 7.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, first = (array_data(context, builder, signature, args, position).data for position in (0, 1))
        table = array_data(context, builder, signature, args, 2)
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
        by_lane, left, right = (builder.load(slot) for slot in slots[:3])
        best = _least(builder, by_lane, "<")
        near = builder.fcmp_ordered("<=", by_lane, builder.fadd(best, margin))
        left = _least(builder, builder.select(near, left, constant(np.inf)), "<")
        right = _least(builder, builder.select(near, right, constant(-np.inf)), ">")
        zero = _ir.Constant(_ir.IntType(32), 0)
        best, left, right = (builder.extract_element(vector, zero) for vector in (best, left, right))
        found = best, builder.fptosi(left, INDEX), builder.fptosi(right, INDEX)
        return context.make_tuple(builder, signature.return_type, found)

    kinds = (_REALS, _REALS, _REALS, _WHOLE, _WHOLE, _WHOLE, _types.float64)
    return _types.Tuple((_types.float64, _WHOLE, _WHOLE))(*kinds), generate


best_starts_of_points: Callable[..., None] = cast(Any, intrinsic)(_best_starts)
best_few_starts_of_points: Callable[..., None] = cast(Any, intrinsic)(_best_few_starts)
starts_near_the_best: Callable[..., tuple[float, int, int]] = cast(Any, intrinsic)(_starts_near)
