"""T5e: equal mass on an interval with a density that stays away from 0."""

import mpmath as mp
import sympy as sp

from fmq_theory.bounds import equal_mass_distortion
from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.sources import make
from proofs_check.cells import popoviciu
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

K, H, F_LEAST = sp.symbols("K h m", positive=True)
A, GAP = sp.symbols("a gap", nonnegative=True)
U, X = sp.symbols("u x", real=True)


def _derive(d: Derivation, claim: Claim) -> None:
    # Lower half: T4 (Fatou). Upper half: the same integrand is dominated.
    slope, start = sp.symbols("q' u_0", real=True)
    line = slope * (U - start)
    mean = sp.integrate(line, (U, start, start + H)) / H
    variance = sp.integrate((line - mean) ** 2, (U, start, start + H)) / H
    d.identity("variance of a line over a cell", variance / H**2, slope**2 / claim["divisor"])
    d.argue(
        "the rescaled variance converges",
        "q = F^-1 is monotone, so differentiable at almost every u, and there h^-2 times the variance of q "
        "over the cell of u tends to q'(u)^2/12, h = 1/K (T4).",
    )
    density = sp.Symbol("f", positive=True)
    derivative = sp.solve(sp.Eq(density * slope, 1), slope)[0]  # F(q(u)) = u
    d.identity("q' = 1/f", derivative, 1 / density)
    d.identity("q'^2 du = dx/f", derivative**2 * density, 1 / density)
    surplus = sp.Symbol("surplus", nonnegative=True)  # f = m + surplus
    d.decided(
        "q is Lipschitz with constant 1/m",
        sp.simplify(1 / F_LEAST - 1 / (F_LEAST + surplus)).is_nonnegative,
        "1/f <= 1/m; on an interval q has no jump",
    )
    popoviciu(d)
    d.identity("one bound for every K and u", (H / F_LEAST) ** 2 / 4 / H**2, 1 / (4 * F_LEAST**2))
    d.argue(
        "dominated convergence",
        "K^2 D_EM is the integral over u of h^-2 times the variance of the cell of u, which is at most 1/(4 "
        "m^2): its limit is (1/12) integral of q'^2 du = (1/12) integral of 1/f dx. This is B(1).",
    )
    _uniform(d, claim)
    _ramp(d, claim)


def _uniform(d: Derivation, claim: Claim) -> None:
    """f = 1/2 on gap < |x| < 1 + gap, K odd: exact, because the middle cell is half on each side."""
    gap = claim["gap"]
    width = 2 / K
    side = sp.integrate((X - width / 2) ** 2, (X, 0, width)) / width
    middle = sp.integrate(X**2, (X, gap, gap + width / 2)) / (width / 2)
    distortion = ((K - 1) * side + middle) / K
    limit = sp.limit(sp.expand(K**2 * distortion), K, sp.oo)
    support = 2 * sp.integrate(sp.Integer(2), (X, gap, 1 + gap))  # of 1/f
    d.decided(
        "an example, exactly: two blocks, K odd",
        bool(limit == support / claim["divisor"]),
        f"K^2 D_EM -> {limit}, claimed {support / claim['divisor']}",
    )
    d.deliver("limit of K^2 D_EM, uniform on (-1, 1)", limit)


def _ramp(d: Derivation, claim: Claim) -> None:
    """f = 2x/3 on (1, 2): q = sqrt(1 + 3u), the limit is ln(2)/8."""
    v = sp.Symbol("v", positive=True)
    density = sp.Rational(2, 3) * v
    quantile = sp.sqrt(1 + 3 * U)
    level = sp.integrate(density, (v, 1, v)).subs(v, quantile)
    d.identity("ramp: the quantile function", sp.simplify(level), U)
    limit = sp.integrate(1 / density, (v, 1, 2)) / claim["divisor"]
    d.identity("ramp: the limit", limit, sp.log(2) / 8)
    num_levels = 512
    with mp.workdps(WORKING_DIGITS):
        primitive = sp.lambdify(U, sp.integrate(quantile, U), "mpmath")
        values = [primitive(mp.mpf(k) / num_levels) for k in range(num_levels + 1)]
        means = [num_levels * (values[k + 1] - values[k]) for k in range(num_levels)]
        second = mp.mpf(5) / 2  # E X^2 = (2/3)(16 - 1)/4
        exact = num_levels**2 * (second - sum(m**2 for m in means) / num_levels)
    d.check("ramp, K = 512", exact, limit, within=1e-5)


def _float() -> float:
    return equal_mass_distortion(make("uniform"), 64) * 64**2


LEMMA = Lemma(
    id="T5e",
    title="equal mass, bounded support: K^2 D_EM -> (1/12) integral of 1/f",
    statement=(
        "If the support is a bounded interval and f >= m > 0 almost everywhere on it, K^2 D_EM(K) -> (1/12) "
        "integral of 1/f, and K^2 D_EM(K) <= 1/(4 m^2) at every K."
    ),
    assumptions=(
        "the support is one bounded interval: with a gap, K^2 D_EM grows like K along the K whose cells "
        "straddle it",
        "f >= m > 0 almost everywhere on it; no continuity",
    ),
    claim={"divisor": sp.Integer(12), "gap": sp.Integer(0)},
    derive=_derive,
    mutants=(
        Mutant("divisor 3", {"divisor": sp.Integer(3)}, "variance of a line over a cell"),
        Mutant(
            "missing assumption: the support may have a gap",
            {"gap": sp.Integer(1)},
            "an example, exactly: two blocks, K odd",
        ),
    ),
    reference="theory of the toolkit, T5e",
    constants={
        "limit of K^2 D_EM, uniform on (-1, 1)": Certificate(
            lambda: Enclosure.of("1/3"), _float, float_digits=12
        )
    },
    document="theory/t5-equal-mass-rates.md",
)
