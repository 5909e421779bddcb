"""Section 5: the ratio of the W2 optimum to uniform, and where it lies in the paper's band."""

import math
from fractions import Fraction

import mpmath as mp
import sympy as sp
from flint import arb

from fmq_theory.bounds.ratios import band_half_ranges, band_sample_sizes
from fmq_theory.certify import law, stationary_codebook
from fmq_theory.certify.enclosure import Enclosure, ball, precision
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.instances import finite_moment, grid_is_high_rate
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

R, K, C, SIGMA, X = sp.symbols("R K C sigma x", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    step = 2 * R / (K - 1)
    optimum, uniform = C / K**2, sp.integrate(X**2, (X, -step / 2, step / 2)) / step
    d.argue(
        "numerator and denominator",
        "K^2 D_LM -> C_PD for a law with a moment above the second (Bucklew and Wise 1982; T3, C_PD), and "
        "D_U ~ R^2/(3(K-1)^2) at fixed R (S4a).",
        uses=("density and moment", "high rate"),
    )
    limit = sp.limit(optimum / uniform, K, sp.oo)
    d.identity("limit in K", limit, claim["limit"], uses=("numerator and denominator",))
    d.conclude("rho_W2 = D_LM/D_U -> 3 C_PD/R^2 as K grows", uses=("limit in K",))
    _lag(d, claim, optimum / uniform / limit)
    falling = sp.diff(limit, R)
    d.decided("strictly decreasing in R", falling.is_negative, f"{falling} < 0")
    # Gaussian of deviation sigma: C_PD from its definition.
    density = sp.exp(-(X**2) / (2 * SIGMA**2)) / (sp.sqrt(2 * sp.pi) * SIGMA)
    third = sp.integrate(sp.powdenest(density ** sp.Rational(1, 3), force=True), (X, -sp.oo, sp.oo))
    constant = sp.simplify(third**3 / 12)
    d.identity("Gaussian: C_PD", constant, sp.sqrt(3) * sp.pi / 2 * SIGMA**2)
    for edge in ("low", "high"):
        rho = claim[f"{edge} rho"]
        solved = sp.solve(sp.Eq(limit.subs(C, constant), rho), R)
        d.decided(f"one R for rho = {rho}", len(solved) == 1, f"R = {solved}")
        d.identity(
            f"Gaussian: R/sigma at rho = {rho}",
            solved[0] / SIGMA,
            claim[edge],
            uses=("limit in K", "Gaussian: C_PD", f"one R for rho = {rho}"),
        )
        d.deliver(f"R/sigma at rho = {rho} gaussian", claim[edge])
    for edge in ("low", "high"):
        rho, end = claim[f"{edge} rho"], claim[edge] * SIGMA
        spare = limit.subs(C, constant) - rho
        d.identity(
            f"if and only if: the sign is that of R_{edge} - R",
            spare,
            (end - R) * (end + R) * rho / R**2,
            uses=("strictly decreasing in R", f"Gaussian: R/sigma at rho = {rho}", "Gaussian weights"),
        )
    d.conclude(
        "limit lies in [1/4, 2/5] if and only if sqrt(3 C_PD/(2/5)) <= R <= sqrt(3 C_PD/(1/4))",
        uses=("if and only if: the sign*",),
    )
    _sample_sizes(d, claim)


def _lag(d: Derivation, claim: Claim, leading: sp.Expr) -> None:
    """K^2 D_LM = C (1 - c/K + o(1/K)) over D_U: both lag, and the lags add up."""
    second, small = sp.Symbol("c", positive=True), sp.Symbol("epsilon", positive=True)  # 1/K
    lagging = sp.simplify((leading * (1 - second / K)).subs(K, 1 / small))
    expansion = sp.series(1 - lagging, small, 0, 2).removeO()
    d.identity(
        "how it is approached: (2 + c)/K below", expansion / small, claim["lag"].subs(sp.Symbol("c"), second)
    )
    d.conclude(
        "If K^2 D_LM = C_PD (1 - c/K + o(1/K)), the ratio is below its limit by (2 + c)/K + o(1/K)",
        uses=("how it is approached: (2 + c)/K below", "limit in K"),
    )
    optimum = float(stationary_codebook(law("gaussian"), 256, digits=12).distortion)
    measured = 256 * (1 - 256**2 * optimum / (math.sqrt(3) * math.pi / 2))
    d.check("Gaussian: c at K = 256", measured, 2.03, within=0.01)


def _sample_sizes(d: Derivation, claim: Claim) -> None:
    """n at the two ends of the band, for two readings of "the R of n weights"."""
    survival = 1 - sp.integrate(sp.exp(-(X**2) / 2) / sp.sqrt(2 * sp.pi), (X, -R, R))
    one_outside = 1 / survival  # n P(|X| > R) = 1
    d.identity("n with one weight in n beyond R", one_outside, claim["typical n"], uses=("Gaussian weights",))
    d.conclude(
        "With n P(|X| > R) = 1 that is n from 1.60e5 to 9.06e7 weights",
        uses=("n with one weight in n beyond R", "Gaussian: R/sigma at rho*"),
    )
    sizes = band_sample_sizes(make("gaussian"))
    for edge, printed, n in (
        ("low", "n high", sizes.high),
        ("high", "n low", sizes.low),
    ):
        rho = claim[f"{edge} rho"]
        typical = claim["typical n"].subs(R, claim[edge])
        d.check(f"n P(|X| > R) = 1 at rho = {rho}, as printed", typical, claim[printed], within=0.02)
        with mp.workdps(20):
            ratio = 3 * mp.sqrt(3) * mp.pi / 2 / _mean_square(n)
        d.agrees(f"3 C_PD/E[R^2] = {rho} at the package's n", ratio, rho, digits=5)
        d.deliver(f"n with n P(|X| > R) = 1 at rho = {rho} gaussian", typical)
    d.conclude("with E[R^2] for R^2, from 1.82e5 to 1.03e8", uses=("3 C_PD/E[R^2] = *", "limit in K"))
    # At finite K: the certified optimum over the high-rate uniform, n = 10^6; on samples 0.27 to 0.35.
    for size, measured in ((16, 0.27), (256, 0.35)):
        optimum = float(stationary_codebook(law("gaussian"), size, digits=12).distortion)
        with mp.workdps(20):
            ratio = optimum * 3 * (size - 1) ** 2 / _mean_square(1e6)
        d.check(f"n = 10^6, K = {size}, as measured", ratio, measured, within=0.05)


def _mean_square(n: float) -> mp.mpf:
    """E[R^2] of n Gaussian weights with independent extremes, which is off by O(1/n) relative."""

    def moment(power: int) -> mp.mpf:
        def integrand(x: mp.mpf) -> mp.mpf:
            return x**power * n * mp.exp((n - 1) * mp.log1p(-mp.erfc(x / mp.sqrt(2)) / 2)) * mp.npdf(x)

        return mp.quad(integrand, [2, 4, 5, 6, 8, 12])

    return (moment(2) + moment(1) ** 2) / 2


def _typical(rho: Fraction) -> Enclosure:
    with precision(220):
        reach = (3 * arb(3).sqrt() * arb.pi() / 2 / ball(rho)).sqrt()
        return Enclosure.of(1 / (reach / arb(2).sqrt()).erfc())


def _typical_float(reach: float) -> float:
    return 0.5 / float(make("gaussian").sf(reach))


def _edge(rho: Fraction) -> Enclosure:
    with precision(180):
        return Enclosure.of((3 * arb(3).sqrt() * arb.pi() / 2 / ball(rho)).sqrt())


LEMMA = Lemma(
    id="S5a",
    title="rho_W2 -> 3 C_PD/R^2; Gaussian: in the paper's band iff 4.52 sigma <= R <= 5.71 sigma",
    statement=(
        "At fixed half-range R, rho_W2 = D_LM/D_U -> 3 C_PD/R^2 as K grows. If K^2 D_LM = C_PD (1 - c/K + "
        "o(1/K)), the ratio is below its limit by (2 + c)/K + o(1/K), relatively; for the Gaussian law c is "
        "2.03 at K = 256, so the lag is about 4/K. For a Gaussian law the "
        "limit lies in [1/4, 2/5] if and only if sqrt(3 C_PD/(2/5)) <= R <= sqrt(3 C_PD/(1/4)), C_PD = (sqrt "
        "3 pi/2) sigma^2. With n P(|X| > R) = 1 that is n from 1.60e5 to 9.06e7 weights; with "
        "E[R^2] for R^2, from 1.82e5 to 1.03e8."
    ),
    assumptions=(
        Assumption(
            "density and moment",
            "a density and a moment above the second",
            Counterexample("nu = 2: C_PD is infinite", finite_moment(2), holds=3, broken=2),
        ),
        Assumption(
            "high rate",
            "D_U has its high-rate form (S4a) at the fixed R",
            Counterexample("Gaussian, R = 5 sigma, K = 2", grid_is_high_rate, holds=64, broken=2),
        ),
        Assumption(
            "Gaussian weights",
            "the band: Gaussian weights",
            Counterexample(
                "C_PD of the Laplace law: the band begins at 5.81 sigma",
                lambda constant: (
                    abs(sp.sqrt(3 * constant / sp.Rational(2, 5)) - sp.Rational(452, 100)) < 0.005
                ),
                holds=sp.sqrt(3) * sp.pi / 2,
                broken=sp.Rational(9, 2),
            ),
        ),
    ),
    claim={
        "limit": 3 * C / R**2,
        "lag": 2 + sp.Symbol("c"),
        "low rho": sp.Rational(1, 4),
        "high rho": sp.Rational(2, 5),
        "low": sp.sqrt(6 * sp.sqrt(3) * sp.pi),
        "high": sp.sqrt(15 * sp.sqrt(3) * sp.pi) / 2,
        "typical n": 1 / sp.erfc(R / sp.sqrt(2)),
        "n low": sp.Integer(160_000),
        "n high": sp.Integer(90_000_000),
    },
    derive=_derive,
    mutants=(
        Mutant("C_PD/R^2: the 1/3 of uniform is lost", {"limit": C / R**2}, "limit in K"),
        Mutant(
            "the lag is that of D_U alone", {"lag": sp.Integer(2)}, "how it is approached: (2 + c)/K below"
        ),
        Mutant("the limit is linear in 1/R", {"limit": 3 * C / R}, "limit in K"),
        Mutant(
            "C_PD of the Laplace law of the same variance",
            {"low": sp.sqrt(54)},
            "Gaussian: R/sigma at rho = 1/4",
        ),
        Mutant(
            "only the upper tail counts",
            {"typical n": 2 / sp.erfc(R / sp.sqrt(2))},
            "n with one weight in n beyond R",
        ),
        Mutant(
            "the band begins at 10^4 weights",
            {"n low": sp.Integer(10_000)},
            "n P(|X| > R) = 1 at rho = 2/5, as printed",
        ),
    ),
    reference="Panter and Dite 1951; Bucklew and Wise 1982; theory of the toolkit, section 5",
    constants={
        "R/sigma at rho = 1/4 gaussian": Certificate(
            lambda: _edge(Fraction(1, 4)), lambda: band_half_ranges(make("gaussian")).high
        ),
        "R/sigma at rho = 2/5 gaussian": Certificate(
            lambda: _edge(Fraction(2, 5)), lambda: band_half_ranges(make("gaussian")).low
        ),
        "n with n P(|X| > R) = 1 at rho = 1/4 gaussian": Certificate(
            lambda: _typical(Fraction(1, 4)),
            lambda: _typical_float(band_half_ranges(make("gaussian")).high),
            float_digits=11,
        ),
        "n with n P(|X| > R) = 1 at rho = 2/5 gaussian": Certificate(
            lambda: _typical(Fraction(2, 5)),
            lambda: _typical_float(band_half_ranges(make("gaussian")).low),
            float_digits=11,
        ),
    },
    document="theory/s5-two-ratios.md",
)
