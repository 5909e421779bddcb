"""T5c: equal mass on laws with tails of exponential type (von Mises' condition)."""

from itertools import pairwise

import mpmath as mp
import sympy as sp

from fmq_theory.bounds.equal_mass_sums import S_INFINITY as S_INFINITY_FLOAT
from fmq_theory.certify.sums import exponential_sum
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.cells import (
    EPS,
    S_INFINITY,
    TERM,
    J,
    W,
    exponential_sum_value,
    popoviciu,
    powers_at_infinity,
    powers_at_zero,
)
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

X, S, T, K, H = sp.symbols("x s t K h", positive=True)
R_UP, R_DOWN, S_INF = sp.symbols("r_+ r_- S_inf", positive=True)
HALF = sp.Rational(1, 2)


def _derive(d: Derivation, claim: Claim) -> None:
    _auxiliary_function(d)
    _density_criterion(d)
    for name, density in zip(claim["families"].args, claim["densities"].args, strict=True):
        _von_mises(d, str(name), density)
    d.conclude(
        "The condition holds for Gaussian, Laplace, logistic, generalized Gaussian and gamma tails",
        uses=("von Mises' condition: *", "(1/r)' = l F_bar/f - 1", "r ~ l"),
    )
    _limit_of_a_cell(d, claim)
    _domination(d, claim)
    _middle(d, claim)
    d.argue(
        "sum",
        "By dominated convergence the cells of the upper side contribute a_+(1/K)^2/K * (S_inf + o(1)), "
        "those of the lower side the same with a_-, applied to -X; the middle contributes less by any "
        "order. a = 1/r at s = 1/K.",
        uses=("a cell, rescaled", "its limit", "domination", "the middle", "the middle is negligible"),
    )
    # Mass dw/K; the deviation is ln w in units of a.
    cell, adds = (W, J, J + 1), sp.Integer(0)
    for hazard in (R_UP, R_DOWN):
        deviation = -sp.log(W) / hazard
        adds += sp.integrate(deviation**2 / K, cell) - K * sp.integrate(deviation / K, cell) ** 2
    d.identity("what cell j of both sides adds", adds, claim["law"].subs(S_INF, claim["term"]))
    d.conclude(
        "D_EM(K) ~ (S_inf/K)(1/r_+^2 + 1/r_-^2)",
        uses=(
            "sum",
            "what cell j of both sides adds",
            "variance of cell j >= 1",
            "variance of the unbounded cell",
        ),
    )
    _finite_end(d)
    sigma = sp.Symbol("sigma", positive=True)  # Laplace: r = sqrt(2)/sigma at every quantile
    rate = sp.sqrt(2) / sigma
    d.example(
        "it agrees with the exact Laplace formula",
        claim["law"].subs({R_UP: rate, R_DOWN: rate}),
        sigma**2 / K * S_INF,
    )
    _check(d)
    d.deliver("S_inf", S_INFINITY, exponential_sum_value())


def _auxiliary_function(d: Derivation) -> None:
    """x(s) = q(1 - s), F_bar(x(s)) = s; a(s) = 1/r(x(s))."""
    slope, hazard, reciprocal = sp.Symbol("x'"), sp.Symbol("r", positive=True), sp.Function("g")  # g = 1/r
    density = hazard * S  # f(x(s)) = r F_bar = r s
    solved = sp.solve(sp.Eq(-density * slope, 1), slope)[0]  # the chain rule on F_bar(x(s)) = s
    d.identity("the quantile's derivative", solved, -1 / (S * hazard))
    place = sp.Function("x")(S)
    growth = sp.diff(reciprocal(place), S).subs(sp.diff(place, S), solved.subs(hazard, 1 / reciprocal(place)))
    outer = sp.diff(reciprocal(place), S) / sp.diff(place, S)  # g'(x(s))
    d.identity(
        "s a'(s)/a(s) = -(1/r)'",
        S * growth / reciprocal(place),
        -outer,
        uses=("the quantile's derivative",),
    )
    low, high = sp.symbols("s_1 s_2", positive=True)
    integrated = sp.integrate(EPS / S, (S, low, high))
    d.identity("|d ln a| <= eps |d ln s| integrated", integrated, EPS * sp.log(high / low))
    d.argue(
        "a varies slowly, with explicit bounds",
        "By von Mises' condition (1/r)' -> 0: for every eps there is s_0 with |s a'/a| < eps below s_0, so "
        "(s_2/s_1)^-eps <= a(s_2)/a(s_1) <= (s_2/s_1)^eps for s_1 < s_2 <= s_0.",
        uses=("von Mises", "s a'(s)/a(s) = -(1/r)'", "|d ln a| <= eps |d ln s| integrated"),
    )


