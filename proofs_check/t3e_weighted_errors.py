"""T3e: weighted squared errors, and the weight of a product of two correlated Gaussian numbers."""

import math
from functools import cache

import mpmath as mp
import sympy as sp
from flint import arb

from fmq_theory.bounds import product_peaks, product_weight, weighted_constants
from fmq_theory.certify.enclosure import Enclosure, precision
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

R, K, X, U, ALPHA, MEAN, TOTAL = sp.symbols("R K x u alpha M C_w", positive=True)
Z = sp.Symbol("z", real=True)
S = sp.Symbol("s", positive=True)  # rho^2
_MEAN, _MOMENT, _GAUSSIAN = "mean weight", "moment", "Gaussian pair"


def _derive(d: Derivation, claim: Claim) -> None:
    _tilted_law(d, claim)
    _other_codebooks(d, claim)
    _second_moment(d, claim)
    _peaks(d, claim)


def _three_values() -> tuple[list[tuple[sp.Expr, sp.Expr, sp.Expr]], sp.Expr]:
    """(length, f, w) of a law and a weight with three values, and E w: simple functions are dense."""
    triples = [sp.symbols(f"l_{i} f_{i} w_{i}", positive=True) for i in (1, 2, 3)]
    return triples, sum(length * f * w for length, f, w in triples)


def _tilted_law(d: Derivation, claim: Claim) -> None:
    triples, mean = _three_values()
    third = sp.Rational(1, 3)
    of_tilted = sum(length * (w * f / mean) ** third for length, f, w in triples) ** 3
    whole = sum(length * (w * f) ** claim["power"] for length, f, w in triples) ** 3
    d.argue(
        "a weighted error is that of the tilted law",
        "Let Y have the density w f/M, M = E w(X). Then E w(X) (X - Q(X))^2 = M E (Y - Q(Y))^2 for every Q, "
        "so both have the same best codebooks, and T3 and T2a hold for Y.",
        uses=(_MEAN,),
    )
    d.identity(
        "M times the constant of the tilted law",
        mean * of_tilted,
        whole,
        uses=("a weighted error is that of the tilted law",),
    )
    d.conclude(
        "K^2 times the least weighted error tends to C_w = (1/12) (integral of (w f)^(1/3))^3",
        uses=("M times the constant of the tilted law", _MOMENT),
    )
    step = 2 * R / (K - 1)
    cell = sp.integrate(Z**2, (Z, -step / 2, step / 2)) / step * MEAN
    ratio = sp.limit(TOTAL / K**2 / cell, K, sp.oo)
    d.identity(
        "ratio to uniform on [-R, R]",
        ratio,
        claim["ratio"],
        uses=("M times the constant of the tilted law",),
    )
    d.conclude(
        "the ratio to K levels from -R to R is 3 C_w/(M R^2)", uses=("ratio to uniform on [-R, R]", _MOMENT)
    )


def _other_codebooks(d: Derivation, claim: Claim) -> None:
    """Point density f^alpha/I: alpha = 1/3 without the weight, 1 for equal mass."""
    triples, _ = _three_values()
    norm = sum(length * f**ALPHA for length, f, _ in triples)
    error = sum(length * w * f / (f**ALPHA / norm) ** 2 for length, f, w in triples)
    claimed = norm**2 * sum(length * w * f ** claim["left"] for length, f, w in triples)
    d.identity("point density f^alpha under the weight", error, claimed)
    d.conclude(
        "a codebook of point density f^alpha has (1/12) (integral f^alpha)^2 integral w f^(1 - 2 alpha)",
        uses=("point density f^alpha under the weight", "a weighted error is that of the tilted law"),
    )


