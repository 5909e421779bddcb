"""Section 4: the uniform quantizer on the range of n weights, and the law of that range."""

import mpmath as mp
import sympy as sp
from flint import arb

from fmq_theory.bounds.range_law import range_law
from fmq_theory.certify.enclosure import Enclosure, precision
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.instances import finite_moment
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

R, K, H, N, X, U, NU, C = sp.symbols("R K h n x u nu C", positive=True)
P = sp.Symbol("p", nonnegative=True)
COUNT = sp.Symbol("n", integer=True, positive=True)
F = sp.Symbol("F", positive=True)
_DRAWS = 10


def _derive(d: Derivation, claim: Claim) -> None:
    step = 2 * R / (K - 1)
    _every_data(d, claim, step)
    _high_rate(d, claim, step)
    _law_of_range(d, claim)
    _uniform_range(d, claim)
    _exponential_range(d, claim)
    _growth(d, claim)


def _every_data(d: Derivation, claim: Claim, step: sp.Expr) -> None:
    """A point at distance t from the level below it and step - t from the one above."""
    unknown = sp.Symbol("h_", positive=True)
    found = sp.solve(sp.Eq((K - 1) * unknown, 2 * R), unknown)[0]
    d.identity("K levels from end to end", found, step)
    middle = sp.solve(sp.Eq(X, found - X), X)[0]  # the farthest point is as far from the next level
    d.identity(
        "squared bound", middle**2, claim["bound"], uses=("K levels from end to end", "nearest levels")
    )
    # t = step/(2 (1 + p)), p >= 0, is every 0 < t <= step/2; the other half is its mirror image.
    surplus = sp.factor(sp.simplify(H**2 / 4 - (H / (2 * (1 + P))) ** 2))
    d.decided("no point is farther than half a step", surplus.is_nonnegative, f"{surplus} >= 0")
    d.conclude("Always D_U <= (R/(K-1))^2", uses=("squared bound", "no point is farther than half a step"))
    # Two weights at the ends (which the range needs), the other n - 2 in the middle of a step.
    worst = (1 - 2 / N) * middle**2
    d.identity("the constant is sharp", sp.limit(worst, N, sp.oo), claim["bound"])
    d.conclude("no smaller constant holds for all data", uses=("the constant is sharp",))


def _high_rate(d: Derivation, claim: Claim, step: sp.Expr) -> None:
    t = sp.Symbol("t", real=True)
    slope = sp.Symbol("slope", real=True)
    cell = (t, -H / 2, H / 2)
    d.example(
        "a density linear over a cell",
        sp.integrate(t**2 * (1 + slope * t), cell) / sp.integrate(1 + slope * t, cell),
        H**2 / 12,
    )
    d.identity("high rate", (sp.integrate(t**2, cell) / H).subs(H, step), claim["high rate"])
    # Uniform on the range itself: K - 2 whole cells and two half ones at the ends, density 1/(2R).
    whole = sp.integrate(t**2, cell) / (2 * R)
    half = sp.integrate(t**2, (t, 0, H / 2)) / (2 * R)
    exact = ((K - 2) * whole + 2 * half).subs(H, step)
    d.identity("uniform on the range: exact at every K", exact, R**2 / (3 * (K - 1) ** 2))
    d.conclude(
        "for the uniform law the two are equal", uses=("uniform on the range: exact at every K", "high rate")
    )
    # Any density f of bounded variation: t^2 - h^2/12 integrates to 0 over a whole and over a half cell.
    d.identity("a constant does not count", sp.integrate(t**2 - H**2 / 12, (t, 0, H / 2)), sp.Integer(0))
    root = H / (2 * sp.sqrt(3))
    positive = sp.integrate(t**2 - H**2 / 12, (t, root, H / 2))
    negative = sp.integrate(H**2 / 12 - t**2, (t, 0, root))
    d.identity("absolute moment of half a cell", positive + negative, H**3 / (18 * sp.sqrt(3)))
    # Subtracting the midrange of f, |f - midrange| <= osc/2, on both halves of the cell:
    error = 2 * (positive + negative) / 2
    d.identity(
        "half of it, times the oscillation",
        error,
        claim["variation"] * H**3,
        uses=("absolute moment of half a cell",),
    )
    d.argue(
        "locally uniform density",
        "Let f have total variation V on the range. In each cell replace f by f minus its midrange there, "
        "which is at most half the oscillation in size; the oscillations add up to at most V. So |D_U - "
        "h^2/12| <= h^3 V/(18 sqrt 3) for a law with density f on its range: relative error O(V h), h = "
        "2R/(K-1).",
        uses=(
            "a constant does not count",
            "half of it, times the oscillation",
            "bounded variation",
            "high rate",
        ),
    )
    d.conclude("|D_U - R^2/(3(K-1)^2)| <= h^3 V/(18 sqrt 3), h = 2R/(K-1)", uses=("locally uniform density",))