def _density_criterion(d: Derivation) -> None:
    """With l = -f'/f: if (1/l)' -> 0, then r ~ l and (1/r)' -> 0."""
    f, l, rest = sp.Function("f")(X), sp.Function("l")(X), sp.Symbol("rho")
    quotient = sp.diff(f / l, X).subs(sp.diff(f, X), -l * f)
    quotient = sp.simplify(-f / quotient.subs(sp.diff(l, X), -rest * l**2))  # (1/l)' = rho
    d.identity("ratio of the derivatives of F_bar and f/l", quotient, 1 / (1 - rest))
    d.argue(
        "r ~ l",
        "(1/l)' -> 0 implies 1/l = o(x). (f/l)' ~ -f is integrable, so f/l has a limit; a positive one "
        "would make f larger than any multiple of 1/x. So F_bar and f/l both tend to 0, and by L'Hopital l "
        "F_bar/f -> 1.",
        uses=("ratio of the derivatives of F_bar and f/l",),
    )
    survival, ratio = sp.Function("F_bar")(X), sp.Symbol("ratio")  # ratio = l F_bar/f
    slope = sp.diff(survival / f, X).subs({sp.diff(f, X): -l * f, sp.diff(survival, X): -f})
    d.identity("(1/r)' = l F_bar/f - 1", sp.simplify(slope.subs(survival, ratio * f / l)), ratio - 1)


def _von_mises(d: Derivation, name: str, density: sp.Expr) -> None:
    score = sp.simplify(-sp.diff(sp.log(density), X))
    limit = sp.limit(sp.simplify(sp.diff(1 / score, X)), X, sp.oo)
    d.identity(f"von Mises' condition: {name}", limit, sp.Integer(0))


def _limit_of_a_cell(d: Derivation, claim: Claim) -> None:
    d.argue(
        "a cell, rescaled",
        "With h = 1/K the cell j from the top holds s = w h, w uniform on (j, j + 1), and (x(w h) - "
        "x(h))/a(h) = - integral from 1 to w of a(t h)/a(h) dt/t. The integrand tends to 1/t, uniformly on "
        "compact sets of (0, oo).",
        uses=("a varies slowly, with explicit bounds",),
    )
    upper = 1 + sp.Symbol("excess", positive=True)
    d.identity("its limit", -sp.integrate(1 / T, (T, 1, upper)), -sp.log(upper))
    cell = (W, J, J + 1)
    mean, second = sp.integrate(-sp.log(W), cell), sp.integrate(sp.log(W) ** 2, cell)
    d.identity("variance of cell j >= 1", second - mean**2, claim["term"])
    unit = (W, 0, 1)
    top = sp.integrate(sp.log(W) ** 2, unit) - sp.integrate(sp.log(W), unit) ** 2
    d.identity("variance of the unbounded cell", top, claim["first"])


def _domination(d: Derivation, claim: Claim) -> None:
    """eps < 1/2 is needed twice: near w = 0, and for the sum over j."""
    d.identity(
        "bound in the unbounded cell",
        sp.integrate(T ** (-1 - EPS), (T, W, 1)).subs(W, HALF),
        ((W**-EPS - 1) / EPS).subs(W, HALF),
    )
    powers_at_zero(d)
    powers_at_infinity(d)
    real = sp.Symbol("epsilon_", real=True)
    # ((w^-eps - 1)/eps)^2 on (0, 1), and j^(2 eps - 2) over j.
    admissible = sp.reduce_inequalities([real > 0, 2 * real < 1, 2 - 2 * real > 1], real).as_set()
    d.decided(
        "square integrable and summable",
        bool(admissible == sp.Interval.open(0, claim["largest epsilon"])),
        f"for eps in {admissible}",
        uses=("integral of w^-p*",),
    )
    popoviciu(d)
    d.argue(
        "domination",
        "For (j + 1) h <= s_0: |x(w h) - x(h)| <= a(h) (w^-eps - 1)/eps in the top cell; and osc_j = "
        "integral over (j, j + 1) of a(t h) dt/t <= a(h) j^(eps - 1), so the variance of cell j is at most "
        "a(h)^2 j^(2 eps - 2)/4. With eps < 1/2 the first is square integrable and the second summable: "
        "variances and their sum over j converge to the limits'.",
        uses=(
            "a varies slowly, with explicit bounds",
            "bound in the unbounded cell",
            "square integrable and summable",
            "variance of a cell",
        ),
    )


