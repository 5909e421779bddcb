"""T5b: equal mass on the Gaussian law."""

from itertools import pairwise

import mpmath as mp
import sympy as sp

from fmq_theory.bounds.equal_mass_sums import S_INFINITY as S_INFINITY_FLOAT
from fmq_theory.certify.sums import exponential_sum_by_integral
from proofs_check.assumption import Assumption
from proofs_check.cells import S_INFINITY, TERM, J, exponential_sum_value, scaling
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

X, K, S_INF, SIGMA, R_UP, R_DOWN = sp.symbols("x K S_inf sigma r_+ r_-", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    density = sp.exp(-(X**2) / 2) / sp.sqrt(2 * sp.pi)
    _mills(d, claim, density)
    # r = f/F_bar, so (1/r)' = -1 - F_bar f'/f^2 = x F_bar/f - 1.
    survival, f = sp.Function("F_bar")(X), sp.Function("f")(X)
    mills = sp.Symbol("m", positive=True)
    slope = sp.diff(survival / f, X).subs({sp.diff(f, X): -X * f, sp.diff(survival, X): -f})
    d.identity("f' = -x f", sp.diff(density, X), -X * density)
    d.identity(
        "(1/r)' = x m - 1",
        sp.expand(slope.subs(survival, mills * f)),
        X * mills - 1,
        uses=("f' = -x f",),
    )
    for name, bound in (("lower", claim["lower"]), ("upper", claim["upper"])):
        squeezed = sp.limit((X * mills - 1).subs(mills, bound), X, sp.oo)
        d.identity(f"von Mises' condition, {name} bound", squeezed, sp.Integer(0))
        d.identity(f"r/x -> 1, {name} bound", sp.limit(1 / (bound * X), X, sp.oo), sp.Integer(1))
        exponent = sp.expand_log(-sp.log(bound * density), force=True) / X**2
        d.identity(
            f"-ln F_bar/x^2, {name} bound",
            sp.limit(exponent, X, sp.oo),
            1 / claim["square"],
            uses=("X is Gaussian",),
        )
    d.argue(
        "the quantile",
        "At the level 1 - 1/K: ln K = -ln F_bar(x), so x^2/ln K -> 2. The density is positive and "
        "continuous, so its reciprocal is integrable over bounded intervals: the assumptions of T5c hold, "
        "with r_+ = r_- ~ x by symmetry.",
        uses=(
            "von Mises' condition*",
            "(1/r)' = x m - 1",
            "-ln F_bar/x^2*",
            "Mills' ratio*",
            "lower bound*",
            "upper bound*",
        ),
    )
    law = S_INF / K * (1 / R_UP**2 + 1 / R_DOWN**2)  # T5c
    for hazard in (1 / claim["upper"], 1 / claim["lower"]):  # r lies between the two, ln K ~ x^2/2
        scaled = law.subs({R_UP: hazard, R_DOWN: hazard}) * K * (X**2 / claim["square"]) ** claim["log power"]
        d.identity(
            "limit for sigma = 1",
            sp.limit(scaled, X, sp.oo),
            claim["limit"],
            uses=("the quantile", "r/x -> 1*", "X is Gaussian"),
        )
    scaling(d)
    d.conclude("D_EM(K) K ln K -> sigma^2 S_inf", uses=("limit for sigma = 1", "location and scale"))
    d.deliver("limit of K ln K D_EM/sigma^2", S_INFINITY, exponential_sum_value())
    _check_far_out(d)
    _check_at_256(d)


def _mills(d: Derivation, claim: Claim, density: sp.Expr) -> None:
    """Mills' ratio m = F_bar/f: x/(1 + x^2) < m < 1/x, by differentiating bound * f."""
    for name, bound in (("lower", claim["lower"]), ("upper", claim["upper"])):
        # F_bar = integral of f, bound * f = integral of -(bound f)': compare the integrands.
        excess = sp.factor(sp.simplify(1 + sp.diff(bound * density, X) / density))
        sign = excess if name == "lower" else -excess
        d.decided(f"Mills' ratio, {name} bound", sign.is_positive, f"1 + (bound f)'/f = {excess}")
        d.identity(
            f"{name} bound times f vanishes far out", sp.limit(bound * density, X, sp.oo), sp.Integer(0)
        )


def _survival_root(level: mp.mpf) -> mp.mpf:
    """x with P(X > x) = level, 0 < level < 1/2."""
    start = mp.sqrt(-2 * mp.log(level) - mp.log(-4 * mp.pi * mp.log(level))) if level < 0.01 else mp.mpf(1)
    return mp.findroot(lambda x: mp.log(mp.erfc(x / mp.sqrt(2)) / 2) - mp.log(level), start)


def _check_far_out(d: Derivation) -> None:
    """The top cells at K = 10^1000, where 1/r^2 is about 1/4600."""
    with mp.workdps(WORKING_DIGITS + 10):
        num_levels, cells = mp.mpf(10) ** 1000, 12
        places = [_survival_root(j / num_levels) for j in range(1, cells + 1)]
        heights = [mp.npdf(x) for x in places]
        hazard = heights[0] * num_levels
        total = _variance(num_levels, mp.inf, mp.mpf(0), places[0], heights[0])
        for (x, f), (y, g) in pairwise(zip(places, heights, strict=True)):
            total += _variance(num_levels, x, f, y, g)
        limit = 1 + sum(sp.lambdify(J, TERM, "mpmath")(mp.mpf(j)) for j in range(1, cells))
    d.check("K = 10^1000: twelve cells against S_12/r^2", total, limit / hazard**2, within=2e-3)
    d.check("K = 10^1000: r^2 against 2 ln K", hazard**2, 2 * mp.log(num_levels), within=5e-3)


def _variance(num_levels: mp.mpf, upper: mp.mpf, at_upper: mp.mpf, lower: mp.mpf, at_lower: mp.mpf) -> mp.mpf:
    mean = num_levels * (at_lower - at_upper)
    edge = mp.mpf(0) if mp.isinf(upper) else upper * at_upper
    return 1 + num_levels * (lower * at_lower - edge) - mean**2


def _check_at_256(d: Derivation) -> None:
    with mp.workdps(WORKING_DIGITS):
        num_levels = 256
        places = [_survival_root(mp.mpf(j) / num_levels) for j in range(1, num_levels // 2)]
        heights = [mp.mpf(0), *(mp.npdf(x) for x in places), mp.npdf(0)]
        means = [num_levels * (b - a) for a, b in pairwise(heights)]
        distortion = 1 - 2 * sum(m**2 for m in means) / num_levels
        value = distortion * num_levels * mp.log(num_levels)
    d.check("K = 256: K ln K D_EM against S_inf", value, exponential_sum_value(), within=0.03)


LEMMA = Lemma(
    id="T5b",
    title="equal mass, Gaussian: K ln K D_EM -> sigma^2 S_inf",
    statement=(
        "For a Gaussian law of variance sigma^2, D_EM(K) K ln K -> sigma^2 S_inf, S_inf = 1 + sum over j >= "
        "1 of (1 - j (j + 1) ln(1 + 1/j)^2)."
    ),
    assumptions=(
        Assumption(
            "X is Gaussian",
            "X is Gaussian",
            Mutant("the Laplace law: -ln F_bar ~ x", {"square": sp.Integer(1)}, "-ln F_bar/x^2, lower bound"),
        ),
    ),
    claim={
        "lower": X / (1 + X**2),
        "upper": 1 / X,
        "square": sp.Integer(2),
        "log power": sp.Integer(1),
        "limit": S_INF,
    },
    derive=_derive,
    mutants=(
        Mutant("Mills' ratio above 1/x", {"lower": 1 / X}, "Mills' ratio, lower bound"),
        Mutant("x^2 ~ ln K", {"square": sp.Integer(1)}, "-ln F_bar/x^2, lower bound"),
        Mutant("K D_EM has a limit", {"log power": sp.Integer(0)}, "limit for sigma = 1"),
        Mutant("one tail only: S_inf/2", {"limit": S_INF / 2}, "limit for sigma = 1"),
    ),
    reference="T5c; theory of the toolkit, T5b",
    constants={
        "limit of K ln K D_EM/sigma^2": Certificate(
            lambda: exponential_sum_by_integral(digits=34), lambda: S_INFINITY_FLOAT
        )
    },
    document="theory/t5-equal-mass-rates.md",
)
