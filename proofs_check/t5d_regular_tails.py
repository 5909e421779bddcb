"""T5d: equal mass on laws with regularly varying tails; no density is needed."""

from itertools import pairwise

import mpmath as mp
import sympy as sp

from fmq_theory.bounds.equal_mass_sums import regular_tail_sum
from fmq_theory.certify.sums import regular_sum
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.cells import (
    NU,
    J,
    W,
    popoviciu,
    powers_at_zero,
    regular_sum_exact,
    regular_sum_value,
    regular_term,
)
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

C, K, S, X, S_NU, BIG_J = sp.symbols("C K s x S_nu J", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    quantile = sp.powsimp(sp.solve(sp.Eq(C * X**-NU, S), X)[0], force=True)
    d.identity("upper quantile of the tail", quantile, (C / S) ** (1 / NU))
    size = (C * K) ** (1 / NU)  # q(1 - 1/K), to first order
    d.identity(
        "a cell, rescaled",
        quantile.subs(S, W / K) / size,
        W ** (-1 / NU),
        uses=("upper quantile of the tail",),
    )
    d.argue(
        "convergence of a cell",
        "C x^-nu is inverted by (C/s)^(1/nu), and F_bar(x) ~ C x^-nu implies q(1 - s) ~ (C/s)^(1/nu) as s "
        "-> 0 (both are monotone). So q(1 - w/K)/(C K)^(1/nu) -> w^(-1/nu) for every w > 0. Monotone "
        "functions with a continuous limit converge uniformly on compact sets, so for each j >= 1 the "
        "variance of cell j, divided by (C K)^(2/nu), tends to s_j.",
        uses=("a cell, rescaled", "power tails"),
    )
    _terms(d, claim)
    _remainder(d)
    _law(d, claim, size)
    _student(d, claim)
    for nu in (3, 4, 5):
        d.deliver(f"S_nu nu = {nu}", regular_sum_exact(nu), regular_sum_value(nu))
    _check_pareto(d, claim)
    _check_student(d, claim)


def _terms(d: Derivation, claim: Claim) -> None:
    a = sp.Symbol("a", positive=True)  # 1/nu
    cell = (W, J, J + 1)
    moments = [sp.integrate(W ** (-p), cell, conds="none") for p in (a, 2 * a)]
    moments = [m.args[0][0] if isinstance(m, sp.Piecewise) else m for m in moments]  # the case p != 1
    variance = (moments[1] - moments[0] ** 2).subs(a, 1 / NU)
    d.identity("variance of cell j >= 1", variance, claim["term"])
    critical = powers_at_zero(d)
    least = sp.solve(sp.Eq(2 / NU, critical), NU)[0]
    d.identity(
        "the unbounded cell has a variance iff nu exceeds",
        least,
        claim["least index"],
        uses=("nu > 2", "integral of w^-p*"),
    )
    excess = sp.Symbol("excess", positive=True)  # nu = 2 + excess
    first = sp.integrate(W ** (-1 / (2 + excess)), (W, 0, 1))
    second = sp.integrate(W ** (-2 / (2 + excess)), (W, 0, 1))
    top = sp.simplify((second - first**2).subs(excess, NU - 2))
    d.identity("variance of the unbounded cell", top, NU / ((NU - 2) * (NU - 1) ** 2))
    d.identity(
        "it is the term at j = 0", top, claim["term"].subs(J, 0).subs(NU, 2 + excess).subs(excess, NU - 2)
    )
    d.conclude(
        "s_0 = nu/((nu - 2)(nu - 1)^2)", uses=("variance of the unbounded cell", "it is the term at j = 0")
    )
    d.argue(
        "domination in the unbounded cell",
        "For w <= 1 and K large, q(1 - w/K) <= 2 (C K/w)^(1/nu), whose square is integrable over w in (0, "
        "1) as nu > 2. So the variance of the top cell, rescaled, tends to s_0.",
        uses=("the unbounded cell has a variance iff nu exceeds", "a cell, rescaled"),
    )
    # The terms fall like j^(-2 - 2/nu): expand at w = (j + 1/2)(1 + z h), h = 1/(2j + 1), z in [-1, 1].
    z, h = sp.symbols("z h", positive=True)
    power = sp.series((1 + z * h) ** (-a), h, 0, 3).removeO()
    mean = sp.integrate(power, (z, -1, 1)) / 2
    spread = sp.series(sp.integrate((power - mean) ** 2, (z, -1, 1)) / 2, h, 0, 3).removeO()
    d.identity("the terms fall like j^(-2 - 2/nu)/(12 nu^2)", spread / h**2 / 4, a**2 / 12)
    d.conclude("s_j ~ j^(-2 - 2/nu)/(12 nu^2)", uses=("the terms fall like*", "variance of cell j >= 1"))


def _remainder(d: Derivation) -> None:
    popoviciu(d)
    lengths = sp.symbols("osc_1:5", nonnegative=True)
    surplus = sp.expand(sum(lengths) ** 2 - sum(x**2 for x in lengths))
    d.decided("squares of lengths add up to less than the square", surplus.is_nonnegative, f"{surplus} >= 0")
    d.argue(
        "all other cells together",
        "The cells that are neither among the J top nor the J bottom ones have lengths that add up to at "
        "most q(1 - J/K) - q(J/K). So their variances add up to at most (q(1 - J/K) - q(J/K))^2/4: no "
        "density, no continuity, gaps allowed.",
        uses=("variance of a cell", "squares of lengths add up to less than the square"),
    )
    share = (2 * (C * K / BIG_J) ** (1 / NU)) ** 2 / 4 / (C * K) ** (2 / NU)
    d.identity(
        "their share after rescaling",
        sp.powsimp(sp.expand_power_base(share)),
        BIG_J ** (-2 / NU),
        uses=("all other cells together", "upper quantile of the tail"),
    )
    decay = sp.expand_log(sp.log(BIG_J ** (-2 / NU)), force=True) / sp.log(BIG_J)
    d.decided(
        "it vanishes as J grows",
        sp.simplify(decay).is_negative,
        f"J^({sp.simplify(decay)}), whatever K",
        uses=("their share after rescaling",),
    )


def _law(d: Derivation, claim: Claim, size: sp.Expr) -> None:
    d.argue(
        "sum",
        "Let first K and then J grow: the sum of all variances, divided by (C K)^(2/nu), tends to S_nu for "
        "each side. With mass 1/K a cell, D_EM(K) ~ (1/K)(C K)^(2/nu) * 2 S_nu.",
        uses=(
            "convergence of a cell",
            "domination in the unbounded cell",
            "it vanishes as J grows",
            "variance of cell j >= 1",
            "it is the term at j = 0",
        ),
    )
    both = 2 * size**2 * S_NU / K
    d.identity("both sides", both, claim["constant"] * K ** -claim["order"])
    d.conclude("D_EM(K) ~ 2 C^(2/nu) S_nu K^-(1 - 2/nu)", uses=("sum", "both sides"))
    halving = sp.simplify((K ** -claim["order"]).subs(K, 8 * K) / K ** -claim["order"]).subs(NU, 3)
    d.identity("nu = 3: eight times the levels halve the error", sp.simplify(halving), sp.Rational(1, 2))
    d.conclude(
        "for nu = 3 eight times the levels halve the error",
        uses=("nu = 3: eight times the levels halve the error", "sum"),
    )


def _student(d: Derivation, claim: Claim) -> None:
    """C of Student's t by L'Hopital: F_bar/x^-nu has the limit f/(nu x^(-nu-1))."""
    normalizer = sp.Symbol("c_nu", positive=True)
    density = normalizer * (1 + X**2 / NU) ** (-(NU + 1) / 2)
    y = sp.Symbol("y", positive=True)  # 1/x^2
    base = sp.simplify((density / normalizer) ** (-2 / (NU + 1)) / X**2).subs(X, 1 / sp.sqrt(y))
    leading = normalizer * sp.limit(sp.simplify(base), y, 0) ** (-(NU + 1) / 2)  # of x^(nu+1) f
    d.identity("Student-t: the constant of its tail", leading / NU, claim["student"])
    for nu in (3, 4):
        value = sp.gamma(sp.Rational(nu + 1, 2)) / (sp.sqrt(nu * sp.pi) * sp.gamma(sp.Rational(nu, 2)))
        exact = claim["student"].subs(NU, nu).subs(normalizer, value)
        tail = make("student-t", df=float(nu)).tail
        d.agrees(f"the package's C, nu = {nu}", tail.constant, sp.simplify(exact), digits=13)
    d.conclude(
        "For Student's t C = c_nu nu^((nu - 1)/2)",
        uses=("Student-t: the constant of its tail", "the package's C*"),
    )


def _check_pareto(d: Derivation, claim: Claim) -> None:
    """F_bar = x^-nu/2 for x >= 1, symmetric: here the law is exact at every even K, with S_nu cut at K/2.

    The support has a gap, which the lemma allows.
    """
    nu, num_levels = 3, 64
    with mp.workdps(WORKING_DIGITS):
        total = mp.mpf(0)
        for j in range(num_levels // 2):
            low, high = mp.mpf(j) / num_levels, mp.mpf(j + 1) / num_levels
            first = mp.mpf(3) / 2 * 2 ** (-mp.mpf(1) / 3) * (high ** (mp.mpf(2) / 3) - low ** (mp.mpf(2) / 3))
            total += 2 * (num_levels * first) ** 2
        exact = 3 - total / num_levels  # E X^2 = nu/(nu - 2)
        partial = sum(
            (
                sp.lambdify(J, regular_term(J).subs(NU, nu), "mpmath")(mp.mpf(j))
                for j in range(num_levels // 2)
            ),
            mp.mpf(0),
        )
        law = sp.lambdify((C, NU, S_NU, K), claim["constant"] * K ** -claim["order"], "mpmath")
        claimed = law(mp.mpf(1) / 2, mp.mpf(nu), partial, mp.mpf(num_levels))
    d.check("two-sided Pareto, nu = 3, K = 64", exact, claimed, within=1e-30)


def _check_student(d: Derivation, claim: Claim) -> None:
    """Student-t with nu = 4: quantile function and cell means are elementary."""
    with mp.workdps(30):
        num_levels = 4096

        def ppf(u: mp.mpf) -> mp.mpf:  # u > 1/2
            root = mp.sqrt(4 * u * (1 - u))
            return 2 * mp.sqrt(mp.cos(mp.acos(root) / 3) / root - 1)

        # integral of t f over (x, oo) = (1/2)(1 + x^2/4)^(-3/2)
        half = num_levels // 2
        places = [mp.mpf(0), *(ppf(mp.mpf(k) / num_levels) for k in range(half + 1, num_levels))]
        heights = [*((1 + x**2 / 4) ** mp.mpf(-1.5) / 2 for x in places), mp.mpf(0)]
        exact = 2 - 2 * num_levels * sum((a - b) ** 2 for a, b in pairwise(heights))
        law = sp.lambdify((C, NU, S_NU, K), claim["constant"] * K ** -claim["order"], "mpmath")
        claimed = law(mp.mpf(3), mp.mpf(4), regular_sum_value(4), mp.mpf(num_levels))
    d.check("Student-t, nu = 4, K = 4096", exact, claimed, within=0.02)


def _cells_scale(quantile: sp.Expr) -> bool:
    """Does q(1 - 2/K)/q(1 - 1/K) tend to 2^(-1/nu), nu = 3?"""
    return sp.limit(quantile.subs(S, 2 / K) / quantile.subs(S, 1 / K), K, sp.oo) == 2 ** sp.Rational(-1, 3)


_TWO_NU = 2 / NU

LEMMA = Lemma(
    id="T5d",
    title="equal mass, regularly varying tails: 2 C^(2/nu) S_nu K^-(1 - 2/nu)",
    statement=(
        "If P(X > x) ~ P(X < -x) ~ C x^-nu with nu > 2, then D_EM(K) ~ 2 C^(2/nu) S_nu K^-(1 - 2/nu), S_nu "
        "= sum over j >= 0 of s_j, s_j = Var(U^(-1/nu)) for U uniform on (j, j + 1). With unequal constants "
        "2 C^(2/nu) becomes C_+^(2/nu) + C_-^(2/nu), where a lighter tail counts as 0. With a slowly "
        "varying factor: D_EM(K) ~ (S_nu/K)(q(1 - 1/K)^2 + q(1/K)^2). No density and no continuity are "
        "needed, and the support may have gaps. "
        "s_0 = nu/((nu - 2)(nu - 1)^2), s_j ~ j^(-2 - 2/nu)/(12 nu^2); for nu "
        "= 3 eight times the levels halve the error. For Student's t C = c_nu nu^((nu - 1)/2), c_nu the "
        "constant of its density."
    ),
    assumptions=(
        Assumption(
            "nu > 2",
            "nu > 2",
            Mutant(
                "nu > 1 is enough",
                {"least index": sp.Integer(1)},
                "the unbounded cell has a variance iff nu exceeds",
            ),
        ),
        Assumption(
            "power tails",
            "P(X > x) ~ C_+ x^-nu and P(X < -x) ~ C_- x^-nu",
            Counterexample(
                "an exponential tail: q(1 - 2/K)/q(1 - 1/K) -> 1, not 2^(-1/nu)",
                _cells_scale,
                holds=S ** sp.Rational(-1, 3),
                broken=-sp.log(S),
            ),
        ),
    ),
    claim={
        "term": regular_term(J),
        "least index": sp.Integer(2),
        "constant": 2 * C**_TWO_NU * S_NU,
        "order": 1 - _TWO_NU,
        "student": sp.Symbol("c_nu", positive=True) * NU ** ((NU - 1) / 2),
    },
    derive=_derive,
    mutants=(
        Mutant("C^(1/nu)", {"constant": 2 * C ** (1 / NU) * S_NU}, "both sides"),
        Mutant("order 2/nu", {"order": _TWO_NU}, "both sides"),
        Mutant("order 2, as for the optimum", {"order": sp.Integer(2)}, "both sides"),
        Mutant(
            "variance without the squared mean",
            {"term": ((J + 1) ** (1 - _TWO_NU) - J ** (1 - _TWO_NU)) / (1 - _TWO_NU)},
            "variance of cell j >= 1",
        ),
        Mutant(
            "Student-t: C = c_nu nu^((nu + 1)/2)",
            {"student": sp.Symbol("c_nu", positive=True) * NU ** ((NU + 1) / 2)},
            "Student-t: the constant of its tail",
        ),
    ),
    reference="theory of the toolkit, T5d",
    constants={
        f"S_nu nu = {nu}": Certificate(
            lambda n=nu: regular_sum(n, digits=34), lambda n=nu: regular_tail_sum(float(n)), float_digits=12
        )
        for nu in (3, 4, 5)
    },
    document="theory/t5-equal-mass-rates.md",
)
