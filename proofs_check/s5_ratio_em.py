"""Section 5: the ratio of equal mass to uniform grows with K and passes 1."""

import mpmath as mp
import sympy as sp

from fmq_theory.bounds.equal_mass_sums import S_INFINITY as S_INFINITY_FLOAT
from fmq_theory.bounds.equal_mass_sums import equal_mass_sum
from fmq_theory.bounds.ratios import predicted_crossover_bits, rho_em
from fmq_theory.certify.sums import exponential_partial_sum, exponential_sum_by_integral
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.cells import NU, S_INFINITY, TERM, J, exponential_sum_value
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.instances import grid_is_high_rate
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

R, K, SIGMA, S, TOTAL, W = sp.symbols("R K sigma S S_inf w", positive=True)
CELLS = sp.Symbol("N", positive=True)  # K = 2N


def _derive(d: Derivation, claim: Claim) -> None:
    step = 2 * R / (K - 1)
    uniform = sp.integrate(W**2, (W, -step / 2, step / 2)) / step
    laplace = SIGMA**2 / K * S  # T5a, S = S_{K/2}
    ratio = laplace / uniform
    d.identity("Laplace: the ratio", ratio, claim["laplace"], uses=("high rate",))
    d.conclude("rho_EM = 3 (sigma/R)^2 (K-1)^2 S_{K/2}/K exactly", uses=("Laplace: the ratio",))
    _monotone(d, ratio)
    slope = sp.limit(ratio.subs(S, TOTAL) / K, K, sp.oo)
    d.identity("Laplace: rho/K", slope, claim["slope"], uses=("Laplace: the ratio",))
    d.identity(
        "where the line passes 1",
        sp.solve(sp.Eq(slope * K, 1), K)[0],
        claim["crossover"],
        uses=("Laplace: rho/K",),
    )
    d.conclude(
        "rho_EM/K -> 3 S_inf sigma^2/R^2, crossover K* ~ R^2/(3 S_inf sigma^2)",
        uses=("Laplace: rho/K", "where the line passes 1"),
    )
    count = sp.Symbol("n", positive=True)
    quantile = sp.solve(sp.Eq(sp.exp(-W) / 2, 1 / count), W)[0]  # one weight in n beyond it, sigma^2 = 2
    reach = claim["crossover"].subs(R, quantile * SIGMA / sp.sqrt(2))
    d.identity(
        "with the R of n weights (S4a)",
        sp.limit(reach / sp.log(count) ** 2, count, sp.oo),
        1 / (6 * TOTAL),
        uses=("where the line passes 1",),
    )
    d.conclude("about ln(n)^2/(6 S_inf) on n weights", uses=("with the R of n weights (S4a)",))
    _table(d, claim)
    _exponents(d, claim)
    with mp.workdps(WORKING_DIGITS):
        value = 3 * exponential_sum_value()
    d.deliver("rho_EM R^2/(K sigma^2) laplace", 3 * S_INFINITY, value)
    four = claim["laplace"].subs({K: 4, S: 1 + TERM.subs(J, 1)}) * R**2 / SIGMA**2
    d.deliver("rho_EM R^2/sigma^2 laplace K = 4", four)


def _monotone(d: Derivation, ratio: sp.Expr) -> None:
    """v_j > 0 and (K-1)^2/K increases: the ratio rises strictly from K = 2 to infinity."""
    d.argue(
        "the terms are variances",
        "v_j is the variance of -ln w, w uniform on [j, j + 1] (T5a), so positive: S_{K/2} increases.",
    )
    grown = sp.factor(sp.diff(ratio.subs(S, 1), K) * K**2)
    sign = sp.simplify(grown.subs(K, 1 + W))  # K = 1 + w > 1
    d.decided("(K-1)^2/K increases for K > 1", sign.is_positive, f"{sign} > 0")
    start = ratio.subs({K: 2, S: 1})
    d.identity("start, at K = 2", start, 3 * SIGMA**2 / (2 * R**2))
    end = sp.limit(ratio.subs(S, 1), K, sp.oo)
    d.decided("no bound", end == sp.oo, f"limit {end}, with S >= v_0 = 1", uses=("Laplace: the ratio",))
    d.argue(
        "one crossover",
        "If R^2 > 3 sigma^2/2 the ratio is below 1 at K = 2, increases strictly over the even K and has no "
        "bound: it passes 1 exactly once.",
        uses=("the terms are variances", "(K-1)^2/K increases for K > 1", "start, at K = 2", "no bound"),
    )
    d.conclude(
        "strictly increasing, without bound; so it passes 1 once if R^2 > 3 sigma^2/2",
        uses=("one crossover", "Laplace: the ratio"),
    )


def _table(d: Derivation, claim: Claim) -> None:
    """Laplace, R = (sigma/sqrt 2) ln 10^6: the first even K with rho > 1, against the line's prediction."""
    with mp.workdps(WORKING_DIGITS):
        term = sp.lambdify(J, TERM, "mpmath")
        squared = mp.log(10) ** 2 * 18  # (R/sigma)^2
        exact = sp.lambdify((K, S, R, SIGMA), claim["laplace"], "mpmath")
        total, size = mp.mpf(1), 2
        while exact(size, total, mp.sqrt(squared), mp.mpf(1)) <= 1:
            total, size = total + term(mp.mpf(size) / 2), size + 2
        line = squared / (3 * exponential_sum_value())
    d.check("Laplace, n = 10^6: first even K above 1, and the line plus 2", size, line + 2, within=0.05)


