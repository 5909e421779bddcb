"""Numbers side by side: how many, and the vector instructions of intrinsics in LLVM's own terms."""

from typing import Any, cast

from llvmlite import ir  # pyright: ignore[reportMissingTypeStubs]
from numba.core import cgutils  # pyright: ignore[reportMissingTypeStubs]

__all__ = ["INDEX", "LANES", "REAL", "VECTOR", "array_data", "constant", "slots_of", "splat", "vector_at"]

# float64 numbers side by side that do not wait for one another. It is part of the results: sums are added
# lane by lane.
LANES = 8

_ir = cast(Any, ir)

REAL = _ir.DoubleType()
INDEX = _ir.IntType(64)
VECTOR = _ir.VectorType(REAL, LANES)


def constant(value: float) -> Any:
    """The number in every lane."""
    return _ir.Constant(VECTOR, [value] * LANES)


def splat(builder: Any, scalar: Any) -> Any:
    """The scalar in every lane."""
    nothing = _ir.Constant(VECTOR, _ir.Undefined)
    one = builder.insert_element(nothing, scalar, _ir.Constant(_ir.IntType(32), 0))
    zeros = _ir.Constant(_ir.VectorType(_ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, nothing, zeros)


def array_data(context: Any, builder: Any, signature: Any, args: Any, position: int) -> Any:
    """The array that is the argument at ``position``."""
    return context.make_array(signature.args[position])(context, builder, args[position])


def vector_at(builder: Any, pointer: Any, index: Any, kind: Any = VECTOR) -> Any:
    """A pointer to the vector that begins at an element."""
    return builder.bitcast(builder.gep(pointer, [index]), kind.as_pointer())


def slots_of(builder: Any, starts: Any) -> list[Any]:
    """Vector variables with these first values; LLVM keeps them in registers."""
    slots = [cast(Any, cgutils).alloca_once(builder, VECTOR) for _ in starts]
    for slot, start in zip(slots, starts, strict=True):
        builder.store(start, slot)
    return slots
