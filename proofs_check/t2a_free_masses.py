"""T2a: with free masses the closest measure with K atoms is the Lloyd-Max quantizer's."""

from functools import cache

import sympy as sp

from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.certify.families import law as certified_law
from fmq_theory.certify.stationary import stationary_codebook
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import get_scheme
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.instances import finite_variance, least_error
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

A, B, TAU, M, C = sp.symbols("a b tau m c", real=True)
P, P1, P2 = sp.symbols("p p_1 p_2", positive=True)
X = sp.Symbol("x", real=True)


def _derive(d: Derivation, claim: Claim) -> None:
    _voronoi(d, claim)
    d.argue(
        "reduction to K levels",
        "Let nu have atoms c_1 .. c_K. For every coupling |x - y|^2 >= min over k of (x - c_k)^2, and Q(x) "
        "= the nearest c_k gives a coupling of mu with Q#mu, at most K atoms, with equality. So the least "
        "W2^2 over measures is the least of V(c) = E min_k (X - c_k)^2 over K levels.",
        uses=("beyond it the upper level is nearer",),
    )
    d.argue(
        "a minimum exists",
        "Let c range over [-oo, oo]^K with (x - c_k)^2 = oo for infinite c_k: a compact set, on which V is "
        "lower semicontinuous by Fatou, so V attains its least value. If some of the c_k there are "
        "infinite, move them to any finite place: V does not grow. (Not all are infinite: V(0, .., 0) = E "
        "X^2 is finite.)",
        uses=("finite variance",),
    )
    d.conclude(
        "equals the least of E min_k (X - c_k)^2 over levels c_1 .. c_K, and is attained",
        uses=("reduction to K levels", "a minimum exists"),
    )
    d.conclude(
        "the cells are the Voronoi intervals (thresholds are midpoints of levels)",
        uses=("threshold", "beyond it the upper level is nearer"),
    )
    _centroid(d, claim)
    d.conclude("each level is the mean of its cell", uses=("level", "what another level costs"))
    _derivatives(d)
    _strict(d)
    d.conclude(
        "the K levels are distinct, no threshold carries mass, and the least error strictly decreases in K",
        uses=("all K levels are used", "no mass on a threshold"),
    )
    _gaussian(d, claim)
    d.conclude(
        "For the standard Gaussian law and K = 2 the least error is 1 - 2/pi",
        uses=("Gaussian, K = 2", "Gaussian, K = 2: it is the optimum"),
    )


def _voronoi(d: Derivation, claim: Claim) -> None:
    width = sp.Symbol("width", positive=True)
    difference = (X - A) ** 2 - (X - B) ** 2
    roots = sp.solve(difference, X)
    d.decided("two levels are equally near at one point", len(roots) == 1, f"x = {roots}")
    d.identity("threshold", roots[0], claim["threshold"], uses=("two levels are equally near at one point",))
    beyond = sp.expand(difference.subs(B, A + width).subs(X, roots[0].subs(B, A + width) + P))
    d.decided("beyond it the upper level is nearer", beyond.is_positive, f"{beyond} > 0")


def _centroid(d: Derivation, claim: Claim) -> None:
    """E[(X - c)^2; cell] with p = mass, s_1 and s_2 the partial moments."""
    s1, s2 = sp.symbols("s_1 s_2", real=True)
    error = s2 - 2 * C * s1 + C**2 * P
    best = sp.solve(sp.diff(error, C), C)
    d.decided("one stationary level", len(best) == 1, f"c = {best}")
    d.identity("level", best[0], claim["level"].subs(M, s1 / P), uses=("one stationary level",))
    d.identity("what another level costs", error - error.subs(C, best[0]), P * (C - s1 / P) ** 2)


def _derivatives(d: Derivation) -> None:
    """A check: the same two conditions as the gradient of D for a density f, thresholds and levels free."""
    f = sp.Function("f")
    low, high = sp.symbols("t_0 t_2", real=True)
    both = sp.Integral((X - A) ** 2 * f(X), (X, low, TAU)) + sp.Integral((X - B) ** 2 * f(X), (X, TAU, high))
    by_threshold = sp.diff(both, TAU)
    d.example("dD/dtau", by_threshold, f(TAU) * ((TAU - A) ** 2 - (TAU - B) ** 2))
    d.example("dD/dtau vanishes at the threshold", by_threshold.subs(TAU, (A + B) / 2), sp.Integer(0))
    by_level = sp.diff(both, A).doit()
    expected = sp.Integral(-2 * (X - A) * f(X), (X, low, TAU))
    d.holds(
        "dD/da is twice the moment about a",
        bool(sp.simplify(sp.expand((by_level - expected).doit())) == 0),
        f"{by_level} = {expected}",
    )