def _exponents(d: Derivation, claim: Claim) -> None:
    """Orders of D_EM from T5a-T5e over K^-2, at fixed R."""
    excess = sp.Symbol("e", positive=True)
    laws = {
        "bounded": K**-2,
        "exponential": 1 / K,
        "gaussian": 1 / (K * sp.log(K)),
        "regular": K ** (-(1 - 2 / NU)),
    }
    for name, order in laws.items():
        rise = K * sp.diff(sp.log(order / K**-2), K)
        exponent = sp.limit(sp.simplify(rise), K, sp.oo)
        d.identity(f"exponent of rho_EM in K, {name} tails", exponent, claim[name])
    steeper = (claim["regular"] - 1).subs(NU, 2 + excess)
    d.holds("power tails: steeper than K", sp.simplify(steeper).is_positive, f"{steeper} > 0")
    d.example("power tails, nu -> oo", sp.limit(claim["regular"], NU, sp.oo), claim["exponential"])
    d.argue(
        "orders of D_EM",
        "T5e: K^-2 (bounded, density bounded below); T5c: K^-1 (1/r constant far out); T5b: 1/(K ln K); T5d: "
        "K^-(1 - 2/nu).",
    )
    d.conclude(
        "By tail rho_EM is of the order 1 (bounded, density bounded below), K/ln K (Gaussian), K "
        "(exponential tails), K^(1 + 2/nu) (power tails, nu > 2)",
        uses=("orders of D_EM", "exponent of rho_EM in K*", "high rate"),
    )
    # The Gaussian values that the theory prints, from K = 32 on, where the high-rate D_U is in force.
    gaussian = make("gaussian")
    for bits, printed in ((5, 1.14), (6, 2.0), (7, 3.5), (8, 6.2)):
        d.check(f"Gaussian, n = 10^6, b = {bits}", rho_em(gaussian, 2**bits, 1e6), printed, within=0.03)
    crossing = predicted_crossover_bits(gaussian, 1e6)
    d.holds(
        "Gaussian, n = 10^6: b* from 4 to 5", crossing is not None and 4 < crossing < 5, f"b* = {crossing}"
    )


LEMMA = Lemma(
    id="S5b",
    title="rho_EM grows like K times a tail factor and passes 1",
    statement=(
        "At fixed half-range R, rho_EM = D_EM/D_U with D_U = R^2/(3(K-1)^2). Laplace, even K: rho_EM = 3 "
        "(sigma/R)^2 (K-1)^2 S_{K/2}/K exactly, strictly increasing, without bound; so it passes 1 once if "
        "R^2 > 3 sigma^2/2, and rho_EM/K -> 3 S_inf sigma^2/R^2, crossover K* ~ R^2/(3 S_inf sigma^2), about "
        "ln(n)^2/(6 S_inf) on n weights. By tail rho_EM is of the order 1 (bounded, density bounded below), "
        "K/ln K (Gaussian), K (exponential tails), K^(1 + 2/nu) (power tails, nu > 2)."
    ),
    assumptions=(
        Assumption(
            "high rate",
            "D_U has its high-rate form (S4a) at the fixed R; at few levels it is only a formula",
            Counterexample("Gaussian, R = 5 sigma, K = 2", grid_is_high_rate, holds=64, broken=2),
        ),
    ),
    claim={
        "laplace": 3 * SIGMA**2 * (K - 1) ** 2 * S / (K * R**2),
        "slope": 3 * SIGMA**2 * TOTAL / R**2,
        "crossover": R**2 / (3 * SIGMA**2 * TOTAL),
        "bounded": sp.Integer(0),
        "exponential": sp.Integer(1),
        "gaussian": sp.Integer(1),
        "regular": 1 + 2 / NU,
    },
    derive=_derive,
    mutants=(
        Mutant(
            "the ratio is constant in K, as for the W2 optimum",
            {"laplace": 3 * SIGMA**2 * S / R**2},
            "Laplace: the ratio",
        ),
        Mutant("the slope lacks S_inf", {"slope": 3 * SIGMA**2 / R**2}, "Laplace: rho/K"),
        Mutant("crossover linear in R", {"crossover": R / (3 * SIGMA * TOTAL)}, "where the line passes 1"),
        Mutant(
            "power tails: no steeper than K",
            {"regular": sp.Integer(1)},
            "exponent of rho_EM in K, regular tails",
        ),
        Mutant(
            "bounded support grows too", {"bounded": sp.Integer(1)}, "exponent of rho_EM in K, bounded tails"
        ),
    ),
    reference="T5a-T5e, S4a; theory of the toolkit, section 5",
    constants={
        "rho_EM R^2/(K sigma^2) laplace": Certificate(
            lambda: exponential_sum_by_integral(digits=36) * 3, lambda: 3 * S_INFINITY_FLOAT
        ),
        "rho_EM R^2/sigma^2 laplace K = 4": Certificate(
            lambda: exponential_partial_sum(2, digits=36) * 27 / 4, lambda: 27 / 4 * equal_mass_sum(2)
        ),
    },
    document="theory/s5-two-ratios.md",
)