def _law_of_range(d: Derivation, claim: Claim) -> None:
    low, high = sp.symbols("y x", real=True)
    cdf = sp.Function("F")
    d.argue(
        "independence",
        "The weights are independent, so P(y < min, max <= x) = (F(x) - F(y))^n; y -> -oo gives P(max <= x) "
        "= F(x)^n.",
        uses=("independent weights",),
    )
    joint = (cdf(high) - cdf(low)) ** COUNT
    density = -sp.diff(joint, low, high)
    both = sp.diff(cdf(high), high) * sp.diff(cdf(low), low)
    d.identity(
        "joint density of (min, max)",
        sp.simplify(density / both),
        COUNT * (COUNT - 1) * (cdf(high) - cdf(low)) ** (COUNT - 2),
        uses=("independence",),
    )
    # In the coordinates u = F(max) >= v = F(min); n = m + 2.
    m = sp.Symbol("m", integer=True, nonnegative=True)
    v = sp.Symbol("v", positive=True)
    maximum = sp.integrate(((m + 2) * (m + 1) * v**m), (v, 0, U))  # v: the width u - F(min)
    cdf_of_max = sp.integrate(maximum, (U, 0, F))
    d.identity(
        "law of the maximum",
        cdf_of_max.subs(m, COUNT - 2),
        claim["max"],
        uses=("joint density of (min, max)",),
    )
    d.conclude("P(max <= x) = F(x)^n", uses=("law of the maximum", "independence"))


def _uniform_range(d: Derivation, claim: Claim) -> None:
    """n uniforms on (0, 1): the width w = max - min has a Beta(n - 1, 2) law."""
    w, y = sp.symbols("w y", positive=True)
    m = sp.Symbol("m", integer=True, nonnegative=True)  # n = m + 2
    joint = (m + 2) * (m + 1) * w**m
    density = sp.integrate(joint, (y, 0, 1 - w))
    moment = sp.integrate(sp.expand(w**2 * density), (w, 0, 1))
    total = sp.integrate(sp.expand(density), (w, 0, 1))
    d.identity("it is a density", total, sp.Integer(1), uses=("joint density of (min, max)",))
    # On [-a, a] the half-range is R = a w.
    d.identity("E[R^2] of n uniform weights", sp.simplify(moment).subs(m, COUNT - 2), claim["uniform"])
    d.conclude(
        "E[R^2] = a^2 n(n-1)/((n+1)(n+2)) for n weights uniform on [-a, a]",
        uses=("E[R^2] of n uniform weights", "it is a density"),
    )
    d.deliver(f"E[R^2]/a^2 uniform n = {_DRAWS}", claim["uniform"].subs(COUNT, _DRAWS))