def _strict(d: Derivation) -> None:
    """Splitting a cell at any point gains p1 p2/(p1 + p2) (m1 - m2)^2."""
    m1, m2, v1, v2 = sp.symbols("m_1 m_2 v_1 v_2", real=True)  # v: mean squares of the two parts
    mean = (P1 * m1 + P2 * m2) / (P1 + P2)
    together = P1 * v1 + P2 * v2 - (P1 + P2) * mean**2
    apart = P1 * (v1 - m1**2) + P2 * (v2 - m2**2)
    gain = P1 * P2 / (P1 + P2) * (m1 - m2) ** 2
    d.identity("gain of one more level", together - apart, gain)
    d.argue(
        "all K levels are used",
        "If the support has more than k points and a codebook has k levels, some cell has a part of "
        "positive mass below and above its level; splitting it there gains a positive amount. So the least "
        "error strictly decreases in K until it is 0, and an optimal codebook has K distinct levels, each "
        "used.",
        uses=("gain of one more level", "more than K points"),
    )
    # An atom of mass q at the threshold may go to either cell at the same cost; then both sets of means
    # must satisfy the centroid condition.
    q = sp.Symbol("q", positive=True)
    shifted = (P * C + q * TAU) / (P + q)
    d.identity("the mean with an atom at tau added", shifted - C, q * (TAU - C) / (P + q))
    d.argue(
        "no mass on a threshold",
        "Both assignments of the atom are optimal, so by the centroid condition the mean is c with and "
        "without it: tau = c. But tau lies strictly between two distinct levels. So mu({tau}) = 0 and Q is "
        "unique mu-a.e. for given levels.",
        uses=("the mean with an atom at tau added", "level", "all K levels are used"),
    )


def _gaussian(d: Derivation, claim: Claim) -> None:
    """K = 2 by symmetry: threshold 0, levels +-E|X|."""
    density = sp.exp(-(X**2) / 2) / sp.sqrt(2 * sp.pi)
    level = 2 * sp.integrate(X * density, (X, 0, sp.oo))
    variance = sp.integrate(X**2 * density, (X, -sp.oo, sp.oo))
    between = sp.solve(((X - A) ** 2 - (X - B) ** 2).subs(A, -B), X)[0]
    d.identity("Gaussian, K = 2: the threshold of +-level", between, sp.Integer(0))
    d.identity(
        "Gaussian, K = 2",
        variance - level**2,
        claim["gaussian K=2"],
        uses=("Gaussian, K = 2: the threshold of +-level", "level"),
    )
    d.argue(
        "Gaussian, K = 2: it is the optimum",
        "The Gaussian density is log-concave, so there is one stationary codebook (Fleischer 1964, Kieffer "
        "1983) and an optimal codebook is stationary.",
        uses=("threshold", "level"),
    )
    d.deliver("D_LM(2) gaussian", claim["gaussian K=2"])


@cache
def _enclosed() -> Enclosure:
    return stationary_codebook(certified_law("gaussian"), 2).distortion


def _float() -> float:
    source = make("gaussian")
    return distortion(get_scheme("lloyd_max").design(source, 2), source)


LEMMA = Lemma(
    id="T2a",
    title="free masses: the W2 optimum is the Lloyd-Max quantizer",
    statement=(
        "The least W2^2(mu, nu) over measures nu with at most K atoms equals the least of E min_k (X - "
        "c_k)^2 over levels c_1 .. c_K, and is attained. At an optimum the cells are the Voronoi intervals "
        "(thresholds are midpoints of levels), each level is the mean of its cell, each atom has the mass "
        "of its cell. If the support of mu has more than K points, the K levels are distinct, no threshold "
        "carries mass, and the least error strictly decreases in K. For the standard Gaussian law and K = 2 "
        "the least error is 1 - 2/pi."
    ),
    assumptions=(
        finite_variance(),
        Assumption(
            "more than K points",
            "the support of mu has more than K points (for distinct levels and strict decrease)",
            Counterexample(
                "two points, K = 2: a third level gains nothing",
                lambda points: least_error(points, 3) < least_error(points, 2),
                holds=(0, 1, 3),
                broken=(0, 0, 3),
            ),
        ),
    ),
    claim={"threshold": (A + B) / 2, "level": M, "gaussian K=2": 1 - 2 / sp.pi},
    derive=_derive,
    mutants=(
        Mutant(
            "the threshold is the geometric mean of the levels", {"threshold": sp.sqrt(A * B)}, "threshold"
        ),
        Mutant("the level is twice the mean", {"level": 2 * M}, "level"),
        Mutant("Gaussian, K = 2: 1 - 1/pi", {"gaussian K=2": 1 - 1 / sp.pi}, "Gaussian, K = 2"),
    ),
    reference="Lloyd 1982; Max 1960; Graf and Luschgy 2000, section 4; theory of the toolkit, T2a",
    constants={"D_LM(2) gaussian": Certificate(_enclosed, _float)},
    document="theory/t2-two-transport-problems.md",
)
