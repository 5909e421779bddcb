"""T3c: a bound of order K^-2 with explicit constants for every law with a moment above the second."""

import sympy as sp

from proofs_check.assumption import Assumption
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

X, U = sp.symbols("x u", nonnegative=True)
DELTA, SCALE, NORM, K = sp.symbols("delta s m K", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    profile = (1 + X / SCALE) ** -(1 + DELTA / 2)
    primitive = -2 * SCALE / DELTA * (1 + X / SCALE) ** (-DELTA / 2)
    d.identity("primitive of the profile", sp.diff(primitive, X), profile)
    edge = sp.limit((1 + X) ** (-claim["delta"] / 2), X, sp.oo)
    d.decided(
        "it vanishes at infinity",
        bool(edge == 0),
        "(1 + x)^(-delta/2) -> 0 for delta > 0",
        uses=("moment",),
    )
    total = 2 * primitive.subs(X, 0) * (edge - 1)  # both sides of the centre
    d.identity(
        "integral of the profile",
        total,
        4 * SCALE / DELTA,
        uses=("primitive of the profile", "it vanishes at infinity"),
    )
    d.argue(
        "each level at the inner edge of its cell",
        "lambda = profile/total decreases away from the centre. Cut the line where its integral is a "
        "multiple of 1/K and put each level at the point of its closed cell that is nearest to the centre. "
        "Between the level Q and x lambda is at least lambda(x), and its integral at most 1/K: |x - Q| <= "
        "1/(K lambda(x)). So D <= E lambda(X)^-2/K^2, and lambda(X)^-2 = total^2 (1 + |X|/s)^(2 + delta).",
        uses=("integral of the profile",),
    )
    d.argue(
        "Minkowski",
        "The (2 + delta)-norm of 1 + |X|/s is at most 1 + m/s, m that of |X|.",
        uses=(
            "moment",
            "each level at the inner edge of its cell",
        ),
    )
    bound = total**2 * (1 + NORM / SCALE) ** (2 + DELTA)
    logarithm = 2 * sp.log(total) + (2 + DELTA) * sp.log(1 + NORM / SCALE)
    slope = sp.simplify(sp.diff(logarithm, SCALE))
    best = sp.solve(sp.Eq(slope, 0), SCALE)
    d.decided("one stationary scale", bool(best == [DELTA * NORM / 2]), f"s = {best}", uses=("Minkowski",))
    left = sp.simplify(slope * SCALE * (SCALE + NORM))
    d.identity(
        "the slope changes from - to + there", left, 2 * SCALE - DELTA * NORM, uses=("one stationary scale",)
    )
    value = bound.subs(SCALE, best[0])
    d.identity(
        "the constant",
        value,
        claim["factor"] * NORM**2 * (1 + 2 / DELTA) ** (2 + DELTA),
        uses=("the slope changes from - to + there", "each level at the inner edge of its cell"),
    )
    mean = sp.integrate(U**2, (U, 0, 1))
    d.identity("mean of the square over one uniform shift", mean, 1 / claim["divisor"])
    d.argue(
        "one level more, a third of the bound",
        "Shift the cells on the right by u/k and those on the left by (1 - u)/k in the integral of "
        "lambda, u uniform on (0, 1), with a level at the centre. Then the integral of lambda from x "
        "inward to the next level is at most a uniform variable on [0, 1/k] for each x, so the mean over "
        "u of (x - Q)^2 is at most lambda(x)^-2/(3 k^2), and some u is no worse than the mean. Each half "
        "holds k/2 units: k levels and the centre, K = k + 1.",
        uses=(
            "each level at the inner edge of its cell",
            "mean of the square over one uniform shift",
        ),
    )
    d.conclude(
        "For every law and every K >= 1 D_LM(K) <= 4 m^2 (1 + 2/delta)^(2 + delta)/K^2",
        uses=("the constant",),
    )
    d.conclude(
        "for K >= 2 a third of it with K - 1 in place of K",
        uses=("the constant", "one level more, a third of the bound"),
    )


LEMMA = Lemma(
    id="T3c",
    title="a bound of order K^-2 for every law (Pierce), with its constant",
    statement=(
        "Let m be the (2 + delta)-norm of X - c, delta > 0, for any c. For every law and every K >= 1 "
        "D_LM(K) <= 4 m^2 (1 + 2/delta)^(2 + delta)/K^2, and for K >= 2 a third of it with K - 1 in place "
        "of K."
    ),
    assumptions=(
        Assumption(
            "moment",
            "E|X|^(2 + delta) is finite for some delta > 0",
            Mutant("delta = 0", {"delta": sp.Integer(0)}, "it vanishes at infinity"),
        ),
    ),
    claim={"factor": sp.Integer(4), "divisor": sp.Integer(3), "delta": DELTA},
    derive=_derive,
    mutants=(
        Mutant("2 in place of 4", {"factor": sp.Integer(2)}, "the constant"),
        Mutant(
            "a quarter in place of a third",
            {"divisor": sp.Integer(4)},
            "mean of the square over one uniform shift",
        ),
    ),
    reference="Pierce 1970; Graf & Luschgy 2000, lemma 6.6; the explicit constant is this toolkit's",
    document="theory/t3b-when-the-constant-is-a-bound.md",
)
