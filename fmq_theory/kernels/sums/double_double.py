"""Double-double arithmetic: a number is the unevaluated sum hi + lo of two float64, about 32 digits.

Reference: Dekker 1971; Hida, Li, Bailey 2001, "Algorithms for quad-double precision arithmetic".
"""

from fmq_theory.kernels.runtime.jit import fused_multiply_add, kernel

__all__ = ["UNIT_ROUNDING", "dd_add", "dd_divide", "dd_multiply", "dd_subtract", "two_product", "two_sum"]

DoubleDouble = tuple[float, float]

# Of float64: half the distance from 1 to the next number.
UNIT_ROUNDING = 2.0**-53


@kernel
def two_sum(a: float, b: float) -> DoubleDouble:
    """a + b exactly, as rounded sum and error."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


@kernel
def two_product(a: float, b: float) -> DoubleDouble:
    """a * b exactly (up to underflow), as rounded product and error."""
    product = a * b
    return product, fused_multiply_add(a, b, -product)


@kernel
def dd_add(a_hi: float, a_lo: float, b_hi: float, b_lo: float) -> DoubleDouble:
    """a + b with relative error about 2**-104 of |a| + |b|."""
    high, error = two_sum(a_hi, b_hi)
    error += a_lo + b_lo
    total = high + error
    return total, error - (total - high)


@kernel
def dd_subtract(a_hi: float, a_lo: float, b_hi: float, b_lo: float) -> DoubleDouble:
    """a - b."""
    return dd_add(a_hi, a_lo, -b_hi, -b_lo)


@kernel
def dd_multiply(a_hi: float, a_lo: float, b_hi: float, b_lo: float) -> DoubleDouble:
    """a * b."""
    high, error = two_product(a_hi, b_hi)
    error += a_hi * b_lo + a_lo * b_hi
    total = high + error
    return total, error - (total - high)


@kernel
def dd_divide(a_hi: float, a_lo: float, b_hi: float, b_lo: float) -> DoubleDouble:
    """a / b for b > 0."""
    first = a_hi / b_hi
    product_hi, product_lo = dd_multiply(first, 0.0, b_hi, b_lo)
    rest_hi, _ = dd_subtract(a_hi, a_lo, product_hi, product_lo)
    second = rest_hi / b_hi
    total = first + second
    return total, second - (total - first)
