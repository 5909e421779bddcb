"""C21 to C26: where C_PD/K^2 bounds the optimum, what bounds it elsewhere, and how far below it is."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from fmq_theory.bounds import (
    exponential_half_widths,
    optimum_second_order,
    panter_dite_constant,
    sample_size_at_rho_w2,
)
from fmq_theory.certify import Enclosure
from fmq_theory.claims.engine.claim import Claim, Inputs, NegativeControl, Origin, Values
from fmq_theory.claims.engine.mutations import plus
from fmq_theory.claims.engine.relations import AT_MOST, EQUAL, INSIDE, band
from fmq_theory.claims.evidence.bound_cases import (
    CLASS,
    NARROW_PEAK,
    NARROW_PEAK_BITS,
    bound_cases,
    constant_over_square,
    least_error,
    pierce,
)
from fmq_theory.metrics import Estimate, exact_estimate
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


_UNBOUNDED: dict[str, SymmetricSource] = {
    "gaussian": make("gaussian"),
    "laplace": make("laplace"),
    "logistic": make("logistic"),
    "generalized-gaussian(3/2)": make("generalized-gaussian", beta=1.5),
}
_ENDS = [(f"{name}, b = {bits}", name, bits) for name in _UNBOUNDED for bits in range(3, 9)]


def _around(value: float, share: float) -> Estimate:
    return Estimate(value, value * (1.0 - share), value * (1.0 + share), 1, 1.0)


def _second_order(_inputs: Inputs) -> Values:
    found = {case: optimum_second_order(_UNBOUNDED[name], 2**b).value for case, name, b in _ENDS}
    return {case: _around(found[case], 0.08 / 2**bits) for case, _, bits in _ENDS}


def _first_order(_inputs: Inputs) -> Values:
    found = {case: panter_dite_constant(_UNBOUNDED[name]) / 4**bits for case, name, bits in _ENDS}
    return {case: _around(found[case], 0.08 / 2**bits) for case, _, bits in _ENDS}


def _half_widths(_inputs: Inputs) -> Values:
    widths = exponential_half_widths(2**7)
    return {f"laplace, b = {b}": _around(widths[(1 << (b - 1)) - 1] ** 2, 1e-12) for b in range(1, 9)}


CLAIMS = (
    Claim(
        id="C21",
        origin=Origin.OURS,
        title="where the constant is a bound",
        statement=(
            "for every density with f^(-1/3) convex on one interval (every log-concave one; Student-t from "
            "nu = 2 on) and every K >= 1 the W2 optimum has D_LM <= C_PD/K^2: theorem T3b; checked on six "
            "laws of this class"
        ),
        predicted="C_PD 2^(-2b) =",
        measured="D_LM =",
        predict=_values(_IN_CLASS, constant_over_square),
        measure=_values(_IN_CLASS, least_error),
        relation=AT_MOST,
        remark=(
            "equality for the uniform law alone; student-t(4) is not log-concave: there the optimum is "
            "enclosed from Shannon's bound up to the distortion of a proven codebook, which is all an upper "
            "bound needs"
        ),
    ),
    Claim(
        id="C22",
        origin=Origin.OURS,
        title="where it is a limit and no bound",
        statement=(
            "C_PD is the limit of K^2 D_LM also where it is no bound (Bucklew and Wise, if E|X|^(2+d) is "
            "finite for some d > 0): on a flat law with a narrow peak, outside the class of C21, C_PD < K^2 "
            "D_LM <= (1 + 5/K^2) C_PD at 1 to 6 bits"
        ),
        predicted="range",
        measured="D_LM",
        predict=_values(_PEAK, _above_the_constant),
        measure=_values(_PEAK, least_error),
        relation=INSIDE,
        negative_control=NegativeControl(
            "(1 - 5/K^2) C_PD to C_PD, as if the constant were a bound",
            "one level stays at the peak, so the two sides share an odd number of levels",
            _values(_PEAK, _below_the_constant),
            "b = 4",
        ),
        remark=(
            "the limit itself is the cited theorem; no number of K proves a limit. At odd K the sides share "
            "an even number of levels, and D_LM is below C_PD/K^2: at 3, 5, 7, 9 and 15 levels by 6 in a "
            "million; so it is at 800 and 1024, which see the width of the peak. On log-concave laws C1 has "
            "the approach from below"
        ),
    ),
    Claim(
        id="C23",
        origin=Origin.OURS,
        title="a bound for every law, of Pierce's type",
        statement=(
            "for every law with E|X|^3 finite and every K >= 1 D_LM <= 108 (E|X|^3)^(2/3) min(1/K^2, 1/(3 (K "
            "- 1)^2)): theorem T3c of Pierce's type at d = 1; checked on nine laws, two of which exceed "
            "C_PD/K^2"
        ),
        predicted="bound",
        measured="D_LM",
        predict=_values(_EVERYWHERE, pierce),
        measure=_values(_EVERYWHERE, least_error),
        relation=AT_MOST,
        remark=(
            "a theorem whose constant is generous; other moments give other constants, and "
            "bounds.pierce_upper_bound takes the best of some"
        ),
    ),
    Claim(
        id="C24",
        origin=Origin.OURS,
        title="the sizes from which the constant is smaller",
        statement=(
            "the W2 optimum's constant is below uniform's, 3 C_PD < E R^2 with R the half-range of n "
            "weights, from this n on: 270 (Gaussian), 187 (Laplace), 438 (Student-t, nu = 4)"
        ),
        domain="n weights of the law, min-max uniform; E R^2 grows with n",
        predicted="n =",
        measured="smallest n with 3 C_PD < E R² =",
        predict=_predicted_sizes,
        measure=_measured_sizes,
        relation=EQUAL,
        remark=(
            "shorter channels are outside of Theorem 6's comparison. Both sides are floats, by two "
            "quadratures that share no code"
        ),
        near=plus(1, "weights", whole=True),
    ),
    Claim(
        id="C25",
        origin=Origin.OURS,
        title="the second order of the W2 optimum",
        statement=(
            "the second order on four log-concave laws at 3 to 8 bits: with each unbounded end counted as "
            "kappa(q) further levels, q the local exponent of f^(1/3), D_LM is within 0.08/K, relatively, of "
            "C_PD/(K + sum of kappa)^2"
        ),
        predicted="range",
        measured="D_LM",
        predict=_second_order,
        measure=_values(_ENDS, least_error),
        relation=INSIDE,
        negative_control=NegativeControl(
            "C_PD/K^2, the first order, within 0.08/K relatively",
            "it is off by some 2/K",
            _first_order,
            "gaussian, b = 4",
        ),
        remark=(
            "kappa(1) = 0.5663 for an exponential tail, so c = 4 kappa = 2.265 in K^2 D_LM = C_PD (1 - c/K + "
            "...) for the Laplace and logistic laws, and in the limit for all light tails (the Gaussian "
            "comes there like 1/ln K); power tails have an order 1/K as well, c = 5.796 at nu = 4. Floats: "
            "supported"
        ),
    ),
    Claim(
        id="C26",
        origin=Origin.OURS,
        title="the optimum of the Laplace law in closed form",
        statement=(
            "the optimum of the unit Laplace law for K = 2 to 256, powers of two, is a^2, a the (K/2)-th "
            "half-width of the recursion a_1 = 1, a_(n+1) = w - a_n, w - 1 + w/(e^w - 1) = a_n"
        ),
        domain="to 12 digits",
        predicted="a²",
        measured="D_LM",
        predict=_half_widths,
        measure=lambda _inputs: {f"laplace, b = {b}": least_error("laplace", b) for b in range(1, 9)},
        relation=INSIDE,
        remark="Sullivan's recursion (1996) against the certified optimum. Floats: supported",
    ),
)
