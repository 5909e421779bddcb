"""T3b: D_LM(K) <= C_PD/K^2 at every K, where f^(-1/3) is convex."""

from fractions import Fraction

import sympy as sp

from fmq_theory.certify.blocks import Block, BlockLaw, SpikeLaw, three_blocks
from fmq_theory.certify.enclosure import Enclosure
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

X, Y = sp.symbols("x y", real=True)
S, W, C, I, K, ALPHA = sp.symbols("s w c I K alpha", positive=True)
A, B, MIDDLE, NU, M = sp.symbols("A B C nu M", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    _change_of_variable(d, claim)
    _variance_as_a_kernel(d, claim)
    _comparison(d)
    _exponential_case(d)
    cell = (I / K) ** 3 / claim["divisor"]
    count, k = sp.Symbol("N", integer=True, positive=True), sp.Symbol("k", integer=True)
    total = sp.summation(cell, (k, 1, count)).subs(count, K)
    d.identity("K cells of equal share", total, I**3 / 12 / K**2)
    d.argue(
        "the cells of a law of the class are in the class",
        "Convexity of f^(-1/3) on an interval passes to its parts. Cut where the integral of f^(1/3) "
        "reaches k I/K, k = 1 ... K - 1: continuous f > 0 has such points. The codebook of the K cell "
        "means has the distortion that is the sum of the cells' least errors, and D_LM(K) is no larger "
        "(T2a).",
        uses=(
            "interval",
            "convex",
            "the kernel is at most s w/I",
            "K cells of equal share",
        ),
    )
    _members(d, claim)


def _change_of_variable(d: Derivation, claim: Claim) -> None:
    """y = integral of g = f^(1/3) up to x; G(y) = g(x(y))."""
    g = sp.Function("g", positive=True)(X)
    power = claim["exponent"]
    f, stretch = sp.symbols("f x'", positive=True)
    stretched = sp.solve(sp.Eq(f**power * stretch, 1), stretch)[0]  # dy = f^(1/3) dx
    d.identity("the mass in terms of y: f dx = G^2 dy", f * stretched, (f ** sp.Rational(1, 3)) ** 2)
    slope = sp.diff(sp.log(g), X) / g  # d/dy = (1/g) d/dx
    d.identity("(ln G)' = -(1/g)'", slope, -sp.diff(1 / g, X))
    d.identity("(ln G)'' = -(1/g)''/g", sp.diff(slope, X) / g, -sp.diff(1 / g, X, 2) / g)
    d.argue(
        "ln G is concave in y",
        "1/g = f^(-1/3) is convex, so (1/g)' does not decrease in x, and y increases with x: the "
        "(one-sided) derivative of ln G does not increase. A finite convex function on an open interval "
        "is continuous, so f is, and y maps the interval onto (0, I) one to one.",
        uses=(
            "interval",
            "convex",
            "(ln G)' = -(1/g)'",
            "(ln G)'' = -(1/g)''/g",
        ),
    )


def _variance_as_a_kernel(d: Derivation, claim: Claim) -> None:
    d.argue(
        "Hoeffding's identity",
        "For x < x' of two independent draws from a cell of mass M, (x' - x)^2 is twice the integral over "
        "x < u < v < x' of du dv. By Tonelli the integral of (x - mean)^2 f over the cell is (2/M) times "
        "the double integral over u < v of (mass below u)(mass above v) du dv, finite or not; dx = dy/G "
        "turns it into (2/M) times that of A(s) B(t)/(G(s) G(t)) over 0 < s < t < I.",
        uses=(
            "interval",
            "the mass in terms of y: f dx = G^2 dy",
        ),
    )
    flat = 2 / I * sp.integrate(sp.integrate(S * (I - Y), (Y, S, I)), (S, 0, I))
    d.identity("the kernel s (I - t)/I integrates to the uniform cell", flat, I**3 / claim["divisor"])
    # The identity where both sides are elementary: G = e^(alpha y), I = 1.
    rate = sp.Integer(1)
    u, v = sp.symbols("u v", positive=True)
    place = -sp.exp(-rate * Y) / rate  # dx = dy/G
    mass = sp.integrate(sp.exp(2 * rate * Y), (Y, 0, 1))
    first = sp.integrate(place * sp.exp(2 * rate * Y), (Y, 0, 1))
    second = sp.integrate(place**2 * sp.exp(2 * rate * Y), (Y, 0, 1))
    below = sp.integrate(sp.exp(2 * rate * Y), (Y, 0, u))
    above = sp.integrate(sp.exp(2 * rate * Y), (Y, v, 1))
    inner = sp.integrate(sp.expand(above * sp.exp(-rate * v)), (v, u, 1))
    outer = sp.integrate(sp.expand(below * sp.exp(-rate * u) * inner), (u, 0, 1))
    d.example("both sides for G = e^y on (0, 1)", second - first**2 / mass, 2 * outer / mass)


def _comparison(d: Derivation) -> None:
    quotient = A * B / (A + MIDDLE + B)
    total = (A + MIDDLE + B) ** 2
    d.identity("it increases with the mass below", sp.diff(quotient, A), B * (MIDDLE + B) / total)
    d.identity("it decreases with the mass between", sp.diff(quotient, MIDDLE), -A * B / total)
    d.argue(
        "G may be replaced by a log-linear function",
        "Let L be the log-linear function with L = G at s and t. ln G is concave, so G <= L outside [s, "
        "t] and G >= L inside. With L in place of G the masses below s and above t do not decrease, the "
        "mass between does not increase, and G(s), G(t) stay: A B/((A + C + B) G(s) G(t)) does not "
        "decrease.",
        uses=(
            "ln G is concave in y",
            "it increases with the mass below",
            "it decreases with the mass between",
        ),
    )


def _exponential_case(d: Derivation) -> None:
    """L = e^(alpha y): s below, c between, w above; s + c + w = I."""
    whole = S + C + W
    below = sp.integrate(sp.exp(2 * ALPHA * Y), (Y, 0, S))
    above = sp.integrate(sp.exp(2 * ALPHA * Y), (Y, S + C, whole))
    mass = sp.integrate(sp.exp(2 * ALPHA * Y), (Y, 0, whole))
    left = below * above / (mass * sp.exp(ALPHA * S) * sp.exp(ALPHA * (S + C)))
    right = sp.sinh(ALPHA * S) * sp.sinh(ALPHA * W) / (ALPHA * sp.sinh(ALPHA * whole))
    d.identity("the quotient for L = e^(alpha y)", left.rewrite(sp.exp), right.rewrite(sp.exp))
    x = sp.Symbol("x", positive=True)
    d.identity("tanh x <= x, by its derivative", sp.diff(x - sp.tanh(x), x), sp.tanh(x) ** 2)
    a, b = sp.symbols("a b", positive=True)
    addition = sp.sinh(a) * sp.sinh(b) / (sp.sinh(a) * sp.cosh(b) + sp.cosh(a) * sp.sinh(b))
    reciprocal = 1 / (sp.coth(a) + sp.coth(b))
    d.identity(
        "sinh a sinh b/sinh(a + b) = 1/(coth a + coth b)",
        addition.rewrite(sp.exp),
        reciprocal.rewrite(sp.exp),
    )
    d.identity("a b/(a + b) = 1/(1/a + 1/b)", a * b / (a + b), 1 / (1 / a + 1 / b))
    d.identity(
        "sinh(x)/x increases, by x^2 times its derivative",
        sp.diff(x * sp.cosh(x) - sp.sinh(x), x),
        x * sp.sinh(x),
    )
    d.argue(
        "the kernel is at most s w/I",
        "coth x >= 1/x because tanh x <= x, so sinh a sinh b/sinh(a + b) <= a b/(a + b); with a = alpha "
        "s, b = alpha w and sinh(x)/x increasing from a + b to alpha I the quotient is at most s w/I, and "
        "less unless alpha = 0. So a cell's least error is at most I^3/12; equal only if G(s) = G(t) for "
        "almost all s, t: f constant.",
        uses=(
            "Hoeffding's identity",
            "G may be replaced by a log-linear function",
            "the quotient for L = e^(alpha y)",
            "tanh x <= x, by its derivative",
            "sinh a sinh b/sinh(a + b) = 1/(coth a + coth b)",
            "a b/(a + b) = 1/(1/a + 1/b)",
            "sinh(x)/x increases, by x^2 times its derivative",
            "the kernel s (I - t)/I integrates to the uniform cell",
        ),
    )


def _members(d: Derivation, claim: Claim) -> None:
    """Student-t belongs to the class from 2 degrees of freedom on; an example outside, exactly."""
    base = 1 + X**2 / NU
    power = (NU + 1) / 6
    curvature = sp.simplify(sp.diff(base**power, X, 2) / (2 * power / NU * base ** (power - 2)))
    d.identity("Student-t: sign of the curvature of f^(-1/3)", curvature, 1 + (NU - 2) / 3 * X**2 / NU)
    coefficient = sp.expand(curvature).coeff(X, 2)
    d.decided(
        "Student-t: convex from nu = 2 on",
        bool(sp.solve(sp.Eq(coefficient, 0), NU) == [claim["index"]]),
        f"the coefficient of x^2 is {coefficient}",
        uses=("Student-t: sign of the curvature of f^(-1/3)",),
    )
    d.conclude(
        "D_LM(K) <= C_PD/K^2 for every K >= 1", uses=("the cells of a law of the class are in the class",)
    )
    d.conclude("Student-t from 2 degrees of freedom on", uses=("Student-t: convex from nu = 2 on",))


def _keeps_to_the_constant(instance: tuple[BlockLaw, Enclosure]) -> bool | None:
    """Whether D_LM(2) <= C_PD/4, from an enclosure of the optimum; None where it is not decided."""
    law, optimum = instance
    bound = law.panter_dite_constant() / 4
    if optimum.lower > bound.upper:
        return False
    return True if optimum.upper <= bound.upper else None


_FLAT = BlockLaw((Block(Fraction(-1), Fraction(1), Fraction(1)),))
_PEAKED = SpikeLaw(Fraction(9, 10), Fraction(1, 10**9))


LEMMA = Lemma(
    id="T3b",
    title="the optimum is at most C_PD/K^2 where f^(-1/3) is convex",
    statement=(
        "Let f > 0 on an interval that carries the law, f^(-1/3) convex there (every log-concave density; "
        "Student-t from 2 degrees of freedom on). Then D_LM(K) <= C_PD/K^2 for every K >= 1, C_PD = "
        "(1/12) (integral of f^(1/3))^3, with equality, where C_PD is finite, only for the uniform law; the "
        "cells of equal integral of f^(1/3) with their means as levels keep to it already. If C_PD is "
        "finite, so is the variance."
    ),
    assumptions=(
        Assumption(
            "interval",
            "f > 0 on one interval that carries the law",
            Counterexample(
                "three narrow blocks at -1, 0 and 1 exceed the bound 89-fold",
                _keeps_to_the_constant,
                (_FLAT, _FLAT.optimum(2, buckets=20)),
                (three_blocks(), three_blocks().optimum(2, buckets=20)),
            ),
        ),
        Assumption(
            "convex",
            "f^(-1/3) is convex on it",
            Counterexample(
                "0.9 U[-s, s] + 0.1 U[-1, 1], s = 1e-9: symmetric, unimodal, on one interval",
                _keeps_to_the_constant,
                (_FLAT, _FLAT.optimum(2, buckets=20)),
                (_PEAKED.blocks(), _PEAKED.optimum(2)),
            ),
        ),
    ),
    claim={"divisor": sp.Integer(12), "exponent": sp.Rational(1, 3), "index": sp.Integer(2)},
    derive=_derive,
    mutants=(
        Mutant(
            "f^(-1/2) in place of f^(-1/3)",
            {"exponent": sp.Rational(1, 2)},
            "the mass in terms of y: f dx = G^2 dy",
        ),
        Mutant(
            "C_PD smaller by a thirteenth",
            {"divisor": sp.Integer(13)},
            "the kernel s (I - t)/I integrates to the uniform cell",
        ),
        Mutant("Student-t from 1.9 on", {"index": sp.Rational(19, 10)}, "Student-t: convex from nu = 2 on"),
    ),
    reference="this toolkit; the limit C_PD/K^2 is Panter & Dite's (1951), its proof Bucklew & Wise's (1982)",
    document="theory/t3b-when-the-constant-is-a-bound.md",
)