def _exponential_range(d: Derivation, claim: Claim) -> None:
    """E[max] = integral of 1 - F^n; with u = F(x) = 1 - e^-x, dx = du/(1 - u)."""
    cdf = 1 - sp.exp(-X)
    d.identity("change of variable", sp.diff(cdf, X), 1 - cdf)
    # (u^(n-1) - u^n)/(1 - u) = u^(n-1): the n-th draw adds 1/n.
    integrand = sp.simplify((U ** (COUNT - 1) - U**COUNT) / (1 - U))
    d.identity("the n-th draw", integrand, U ** (COUNT - 1))
    added = sp.integrate(U ** (COUNT - 1), (U, 0, 1))
    d.identity(
        "what the n-th draw adds to E[max], exponential",
        added,
        claim["exponential"],
        uses=("change of variable", "the n-th draw", "law of the maximum"),
    )
    first = sp.integrate(X * sp.exp(-X), (X, 0, sp.oo))
    d.identity("one draw", first, sp.harmonic(1))
    d.conclude(
        "E[max] = 1 + 1/2 + ... + 1/n for the exponential law",
        uses=("what the n-th draw adds to E[max], exponential", "one draw"),
    )
    d.example("E[max] - ln n", sp.limit(sp.harmonic(N) - sp.log(N), N, sp.oo), sp.EulerGamma)
    # Laplace: on x > 0, F = 1 - e^-x/2 runs over (1/2, 1); on x < 0, F = e^x/2.
    above = sp.integrate(U ** (COUNT - 1), (U, sp.Rational(1, 2), 1))
    d.identity("what the n-th draw adds above the median, Laplace", above, (1 - 2**-COUNT) / COUNT)
    below = sp.integrate((sp.exp(-X) / 2) ** COUNT, (X, 0, sp.oo))
    d.identity("what lies below the median, Laplace", below, 2**-COUNT / COUNT)
    exact = sum((1 - sp.Rational(1, 2**k)) / k for k in range(1, _DRAWS + 1))
    exact -= below.subs(COUNT, _DRAWS)
    with mp.workdps(WORKING_DIGITS):
        by_quadrature = mp.quad(
            lambda x: 1 - (1 - mp.exp(-x) / 2) ** _DRAWS - (mp.exp(-x) / 2) ** _DRAWS, [0, 1, 4, 16, 64, 200]
        )
    d.check(f"E[max] laplace n = {_DRAWS}, by quadrature", by_quadrature, exact, within=1e-30)
    d.conclude(
        "of n Laplace weights E[max] is the sum of (1 - 2^-k)/k over k <= n, less 2^-n/n",
        uses=(
            "what the n-th draw adds above the median, Laplace",
            "what lies below the median, Laplace",
            "law of the maximum",
        ),
    )
    d.deliver(f"E[max] laplace n = {_DRAWS}", exact)


def _growth(d: Derivation, claim: Claim) -> None:
    """x with P(X > x) = 1/n, by tail."""
    laplace = sp.solve(sp.Eq(sp.exp(-X) / 2, 1 / N), X)[0]
    scaled = sp.limit(laplace / sp.log(N), N, sp.oo) / sp.sqrt(2)  # sigma = sqrt 2
    d.identity("Laplace: growth in units of sigma ln n", scaled, claim["laplace"])
    power = sp.solve(sp.Eq(C * X**-NU, 1 / N), X)[0]
    d.identity("power tails: growth", sp.powsimp(power, force=True), (C * N) ** claim["power"])
    log_n, excess = sp.symbols("l e", positive=True)
    for factor, sign in ((1 + excess, -1), (1 / (1 + excess), 1)):
        reached = claim["gaussian"].subs(sp.log(N), log_n) * factor
        # n P(X > x) = e^(ln n - x^2/2) up to powers of x.
        exponent = sp.factor(sp.simplify(log_n - reached**2 / 2))
        d.decided(
            "Gaussian: n P(X > x) at (1 + e)^-+1 times the growth",
            exponent.is_negative if sign < 0 else exponent.is_positive,
            f"exponent {exponent}",
        )
    d.argue(
        "from the quantile to the maximum",
        "P(max <= x) = (1 - P(X > x))^n tends to 1 where n P(X > x) -> 0 and to 0 where it -> oo. So "
        "max/(growth) -> 1 in probability for Gaussian and Laplace tails (Mills' ratio supplies the powers "
        "of x); E[R^2]/(growth)^2 -> 1 by uniform integrability, as R^2 has all moments.",
        uses=("law of the maximum", "Laplace: growth*", "Gaussian: n P(X > x)*"),
    )
    d.conclude(
        "R ~ sigma sqrt(2 ln n) for Gaussian and (sigma/sqrt 2) ln n for Laplace weights",
        uses=("from the quantile to the maximum",),
    )
    # Power tails: n P(X > max) tends to a unit exponential E, so max ~ (C n/E)^(1/nu): no constant limit.
    a, e = sp.symbols("a e", positive=True)
    moment = sp.integrate(e**-a * sp.exp(-e), (e, 0, sp.oo), conds="none")
    d.identity("moment of E^-a", moment, sp.gamma(1 - a))
    first, second = moment, moment.subs(a, 2 * a)
    # ((E_1^-a + E_2^-a)/2)^2, E_1 and E_2 independent: expand, and take the mean of each power.
    e1, e2 = sp.symbols("e_1 e_2", positive=True)
    means = {(2, 0): second, (0, 2): second, (1, 1): first**2}
    square = sum(c * means[powers] for powers, c in sp.Poly(((e1 + e2) / 2) ** 2, e1, e2).terms())
    d.identity(
        "power tails: E[R^2]/(C n)^(2/nu)",
        sp.expand(square),
        claim["power square"].subs(NU, 1 / a),
        uses=("moment of E^-a",),
    )
    d.argue(
        "power tails: the ratio stays random",
        "max/(C n)^(1/nu) converges in law to E^(-1/nu), E a unit exponential, and not to a number; max and "
        "-min become independent. The second moments converge for nu > 2 (regular variation of the tail "
        "gives uniform integrability).",
        uses=("power tails: growth", "power tails of index above 2", "independent weights"),
    )
    d.conclude(
        "E[R^2] ~ (C n)^(2/nu) (Gamma(1 - 2/nu) + Gamma(1 - 1/nu)^2)/2, while R/(C n)^(1/nu) stays random",
        uses=("power tails: E[R^2]/(C n)^(2/nu)", "power tails: the ratio stays random"),
    )