def _middle(d: Derivation, claim: Claim) -> None:
    slope, t = sp.symbols("q' t", positive=True)
    # (integral over a cell of q')^2 <= h * integral of q'^2, since (q' - t)^2 >= 0 for t = osc/h.
    osc, square = sp.symbols("osc square", positive=True)
    d.identity("Cauchy-Schwarz, pointwise", (slope - t) ** 2, slope**2 - 2 * t * slope + t**2)
    integrated = square - 2 * t * osc + t**2 * H
    best = sp.solve(sp.diff(integrated, t), t)[0]
    d.identity(
        "Cauchy-Schwarz on a cell",
        integrated.subs(t, best),
        square - osc**2 / H,
        uses=("Cauchy-Schwarz, pointwise",),
    )
    d.argue(
        "the middle",
        "q'^2 du = dx/f. So the cells between the quantiles of level s_0 and 1 - s_0 have variances that "
        "add up to at most (h/4) * integral of 1/f over the middle = O(h), and contribute O(h^2) to D_EM. "
        "If that integral is infinite but the support has no gap, q is uniformly continuous there, the sum "
        "is at most (1/4) max osc * total length = o(1), and that is enough if a(h) stays away from 0.",
        uses=("Cauchy-Schwarz on a cell", "variance of a cell", "no gap"),
    )
    # a(h) >= a(s_0) (h/s_0)^eps, so h/a(h)^2 <= const * h^(1 - 2 eps).
    gap = sp.Symbol("gap", positive=True)
    order = sp.expand(1 - 2 * (claim["largest epsilon"] - gap))
    d.decided(
        "the middle is negligible",
        order.is_positive,
        f"h/a(h)^2 = O(h^({order})) for eps = 1/2 - gap",
        uses=("a varies slowly, with explicit bounds", "square integrable and summable"),
    )


def _finite_end(d: Derivation) -> None:
    """f >= m next to a finite end: T5e's bound of the cells there."""
    least = sp.Symbol("m", positive=True)
    step = sp.integrate((W - H / 2) ** 2, (W, 0, H)) / H / least**2  # q is 1/m-Lipschitz
    order = sp.limit(step / H**2, H, 0)
    d.decided("cells at a finite end", bool(order.is_finite), f"variance at most h^2 {order}", uses=("end",))
    d.conclude("contributes O(K^-2)", uses=("cells at a finite end",))


def _tail_variance(side: sp.Expr) -> bool:
    """Does Var(X | X > q) r(q)^2, the share of the top cell, tend to v_0 = 1?"""
    q = sp.Symbol("q", positive=True)
    mass, first, second = (sp.integrate(X**p * side, (X, q, sp.oo)) for p in range(3))
    hazard = side.subs(X, q) / mass
    return sp.limit(sp.simplify((second / mass - (first / mass) ** 2) * hazard**2), q, sp.oo) == 1


def _middle_is_small(gap: sp.Expr) -> bool:
    """The cell that straddles a gap at the median, K odd: mass 1/K and variance gap^2/4 at least."""
    return sp.limit(K * (1 / K) * gap**2 / 4, K, sp.oo) == 0


def _end_is_small(power: int) -> bool:
    """f ~ x^power at the end x = 0: is the error of the cell at the end O(K^-2)?"""
    place = W ** sp.Rational(1, power + 1)  # q(w/K), but for K^(-1/(power + 1))
    variance = sp.integrate(place**2, (W, 0, 1)) - sp.integrate(place, (W, 0, 1)) ** 2
    return bool(sp.limit(K**2 / K * variance * K ** sp.Rational(-2, power + 1), K, sp.oo).is_finite)


