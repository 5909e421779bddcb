"""T2b: with equal masses the closest measure has the means of equal-mass cells; the paper's quantizer."""

from functools import cache

import mpmath as mp
import sympy as sp

from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.certify.families import law as certified_law
from fmq_theory.certify.stationary import stationary_codebook
from fmq_theory.certify.sums import exponential_partial_sum
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import get_scheme
from fmq_theory.sources import make
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.instances import finite_variance
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

K, T, X = sp.symbols("K t x", positive=True)
M, S, Y = sp.symbols("m s y", real=True)


def _derive(d: Derivation, claim: Claim) -> None:
    d.argue(
        "W2 by quantile functions",
        "By T1's argument the comonotone coupling (F^-1(U), G^-1(U)), U uniform on (0, 1), is optimal: "
        "W2^2(mu, nu) = integral over (0, 1) of (F^-1 - G^-1)^2. It holds for laws with atoms as well.",
        uses=("finite variance",),
    )
    d.argue(
        "one cell per atom",
        "For nu = (1/K) sum of point masses at y_1 <= .. <= y_K, G^-1 = y_k on ((k-1)/K, k/K]. So W2^2 is a "
        "sum over k of integrals of (F^-1 - y_k)^2 over intervals of length 1/K.",
        uses=("W2 by quantile functions",),
    )
    # Over the interval: integral of (F^-1)^2 = s, of F^-1 = m/K.
    error = S - 2 * Y * M / K + Y**2 / K
    best = sp.solve(sp.diff(error, Y), Y)
    d.decided("one stationary level", len(best) == 1, f"y = {best}")
    d.identity("level", best[0], claim["level"], uses=("one stationary level",))
    d.identity("what another level costs", error - error.subs(Y, M), (Y - M) ** 2 / K)
    d.identity("least error of a cell", error.subs(Y, best[0]), claim["cell"])
    d.argue(
        "the order of the levels is respected",
        "The minimum over each y_k alone is m_k, the mean of F^-1 over ((k-1)/K, k/K]. F^-1 is "
        "non-decreasing, so m_1 <= .. <= m_K: the constraint y_1 <= .. <= y_K does not bind, and the "
        "minimizer is unique. The integrals of (F^-1)^2 add up to E X^2: D_EM = E X^2 - (1/K) sum of m_k^2.",
        uses=("one cell per atom", "level", "what another level costs"),
    )
    d.conclude(
        "is D_EM(K) = E X^2 - (1/K) sum over k of m_k^2",
        uses=("the order of the levels is respected", "least error of a cell"),
    )
    d.conclude("the points m_k are the only minimizer", uses=("the order of the levels is respected",))
    _by_density(d, claim)
    d.argue(
        "D_LM <= D_EM",
        "Measures with K atoms of mass 1/K are measures with at most K atoms: T2b minimizes over a subset "
        "of T2a.",
    )
    d.conclude("D_LM(K) <= D_EM(K)", uses=("D_LM <= D_EM",))
    _equality(d, claim)
    _strict(d, claim)


def _by_density(d: Derivation, claim: Claim) -> None:
    """E (X - Q(X))^2 by integrals over cells of the x-axis, logistic law, K = 5: no quantile integral."""
    with mp.workdps(WORKING_DIGITS):

        def density(x: mp.mpf) -> mp.mpf:
            return mp.exp(-abs(x)) / (1 + mp.exp(-abs(x))) ** 2

        def ppf(u: mp.mpf) -> mp.mpf:
            return mp.log(u / (1 - u))

        direct = by_formula = mp.mpf(0)
        for k in range(5):
            ends = [ppf(mp.mpf(i) / 5) if 0 < i < 5 else mp.inf * (1 if i else -1) for i in (k, k + 1)]
            ends = [ends[0], mp.mpf(0), ends[1]] if ends[0] < 0 < ends[1] else ends
            level = 5 * mp.quad(lambda x: x * density(x), ends)
            direct += mp.quad(lambda x, c=level: (x - c) ** 2 * density(x), ends)
            second = mp.quad(lambda u: ppf(u) ** 2, [mp.mpf(k) / 5, mp.mpf(k + 1) / 5])
            mean = 5 * mp.quad(ppf, [mp.mpf(k) / 5, mp.mpf(k + 1) / 5])
            by_formula += sp.lambdify((S, M, K), claim["cell"], "mpmath")(second, mean, 5)
    d.check("logistic, K = 5: cells of x against cells of u", direct, by_formula, within=1e-25)