def _within_half_a_step(share: sp.Expr) -> bool:
    """A weight at this share of the step above a level that is coded to it: is it within half a step?"""
    return bool(share**2 <= sp.Rational(1, 4))


def _close_to_high_rate(atom: sp.Expr) -> bool:
    """A law with an atom of this mass in the middle of a cell, else uniform: does D_U tend to h^2/12?"""
    t = sp.Symbol("t", real=True)
    inside = sp.integrate(t**2, (t, -H / 2, H / 2)) / H
    return sp.limit(((1 - atom) * inside + atom * H**2 / 4) / (H**2 / 12), H, 0) == 1


def _law_of_two(overlap: sp.Expr) -> bool:
    """Two weights that are equal with this probability, else independent: is P(max <= x) = F(x)^2?"""
    return sp.simplify((1 - overlap) * F**2 + overlap * F - F**2) == 0


def _laplace_maximum() -> Enclosure:
    """E[max] of Laplace draws by the digamma function and the series of ln 2."""
    with precision(180):
        half = arb(1) / 2
        # sum of 1/k is psi(n + 1) + gamma; the sum of 2^-k/k over all k is ln 2, less the terms k > n.
        harmonic = arb(_DRAWS + 1).digamma() + arb.const_euler()
        beyond = sum((half**k / k for k in range(_DRAWS + 1, 200)), arb(0))
        beyond += arb(0, 2.0**-200)  # the rest is below 2^-199/200
        return Enclosure.of(harmonic - (arb(2).log() - beyond) - half**_DRAWS / _DRAWS)


