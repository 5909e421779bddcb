"""T5e: equal mass on an interval with a density that stays away from 0."""

import mpmath as mp
import sympy as sp

from fmq_theory.bounds import equal_mass_distortion
from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

K, H, F_LEAST = sp.symbols("K h m", positive=True)
U, X = sp.symbols("u x", real=True)


_INTERVAL, _LEAST = "one interval", "f >= m"


def _derive(d: Derivation, claim: Claim) -> None:
    variance = _lipschitz(d, claim)
    # Lower half: T4 (Fatou). Upper half: the same integrand is dominated.
    slope, start = sp.symbols("q' u_0", real=True)
    line = slope * (U - start)
    mean = sp.integrate(line, (U, start, start + H)) / H
    spread = sp.integrate((line - mean) ** 2, (U, start, start + H)) / H
    d.identity("variance of a line over a cell", spread / H**2, slope**2 / claim["divisor"])
    d.argue(
        "the rescaled variance converges",
        "q = F^-1 is monotone, so differentiable at almost every u, and there h^-2 times the variance of q "
        "over the cell of u tends to q'(u)^2/12, h = 1/K (T4).",
        uses=("variance of a line over a cell",),
    )
    density = sp.Symbol("f", positive=True)
    derivative = sp.solve(sp.Eq(density * slope, 1), slope)[0]  # F(q(u)) = u
    d.identity("q' = 1/f", derivative, 1 / density)
    d.identity("q'^2 du = dx/f", derivative**2 * density, 1 / density, uses=("q' = 1/f",))
    d.argue(
        "dominated convergence",
        "K^2 D_EM is the integral over u of h^-2 times the variance of the cell of u, which is at most 1/(12 "
        "m^2): its limit is (1/12) integral of q'^2 du = (1/12) integral of 1/f dx. This is B(1).",
        uses=("the rescaled variance converges", "q'^2 du = dx/f", "one bound for every K and u"),
    )
    d.conclude("K^2 D_EM(K) -> (1/12) integral of 1/f", uses=("dominated convergence",))
    _uniform(d, claim, variance)
    _ramp(d, claim)


def _lipschitz(d: Derivation, claim: Claim) -> sp.Expr:
    """Var q(U) <= Lip(q)^2 Var U on each cell; the variance of U there."""
    least, surplus = claim["m"], sp.Symbol("surplus", nonnegative=True)  # f = m + surplus
    d.decided(
        "q is Lipschitz with constant 1/m",
        sp.simplify(1 / least - 1 / (least + surplus)).is_nonnegative,
        "1/f <= 1/m; on an interval q has no jump",
        uses=(_INTERVAL, _LEAST),
    )
    # Var Y = (1/2) E (Y - Y')^2, Y' an independent copy: three values with any probabilities.
    values, p = sp.symbols("y_1:4", real=True), sp.symbols("p_1:3", positive=True)
    weights = (*p, 1 - sum(p))
    pairs = [(w, v, values[i], values[j]) for i, w in enumerate(weights) for j, v in enumerate(weights)]
    mean, second = (sum(w * y**i for w, y in zip(weights, values, strict=True)) for i in (1, 2))
    d.identity(
        "a variance is half the mean squared difference of two copies",
        sum(w * v * (y - z) ** 2 for w, v, y, z in pairs) / 2,
        second - mean**2,
    )
    rise, slack = sp.symbols("rise slack", nonnegative=True)  # Lip |u - u'| = |q(u) - q(u')| + slack
    surplus = sp.expand((rise + slack) ** 2 - rise**2)
    d.decided(
        "squared differences shrink by Lip^2 at least",
        surplus.is_nonnegative,
        f"{surplus} >= 0",
        uses=("q is Lipschitz with constant 1/m",),
    )
    spread = sp.integrate((U - H / 2) ** 2, (U, 0, H)) / H
    d.identity("variance of U in a cell", spread, H**2 / claim["divisor"])
    d.identity(
        "one bound for every K and u",
        sp.integrate((U / F_LEAST - H / (2 * F_LEAST)) ** 2, (U, 0, H)) / H**3,  # (1/m)^2 Var U/h^2
        claim["bound"],
        uses=(
            "a variance is half the mean squared difference of two copies",
            "squared differences shrink by Lip^2 at least",
            "variance of U in a cell",
        ),
    )
    d.conclude("K^2 D_EM(K) <= 1/(12 m^2) at every K", uses=("one bound for every K and u",))
    return spread