def _equality(d: Derivation, claim: Claim) -> None:
    """Uniform law on [-a, a]: both optima coincide, at every K."""
    a, u, k = sp.symbols("a u k", positive=True)
    quantile = a * (2 * u - 1)
    cell = (u, (k - 1) / K, k / K)
    mean = K * sp.integrate(quantile, cell)
    error = claim["cell"].subs({S: sp.integrate(quantile**2, cell), M: mean})
    d.identity("uniform: D_EM at every K", K * sp.simplify(error), a**2 / (3 * K**2))
    # Any cells of widths w_k that add up to 2a err by the sum of w_k^3/(24 a).
    wide, mean_width = sp.symbols("w h", positive=True)
    least = mean_width**3 + 3 * mean_width**2 * (wide - mean_width)  # the tangent of w^3 at h
    d.identity(
        "uniform: w^3 lies above its tangent",
        wide**3 - least,
        (wide - mean_width) ** 2 * (wide + 2 * mean_width),
    )
    d.argue(
        "uniform: equal widths are best",
        "With h = 2a/K the tangents add up to K h^3, so no K cells err by less than K h^3/(24 a) = a^2/(3 "
        "K^2).",
        uses=("uniform: w^3 lies above its tangent",),
    )
    d.conclude(
        "with equality for the uniform law",
        uses=("uniform: D_EM at every K", "uniform: equal widths are best"),
    )


def _strict(d: Derivation, claim: Claim) -> None:
    """Laplace, K = 4: the equal-mass codebook against one with another threshold, both exactly."""
    # Thresholds -t, 0, t, levels the means. Above t the law is a shifted exponential, of variance 1.
    weight = sp.exp(-X)
    mass, first, second = (sp.integrate(X**p * weight, (X, 0, T)) for p in range(3))
    beyond = sp.integrate(weight, (X, T, sp.oo))
    outer = sp.integrate((X - T - 1) ** 2 * weight, (X, T, sp.oo))
    error = sp.simplify(outer + second - first**2 / mass)
    d.identity("Laplace, K = 4, thresholds -t, 0, t", error, 1 - T**2 / (sp.exp(T) - 1))
    median = sp.solve(sp.Eq(beyond, sp.Rational(1, 2)), T)[0]  # half of the upper side: mass 1/4 each
    equal = sp.simplify(error.subs(T, median))
    d.identity(
        "Laplace, K = 4, equal mass",
        equal,
        claim["laplace equal mass"],
        uses=("Laplace, K = 4, thresholds -t, 0, t",),
    )
    # d error/dt = 0 is t = 2 (1 - e^-t), whose solutions are 0 and 2 + W(-2 e^-2).
    slope = sp.diff(T**2 / (sp.exp(T) - 1), T)
    stationary = 2 + sp.LambertW(-2 * sp.exp(-2))
    w = sp.Symbol("w", negative=True)  # W(-2 e^-2): w e^w = -2 e^-2, so e^w = -2 e^-2 / w
    on_curve = sp.expand(slope.subs(T, 2 + w)).subs(sp.exp(w), -2 * sp.exp(-2) / w)
    on_curve = on_curve.subs(sp.exp(2 * w), 4 * sp.exp(-4) / w**2)
    d.identity("the better threshold is stationary", sp.simplify(on_curve), sp.Integer(0))
    better = (1 - T**2 / (sp.exp(T) - 1)).subs(T, 2 + w)
    better = sp.simplify(sp.expand(better).subs(sp.exp(w), -2 * sp.exp(-2) / w))
    better = better.subs(w, stationary - 2)
    d.identity(
        "Laplace, K = 4, the better threshold",
        better,
        claim["laplace better"],
        uses=("Laplace, K = 4, thresholds -t, 0, t", "the better threshold is stationary"),
    )
    d.decided(
        "equal mass is strictly worse",
        sp.sign(sp.N(equal - better, 30)) == claim["sign"],
        f"{sp.N(equal, 8)} against {sp.N(better, 8)}",
        uses=("Laplace, K = 4, equal mass", "Laplace, K = 4, the better threshold"),
    )
    d.conclude(
        "strict inequality for the unit Laplace law at K = 4: D_EM = 1 - ln(2)^2",
        uses=("equal mass is strictly worse",),
    )
    d.deliver("D_EM(4) laplace", claim["laplace equal mass"])
    d.deliver("D_LM(4) laplace", claim["laplace better"])
    d.argue(
        "the better threshold gives the optimum",
        "Not needed for the strict inequality. The Laplace density is log-concave, so its stationary "
        "codebook is unique (Kieffer 1983); it is symmetric, and this is it.",
        uses=("the better threshold is stationary",),
    )
    d.conclude(
        "D_LM = (1 + W(-2 e^-2))^2",
        uses=("Laplace, K = 4, the better threshold", "the better threshold gives the optimum"),
    )