LEMMA = Lemma(
    id="S4a",
    title="uniform on the range of n weights: D_U <= (R/(K-1))^2, and the law of R",
    statement=(
        "K >= 2 levels from the smallest to the largest weight, R the half-range. Always D_U <= "
        "(R/(K-1))^2, and no smaller constant holds for all data. For a density of total variation V on the "
        "range |D_U - R^2/(3(K-1)^2)| <= h^3 V/(18 sqrt 3), h = 2R/(K-1); for the uniform law the two are "
        "equal. P(max <= x) = F(x)^n. E[R^2] = a^2 n(n-1)/((n+1)(n+2)) for n weights uniform on [-a, "
        "a]; E[max] = 1 + 1/2 + ... + 1/n for the exponential law; of n Laplace weights E[max] is the sum "
        "of (1 - "
        "2^-k)/k over k <= n, less 2^-n/n. R ~ sigma sqrt(2 ln n) for Gaussian and "
        "(sigma/sqrt 2) ln n for Laplace weights; R is of the order (C n)^(1/nu) for power tails, and "
        "E[R^2] ~ (C n)^(2/nu) (Gamma(1 - 2/nu) + Gamma(1 - 1/nu)^2)/2, while R/(C n)^(1/nu) stays random."
    ),
    assumptions=(
        Assumption(
            "nearest levels",
            "nearest levels",
            Counterexample(
                "a weight just beyond the middle, coded to the lower level",
                _within_half_a_step,
                holds=sp.Rational(1, 2),
                broken=sp.Rational(51, 100),
            ),
        ),
        Assumption(
            "bounded variation",
            "high rate: the law has a density of bounded variation on its range",
            Counterexample(
                "an atom of 1/100 in the middle of a cell",
                _close_to_high_rate,
                holds=sp.Integer(0),
                broken=sp.Rational(1, 100),
            ),
        ),
        Assumption(
            "independent weights",
            "law of the range: n independent weights",
            Counterexample(
                "two weights that are equal once in a hundred times",
                _law_of_two,
                holds=sp.Integer(0),
                broken=sp.Rational(1, 100),
            ),
        ),
        Assumption(
            "power tails of index above 2",
            "nu > 2 for E[R^2] of power tails",
            Counterexample("nu = 2: E[R^2] is infinite", finite_moment(2), holds=3, broken=2),
        ),
    ),
    claim={
        "bound": (R / (K - 1)) ** 2,
        "high rate": R**2 / (3 * (K - 1) ** 2),
        "variation": 1 / (18 * sp.sqrt(3)),
        "max": F**COUNT,
        "uniform": COUNT * (COUNT - 1) / ((COUNT + 1) * (COUNT + 2)),
        "exponential": 1 / COUNT,
        "gaussian": sp.sqrt(2 * sp.log(N)),
        "laplace": 1 / sp.sqrt(2),
        "power": 1 / NU,
        "power square": (sp.gamma(1 - 2 / NU) + sp.gamma(1 - 1 / NU) ** 2) / 2,
    },
    derive=_derive,
    mutants=(
        Mutant("K steps in place of K - 1", {"bound": (R / K) ** 2}, "squared bound"),
        Mutant("a quarter of the bound", {"high rate": R**2 / (4 * (K - 1) ** 2)}, "high rate"),
        Mutant(
            "locally uniform: half the error",
            {"variation": 1 / (36 * sp.sqrt(3))},
            "half of it, times the oscillation",
        ),
        Mutant("the maximum of n - 1 weights", {"max": F ** (COUNT - 1)}, "law of the maximum"),
        Mutant(
            "a lost factor n + 2",
            {"uniform": COUNT * (COUNT - 1) / (COUNT + 1) ** 2},
            "E[R^2] of n uniform weights",
        ),
        Mutant(
            "each draw adds as much as the last but one",
            {"exponential": 1 / (COUNT + 1)},
            "what the n-th draw adds to E[max], exponential",
        ),
        Mutant(
            "Gaussian: sqrt(ln n)",
            {"gaussian": sp.sqrt(sp.log(N))},
            "Gaussian: n P(X > x) at (1 + e)^-+1 times the growth",
        ),
        Mutant("Laplace: sigma ln n", {"laplace": sp.Integer(1)}, "Laplace: growth in units of sigma ln n"),
        Mutant("power tails: (C n)^(2/nu)", {"power": 2 / NU}, "power tails: growth"),
        Mutant(
            "power tails: max and -min are equal, not independent",
            {"power square": sp.gamma(1 - 2 / NU)},
            "power tails: E[R^2]/(C n)^(2/nu)",
        ),
    ),
    reference="Leadbetter, Lindgren and Rootzen 1983, chapter 1; theory of the toolkit, section 4",
    constants={
        f"E[R^2]/a^2 uniform n = {_DRAWS}": Certificate(
            lambda: Enclosure.of("15/22"),
            lambda: range_law(make("uniform"), _DRAWS).half_range_squared,
            float_digits=10,
        ),
        f"E[max] laplace n = {_DRAWS}": Certificate(
            _laplace_maximum, lambda: range_law(make("laplace"), _DRAWS).expected_max, float_digits=10
        ),
    },
    document="theory/s4-uniform.md",
)