def _second_moment(d: Derivation, claim: Claim) -> None:
    """Y = rho X + sqrt(1 - rho^2) N, N independent and standard Gaussian."""
    rho = sp.sqrt(S)
    normal = sp.exp(-(Z**2) / 2) / sp.sqrt(2 * sp.pi)
    rest = sp.Symbol("sqrt(1 - rho^2)", positive=True)
    moment = sp.integrate(sp.expand((rho * U + rest * Z) ** 2) * normal, (Z, -sp.oo, sp.oo))
    d.identity("E(Y^2 | X = u)", sp.expand(moment).subs(rest**2, 1 - S), claim["weight"], uses=(_GAUSSIAN,))
    density = sp.exp(-(U**2) / 2)
    d.identity(
        "the point density's logarithm, up to a constant",
        sp.expand_log(sp.log((density * claim["weight"]) ** sp.Rational(1, 3)), force=True),
        -(U**2) / 6 + sp.log(claim["weight"]) / 3,
        uses=("E(Y^2 | X = u)", "M times the constant of the tilted law"),
    )
    d.conclude(
        "the point density is proportional to e^(-u^2/6) ((1 - rho^2) + rho^2 u^2)^(1/3)",
        uses=("the point density's logarithm, up to a constant",),
    )
    for square in (sp.Rational(1, 4), sp.Rational(16, 25)):
        third = sp.Integral(
            (claim["weight"].subs(S, square) * sp.exp(-(U**2) / 2)) ** sp.Rational(1, 3), (U, 0, sp.oo)
        )
        with mp.workdps(WORKING_DIGITS):
            weight = sp.lambdify(U, claim["weight"].subs(S, square), "mpmath")
            half = mp.quad(lambda u, w=weight: mp.cbrt(w(u)) * mp.exp(-u * u / 6), [0, 1, 2, 4, 8, 16, 32])
            value = (2 * half) ** 3 / (12 * mp.sqrt(2 * mp.pi))
        d.deliver(f"C_w at rho^2 = {square}", (2 * third) ** 3 / (12 * sp.sqrt(2 * sp.pi)), value)


def _peaks(d: Derivation, claim: Claim) -> None:
    logarithm = -(U**2) / 6 + sp.log(claim["weight"]) / 3
    slope = sp.simplify(sp.diff(logarithm, U) * 3 * claim["weight"] / U)
    d.identity(
        "the slope, but for a positive factor",
        slope,
        3 * S - 1 - S * U**2,
        uses=("the point density's logarithm, up to a constant",),
    )
    below, above = sp.Symbol("below", nonnegative=True), sp.Symbol("above", positive=True)
    first = sp.expand(3 * (claim["threshold"] - below) - 1)  # slope = first - rho^2 u^2
    d.decided(
        "up to the threshold it falls",
        first.is_nonpositive,
        f"3 rho^2 - 1 = {first} <= 0, and -rho^2 u^2 < 0",
        uses=("the slope, but for a positive factor",),
    )
    roots = sp.solve(slope, U)
    d.decided(
        "one stationary u > 0", len(roots) == 1, f"{roots}", uses=("the slope, but for a positive factor",)
    )
    d.identity("the peak", roots[0] ** 2, claim["peak"], uses=("one stationary u > 0",))
    beyond = sp.factor(claim["peak"].subs(S, claim["threshold"] + above))
    d.decided("beyond the threshold it exists", beyond.is_positive, f"u^2 = {beyond} > 0", uses=("the peak",))
    start = sp.expand(slope.subs(U, 0).subs(S, claim["threshold"] + above))
    d.decided(
        "the slope is first positive, then negative",
        start.is_positive and sp.diff(slope, U).is_negative,
        f"{start} > 0 at u = 0, and it decreases",
        uses=("the slope, but for a positive factor",),
    )
    d.conclude(
        "one peak, at 0, iff |rho| <= 1/sqrt 3",
        uses=("up to the threshold it falls", "beyond the threshold it exists"),
    )
    d.conclude(
        "beyond, two peaks at +-sqrt(3 - 1/rho^2)",
        uses=("the peak", "beyond the threshold it exists", "the slope is first positive, then negative"),
    )
    d.deliver("peak at rho = 4/5", sp.sqrt(claim["peak"].subs(S, sp.Rational(16, 25))))


def _mean_is_finite(rate: sp.Expr) -> bool:
    """f = e^-x, w = e^(rate x)."""
    return bool(sp.integrate(sp.exp((rate - 1) * X), (X, 0, sp.oo)).is_finite)


def _constant_is_finite(nu: int) -> bool:
    """f ~ x^-(nu + 1), w = x: is the integral of (w f)^(1/3) finite?"""
    return bool(sp.integrate(X ** sp.Rational(-nu, 3), (X, 1, sp.oo)).is_finite)


def _weight_of_uncorrelated(other: sp.Expr) -> bool:
    """Y a function of an independent N(0, 1) and of X = u, uncorrelated with X: is E(Y^2 | X = u) = 1?"""
    normal = sp.exp(-(Z**2) / 2) / sp.sqrt(2 * sp.pi)
    return sp.simplify(sp.integrate(sp.expand(other**2) * normal, (Z, -sp.oo, sp.oo)) - 1) == 0