@cache
def _lloyd_max() -> Enclosure:
    return stationary_codebook(certified_law("laplace"), 4).distortion


def _float(scheme: str) -> float:
    source = make("laplace")
    return distortion(get_scheme(scheme).design(source, 4), source)


LEMMA = Lemma(
    id="T2b",
    title="equal masses: means of equal-mass cells; never better than Lloyd-Max",
    statement=(
        "The least W2^2(mu, nu) over nu = (1/K) sum of K point masses is D_EM(K) = E X^2 - (1/K) sum over k "
        "of m_k^2, with m_k = K * integral of F^-1 over ((k-1)/K, k/K); the points m_k are the only "
        "minimizer. D_LM(K) <= D_EM(K), with equality for the uniform law and strict inequality for the "
        "unit Laplace law at K = 4: D_EM = 1 - ln(2)^2, D_LM = (1 + W(-2 e^-2))^2, W the principal branch "
        "of Lambert's function."
    ),
    assumptions=(finite_variance(),),
    claim={
        "level": M,
        "cell": S - M**2 / K,
        "laplace equal mass": 1 - sp.log(2) ** 2,
        "laplace better": (1 + sp.LambertW(-2 * sp.exp(-2))) ** 2,
        "sign": sp.Integer(1),
    },
    derive=_derive,
    mutants=(
        Mutant("the level is the sum over the cell, not the mean", {"level": M / K}, "level"),
        Mutant("the means are not divided by K", {"cell": S - M**2}, "least error of a cell"),
        Mutant(
            "Laplace, K = 4: 1 - ln 2",
            {"laplace equal mass": 1 - sp.log(2)},
            "Laplace, K = 4, equal mass",
        ),
        Mutant(
            "the other branch of Lambert's function",
            {"laplace better": (1 + sp.LambertW(-2 * sp.exp(-2), -1)) ** 2},
            "Laplace, K = 4, the better threshold",
        ),
        Mutant(
            "equal mass is the W2 optimum over all K-level quantizers",
            {"sign": sp.Integer(0)},
            "equal mass is strictly worse",
        ),
    ),
    reference="Xu and Berger 2017 (arXiv:1704.07871) on this problem; theory of the toolkit, T2b",
    constants={
        "D_EM(4) laplace": Certificate(lambda: exponential_partial_sum(2) / 2, lambda: _float("equal_mass")),
        "D_LM(4) laplace": Certificate(_lloyd_max, lambda: _float("lloyd_max"), float_digits=12),
    },
    document="theory/t2-two-transport-problems.md",
)
