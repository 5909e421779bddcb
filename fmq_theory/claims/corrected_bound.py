"""C21 to C24: at which laws and sizes C_PD/K^2 bounds the optimum, and what bounds it elsewhere."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from fmq_theory.bounds import panter_dite_constant, sample_size_at_rho_w2
from fmq_theory.certify import Enclosure
from fmq_theory.claims.bound_cases import (
    CLASS,
    NARROW_PEAK,
    NARROW_PEAK_BITS,
    bound_cases,
    constant_over_square,
    least_error,
    pierce,
)
from fmq_theory.claims.claim import Claim, Inputs, NegativeControl, Values
from fmq_theory.claims.mutations import plus
from fmq_theory.claims.relations import AT_MOST, EQUAL, INSIDE, band
from fmq_theory.metrics import exact_estimate
from fmq_theory.metrics.range_quadrature import range_nodes
from fmq_theory.sources import SymmetricSource, make

__all__ = ["CLAIMS"]

_Case = tuple[str, str, int]


def _values(cases: Sequence[_Case], value: Callable[[str, int], Enclosure]) -> Callable[[Inputs], Values]:
    return lambda _inputs: {case: value(name, bits) for case, name, bits in cases}


_IN_CLASS = [case for case in bound_cases(outside=False) if case[1] in CLASS]
_PEAK = [(f"{NARROW_PEAK}, b = {bits}", NARROW_PEAK, bits) for bits in NARROW_PEAK_BITS]
_EVERYWHERE = bound_cases()


def _above_the_constant(name: str, bits: int) -> Enclosure:
    bound = constant_over_square(name, bits)
    return Enclosure(bound.upper, bound.upper * (1 + Fraction(5, 4**bits)))


def _below_the_constant(name: str, bits: int) -> Enclosure:
    bound = constant_over_square(name, bits)
    return Enclosure(bound.lower * (1 - Fraction(5, 4**bits)), bound.upper)


_SIZES: dict[str, SymmetricSource] = {
    "gaussian": make("gaussian"),
    "laplace": make("laplace"),
    "student-t(4)": make("student-t", df=4.0),
}


def _predicted_sizes(_inputs: Inputs) -> Values:
    sizes = {name: math.ceil(sample_size_at_rho_w2(law, 1.0)) for name, law in _SIZES.items()}
    return {name: band(size, size) for name, size in sizes.items()}


def _measured_size(law: SymmetricSource) -> int:
    """The smallest n at which 3 C_PD < E R^2, by the other quadrature of the range."""
    constant = 3.0 * panter_dite_constant(law)

    def reached(size: int) -> bool:
        nodes = range_nodes(law, 2, size)
        return float((nodes.weight * (0.5 * (nodes.high - nodes.low)) ** 2).sum()) > constant

    low, high = 2, 4
    while not reached(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _measured_sizes(_inputs: Inputs) -> Values:
    return {name: exact_estimate(float(_measured_size(law))) for name, law in _SIZES.items()}


CLAIMS = (
    Claim(
        "C21",
        "for every density with f^(-1/3) convex on one interval (every log-concave one; Student-t from nu = "
        "2 on) and every K >= 1 the W2 optimum has D_LM <= C_PD/K^2: theorem T3b; checked on six laws of "
        "this class",
        f"{', '.join(CLASS)}, b = 1..8",
        "C_PD 2^(-2b) =",
        "D_LM =",
        _values(_IN_CLASS, constant_over_square),
        _values(_IN_CLASS, least_error),
        AT_MOST,
        None,
        "equality for the uniform law alone; student-t(4) is not log-concave: there the optimum is enclosed "
        "from Shannon's bound up to the distortion of a proven codebook, which is all an upper bound needs",
    ),
    Claim(
        "C22",
        "C_PD is the limit of K^2 D_LM also where it is no bound (Bucklew and Wise, if E|X|^(2+d) is finite "
        "for some d > 0): on a flat law with a narrow peak, outside the class of C21, C_PD < K^2 D_LM <= (1 "
        "+ 5/K^2) C_PD",
        f"{NARROW_PEAK}, K = 2 to 64 by powers of two",
        "range",
        "D_LM",
        _values(_PEAK, _above_the_constant),
        _values(_PEAK, least_error),
        INSIDE,
        NegativeControl(
            "(1 - 5/K^2) C_PD to C_PD, as if the constant were a bound",
            "one level stays at the peak, so the two sides share an odd number of levels",
            _values(_PEAK, _below_the_constant),
            "b = 4",
        ),
        "the limit itself is the cited theorem; no number of K proves a limit. On log-concave laws C1 has "
        "the approach from below",
    ),
    Claim(
        "C23",
        "for every law with E|X|^3 finite and every K >= 1 D_LM <= 108 (E|X|^3)^(2/3) min(1/K^2, 1/(3 (K - "
        "1)^2)): theorem T3c of Pierce's type at d = 1; checked on nine laws, two of which exceed C_PD/K^2",
        "the seven laws, b = 1..8; three blocks, b = 1; a narrow peak, b = 1..6",
        "bound",
        "D_LM",
        _values(_EVERYWHERE, pierce),
        _values(_EVERYWHERE, least_error),
        AT_MOST,
        None,
        "a theorem whose constant is generous; other moments give other constants, and "
        "bounds.pierce_upper_bound takes the best of some",
    ),
    Claim(
        "C24",
        "the W2 optimum's constant is below uniform's, 3 C_PD < E R^2 with R the half-range of n weights, "
        "from this n on: 270 (Gaussian), 187 (Laplace), 438 (Student-t, nu = 4)",
        "n weights of the law, min-max uniform; E R^2 grows with n",
        "n =",
        "smallest n with 3 C_PD < E R² =",
        _predicted_sizes,
        _measured_sizes,
        EQUAL,
        None,
        "shorter channels are outside of Theorem 6's comparison. Both sides are floats, by two quadratures "
        "that share no code",
        near=plus(1, "weights"),
    ),
)