def _uniform(d: Derivation, claim: Claim, variance: sp.Expr) -> None:
    """f = m on (0, 1/m): q = u/m, K cells of h = 1/K, each with variance Var U/m^2."""
    exact = sp.simplify(variance.subs(H, 1 / K) / F_LEAST**2)
    d.identity("uniform: the bound is reached at every K", K**2 * exact, claim["bound"])
    d.conclude("with equality for the uniform law", uses=("uniform: the bound is reached at every K",))
    limit, support = _two_blocks(sp.Integer(0))
    d.example("two blocks without a gap", limit, support / claim["divisor"])
    d.deliver("limit of K^2 D_EM, uniform on (-1, 1)", limit)


def _two_blocks(gap: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """f = 1/2 on gap < |x| < 1 + gap, K odd: the limit of K^2 D_EM, and the integral of 1/f.

    Exact, because the middle cell is half on each side.
    """
    width = 2 / K
    side = sp.integrate((X - width / 2) ** 2, (X, 0, width)) / width
    middle = sp.integrate(X**2, (X, gap, gap + width / 2)) / (width / 2)
    distortion = ((K - 1) * side + middle) / K
    return sp.limit(sp.expand(K**2 * distortion), K, sp.oo), 2 * sp.integrate(
        sp.Integer(2), (X, gap, 1 + gap)
    )


def _limit_is_the_integral(gap: sp.Expr) -> bool:
    limit, support = _two_blocks(gap)
    return bool(limit == support / 12)


def _ramp(d: Derivation, claim: Claim) -> None:
    """f = 2x/3 on (1, 2): q = sqrt(1 + 3u), the limit is ln(2)/8."""
    v = sp.Symbol("v", positive=True)
    density = sp.Rational(2, 3) * v
    quantile = sp.sqrt(1 + 3 * U)
    level = sp.integrate(density, (v, 1, v)).subs(v, quantile)
    d.example("ramp: the quantile function", sp.simplify(level), U)
    limit = sp.integrate(1 / density, (v, 1, 2)) / claim["divisor"]
    d.example("ramp: the limit", limit, sp.log(2) / 8)
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
    title="equal mass, bounded support: K^2 D_EM <= 1/(12 m^2), and -> (1/12) integral of 1/f",
    statement=(
        "If the support is a bounded interval and f >= m > 0 almost everywhere on it, K^2 D_EM(K) <= 1/(12 "
        "m^2) at every K, with equality for the uniform law, and K^2 D_EM(K) -> (1/12) integral of 1/f."
    ),
    assumptions=(
        Assumption(
            _INTERVAL,
            "the support is one bounded interval: with a gap, K^2 D_EM grows like K along the K whose cells "
            "straddle it",
            Counterexample(
                "two blocks with a gap of 1/50 between them, K odd",
                _limit_is_the_integral,
                holds=sp.Integer(0),
                broken=sp.Rational(1, 100),
            ),
        ),
        Assumption(
            _LEAST,
            "f >= m > 0 almost everywhere on it; no continuity",
            Mutant("m of any sign", {"m": sp.Symbol("m_", real=True)}, "q is Lipschitz with constant 1/m"),
        ),
    ),
    claim={"divisor": sp.Integer(12), "bound": 1 / (12 * F_LEAST**2), "m": F_LEAST},
    derive=_derive,
    mutants=(
        Mutant("divisor 3", {"divisor": sp.Integer(3)}, "variance of U in a cell"),
        Mutant(
            "Popoviciu's 1/(4 m^2), three times too wide",
            {"bound": 1 / (4 * F_LEAST**2)},
            "one bound for every K and u",
        ),
        Mutant("1/(13 m^2)", {"bound": 1 / (13 * F_LEAST**2)}, "one bound for every K and u"),
    ),
    reference="rates on the line: Xu and Berger 2017 (arXiv:1704.07871); theory of the toolkit, T5e",
    constants={
        "limit of K^2 D_EM, uniform on (-1, 1)": Certificate(
            lambda: Enclosure.of("1/3"), _float, float_digits=12
        )
    },
    document="theory/t5-equal-mass-rates.md",
)