def _check(d: Derivation) -> None:
    """Logistic law: the quantile function has an elementary integral, so D_EM is exact."""
    with mp.workdps(WORKING_DIGITS):
        num_levels = 4096

        def primitive(u: mp.mpf) -> mp.mpf:  # of ln(u/(1 - u))
            return mp.mpf(0) if u in (0, 1) else u * mp.log(u) + (1 - u) * mp.log(1 - u)

        values = [primitive(mp.mpf(k) / num_levels) for k in range(num_levels + 1)]
        total = sum((num_levels * (b - a)) ** 2 for a, b in pairwise(values))
        exact = mp.pi**2 / 3 - total / num_levels
        hazard = 1 - mp.mpf(1) / num_levels  # of the logistic law: r = F
        claimed = 2 * exponential_sum_value() / (num_levels * hazard**2)
    d.check("logistic law, K = 4096", exact, claimed, within=1e-3)


_DENSITIES = {
    "gaussian": sp.exp(-(X**2) / 2),
    "laplace": sp.exp(-X),
    "logistic": sp.exp(-X) / (1 + sp.exp(-X)) ** 2,
    "generalized Gaussian, beta = 1/2": sp.exp(-sp.sqrt(X)),
    "generalized Gaussian, beta = 3": sp.exp(-(X**3)),
    "gamma, shape 1/2": sp.exp(-X) / sp.sqrt(X),
    "gamma, shape 3": X**2 * sp.exp(-X),
}

LEMMA = Lemma(
    id="T5c",
    title="equal mass, exponential-type tails: (S_inf/K)(1/r_+^2 + 1/r_-^2)",
    statement=(
        "Let r_+ = f/(1 - F) at the quantile of level 1 - 1/K and r_- = f/F at level 1/K. Then D_EM(K) ~ "
        "(S_inf/K)(1/r_+^2 + 1/r_-^2), S_inf = sum over j >= 0 of v_j, v_0 = 1, v_j = 1 - j (j + 1) ln(1 + "
        "1/j)^2. A side that ends at a finite point with f >= m > 0 next to it contributes O(K^-2). The "
        "condition holds for Gaussian, Laplace, logistic, generalized Gaussian and gamma tails."
    ),
    assumptions=(
        Assumption(
            "von Mises",
            "each tail satisfies von Mises' condition: f is positive and differentiable far out, and (1/r)' "
            "-> 0",
            Counterexample(
                "f ~ x^-4: the top cell has 27/4 of the variance",
                _tail_variance,
                holds=sp.exp(-X),
                broken=X**-4,
            ),
        ),
        Assumption(
            "no gap",
            "the integral of 1/f over every bounded interval inside the support is finite; or the support is "
            "an interval and both 1/r stay above a positive constant far out",
            Counterexample(
                "a gap at the median, K odd: its cell adds as much as the tails",
                _middle_is_small,
                holds=sp.Integer(0),
                broken=sp.Rational(1, 100),
            ),
        ),
        Assumption(
            "end",
            "f >= m > 0 next to a finite end, where there is one",
            Counterexample("f ~ x^2 at the end: K^(-5/3)", _end_is_small, holds=1, broken=2),
        ),
    ),
    claim={
        "term": TERM,
        "first": sp.Integer(1),
        "law": S_INF / K * (1 / R_UP**2 + 1 / R_DOWN**2),
        "largest epsilon": HALF,
        "families": sp.Tuple(*map(sp.Symbol, _DENSITIES)),
        "densities": sp.Tuple(*_DENSITIES.values()),
    },
    derive=_derive,
    mutants=(
        Mutant(
            "v_j with (j + 1)^2",
            {"term": 1 - (J + 1) ** 2 * sp.log(1 + 1 / J) ** 2},
            "variance of cell j >= 1",
        ),
        Mutant(
            "the unbounded cell has variance 2", {"first": sp.Integer(2)}, "variance of the unbounded cell"
        ),
        Mutant(
            "1/r in place of 1/r^2",
            {"law": S_INF / K * (1 / R_UP + 1 / R_DOWN)},
            "what cell j of both sides adds",
        ),
        Mutant("any eps < 1 dominates", {"largest epsilon": sp.Integer(1)}, "square integrable and summable"),
    ),
    reference="von Mises 1936; de Haan and Ferreira 2006, section 1.1; theory of the toolkit, T5c",
    constants={"S_inf": Certificate(lambda: exponential_sum(digits=34), lambda: S_INFINITY_FLOAT)},
    document="theory/t5-equal-mass-rates.md",
)