@cache
def _product_constant(square: str) -> Enclosure:
    """integral of (a + b u^2)^(1/3) e^(-u^2/6) = a^(5/6) b^(-1/2) sqrt(pi) U(1/2, 11/6, a/(6b))."""
    with precision(240):
        b = arb(sp.Rational(square).p) / sp.Rational(square).q
        a = 1 - b
        third = arb(1) / 3
        whole = a ** (third + arb(1) / 2) / b.sqrt() * arb.pi().sqrt()
        whole *= (a / (6 * b)).hypgeom_u(arb(1) / 2, arb(11) / 6)
        return Enclosure.of(whole**3 / (12 * (2 * arb.pi()).sqrt()))


def _float(square: str) -> float:
    weight = product_weight(math.sqrt(sp.Rational(square)))
    return weighted_constants(make("gaussian"), weight).optimum


def _peak() -> Enclosure:
    with precision(200):
        return Enclosure.of((arb(23) / 16).sqrt())


LEMMA = Lemma(
    id="T3e",
    title="weighted errors: point density (w f)^(1/3); products of Gaussian numbers",
    statement=(
        "Let w >= 0, M = E w(X). K^2 times the least weighted error tends to C_w = (1/12) (integral of (w "
        "f)^(1/3))^3, the point density being proportional to (w f)^(1/3); the ratio to K levels from -R "
        "to R is 3 C_w/(M R^2), and a codebook of point density f^alpha has (1/12) (integral f^alpha)^2 "
        "integral w f^(1 - 2 alpha): alpha = 1/3 is the optimum without the weight, alpha = 1 equal mass. "
        "For a standard Gaussian pair (X, Y) of correlation rho and w(u) = E(Y^2 | X = u), the point density "
        "is proportional to e^(-u^2/6) ((1 - rho^2) + rho^2 u^2)^(1/3): one peak, at 0, iff |rho| <= 1/sqrt "
        "3; beyond, two peaks at +-sqrt(3 - 1/rho^2)."
    ),
    assumptions=(
        Assumption(
            _MEAN,
            "0 < E w(X) < oo",
            Counterexample(
                "f = e^-x, w = e^x: the tilted law does not exist",
                _mean_is_finite,
                holds=sp.Rational(99, 100),
                broken=sp.Integer(1),
            ),
        ),
        Assumption(
            _MOMENT,
            "E w(X) |X|^(2 + delta) is finite for some delta > 0",
            Counterexample(
                "f ~ x^-4 and w = x: the tilted law has index 2", _constant_is_finite, holds=4, broken=3
            ),
        ),
        Assumption(
            _GAUSSIAN,
            "the pair is Gaussian, in the second part: uncorrelated is not enough",
            Counterexample(
                "Y = (X^2 - 1)/sqrt 2, which is uncorrelated with X",
                _weight_of_uncorrelated,
                holds=Z,
                broken=(U**2 - 1) / sp.sqrt(2),
            ),
        ),
    ),
    claim={
        "power": sp.Rational(1, 3),
        "ratio": 3 * TOTAL / (MEAN * R**2),
        "left": 1 - 2 * ALPHA,
        "weight": 1 - S + S * U**2,
        "peak": 3 - 1 / S,
        "threshold": sp.Rational(1, 3),
    },
    derive=_derive,
    mutants=(
        Mutant("(w f)^(1/2)", {"power": sp.Rational(1, 2)}, "M times the constant of the tilted law"),
        Mutant("the mean weight is left out", {"ratio": 3 * TOTAL / R**2}, "ratio to uniform on [-R, R]"),
        Mutant("f^(1 - alpha)", {"left": 1 - ALPHA}, "point density f^alpha under the weight"),
        Mutant("the weight without 1 - rho^2", {"weight": S * U**2}, "E(Y^2 | X = u)"),
        Mutant("peaks at +-sqrt(2 - 1/rho^2)", {"peak": 2 - 1 / S}, "the peak"),
        Mutant(
            "the threshold is 0.34, not 1/3",
            {"threshold": sp.Rational(34, 100)},
            "up to the threshold it falls",
        ),
        Mutant(
            "the threshold is 0.33, not 1/3",
            {"threshold": sp.Rational(33, 100)},
            "beyond the threshold it exists",
        ),
    ),
    reference="Ang, Kim and Pilanci 2026 (arXiv:2603.19559), abstract, for the product; Bennett 1948",
    constants={
        "C_w at rho^2 = 1/4": Certificate(
            lambda: _product_constant("1/4"), lambda: _float("1/4"), float_digits=11
        ),
        "C_w at rho^2 = 16/25": Certificate(
            lambda: _product_constant("16/25"), lambda: _float("16/25"), float_digits=11
        ),
        "peak at rho = 4/5": Certificate(_peak, lambda: product_peaks(0.8)[1]),
    },
    document="theory/t3-companding.md",
)
