"""T5a: the equal-mass distortion of the Laplace law, exactly, at every even K."""

import mpmath as mp
import sympy as sp

from fmq_theory.bounds.equal_mass_sums import equal_mass_sum
from fmq_theory.certify.sums import exponential_partial_sum
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.cells import scaling
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.instances import laplace_equal_mass
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

J, U, W, P, K = sp.symbols("j u w p K", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    x = sp.Symbol("x", positive=True)
    density = sp.exp(-x) / 2  # of the unit Laplace law, on the positive side
    survival = sp.integrate(density.subs(x, W), (W, x, sp.oo))
    # u = P(X > x) on the positive side; cell j holds j/K < u < (j + 1)/K.
    quantile = sp.solve(sp.Eq(survival, U), x)[0]
    d.identity("upper quantile", quantile, -sp.log(2 * U))
    variance = 2 * sp.integrate(x**2 * density, (x, 0, sp.oo))
    d.identity("variance", variance, sp.Integer(2))

    scaling(d)

    # Within cell j: u = w/K with w uniform on [j, j + 1]. -ln(2w/K) differs from -ln w by a constant.
    shift = sp.expand_log(quantile.subs(U, W / K) + sp.log(W))
    d.identity("K only shifts a cell", sp.diff(shift, W), sp.Integer(0), uses=("upper quantile",))
    mean = sp.integrate(-sp.log(W), (W, J, J + 1))
    second = sp.integrate(sp.log(W) ** 2, (W, J, J + 1))
    d.identity("variance of cell j >= 1", second - mean**2, claim["term"])
    top = sp.integrate(sp.log(W) ** 2, (W, 0, 1)) - sp.integrate(sp.log(W), (W, 0, 1)) ** 2
    d.identity("variance of the unbounded cell", top, claim["first"])
    # The same without rescaling: the error of cell j of each side, from the quantile function itself.
    cell = (U, J / K, (J + 1) / K)
    error = sp.integrate(quantile**2, cell) - K * sp.integrate(quantile, cell) ** 2
    d.identity(
        "what cell j of both sides adds",
        2 * error,
        claim["prefactor"].subs(sp.Symbol("variance"), variance) * claim["term"],
        uses=("upper quantile", "variance", "levels are means"),
    )

    d.argue(
        "sum over cells",
        "For even K the median is a threshold, so there are K/2 cells on each side, j = 0 .. K/2 - 1 from "
        "the end, each of mass 1/K: D is the sum of what they add.",
        uses=("K is even", "X is Laplace"),
    )
    d.conclude(
        "D_EM(K) = (variance/K) S_{K/2}",
        uses=(
            "sum over cells",
            "what cell j of both sides adds",
            "variance of cell j >= 1",
            "variance of the unbounded cell",
            "K only shifts a cell",
            "location and scale",
        ),
    )
    for num_levels in claim["sizes"].args:
        _compare_with_definition(d, claim, int(num_levels), variance)
    _limit(d, claim)


def _claimed(claim: Claim, num_levels: int, variance: sp.Expr) -> sp.Expr:
    total = claim["first"] + sum(claim["term"].subs(J, j) for j in range(1, num_levels // 2))
    return claim["prefactor"].subs({K: num_levels, sp.Symbol("variance"): variance}) * total


def _compare_with_definition(d: Derivation, claim: Claim, num_levels: int, variance: sp.Expr) -> None:
    """D = E X^2 - (1/K) sum m_k^2 with m_k = K * integral of the quantile function, by quadrature."""
    with mp.workdps(WORKING_DIGITS):

        def ppf(p: mp.mpf) -> mp.mpf:
            return mp.log(2 * p) if 2 * p < 1 else -mp.log(2 * (1 - p))

        total = mp.mpf(0)
        for k in range(num_levels):
            low, high = mp.mpf(k) / num_levels, mp.mpf(k + 1) / num_levels
            kink = [mp.mpf(1) / 2] if low < mp.mpf(1) / 2 < high else []
            total += (num_levels * mp.quad(ppf, [low, *kink, high])) ** 2
        by_definition = mp.mpf(int(variance)) - total / num_levels
    name = "the definition, by quadrature"
    claimed = _claimed(claim, num_levels, variance)
    d.check(name, by_definition, claimed, within=1e-30)
    d.deliver(f"D_EM({num_levels})/variance laplace", claimed / variance)


def _limit(d: Derivation, claim: Claim) -> None:
    """The terms fall like 1/(12 j^2), so S_N converges: the order in K is 1, not 2."""
    t = sp.Symbol("t", positive=True)  # t = 1/j
    expansion = sp.series(claim["term"].subs(J, 1 / t), t, 0, 3).removeO()
    d.identity("the terms fall like 1/(12 j^2)", expansion, t**2 / 12)
    d.conclude("v_j ~ 1/(12 j^2), so S_N converges", uses=("the terms fall like 1/(12 j^2)",))


def _halves_at_two_levels(side: sp.Expr) -> bool:
    """1 - (E|X|)^2/E X^2 = 1/2, the formula at K = 2, for the even law with this kernel on x > 0."""
    mass, first, second = (sp.integrate(U**p * side, (U, 0, sp.oo)) for p in range(3))
    return sp.simplify(1 - first**2 / (mass * second) - sp.Rational(1, 2)) == 0


def _formula_holds(num_levels: int) -> bool:
    claimed = _claimed(LEMMA.claim, num_levels, sp.Integer(2))
    return bool(abs(sp.N(laplace_equal_mass(num_levels) - claimed, 30)) < sp.Float(10) ** -25)


def _certificate(num_levels: int) -> Certificate:
    half = num_levels // 2
    return Certificate(
        lambda: exponential_partial_sum(half) / num_levels, lambda: equal_mass_sum(half) / num_levels
    )


_TERM = 1 - J * (J + 1) * sp.log(1 + 1 / J) ** 2

LEMMA = Lemma(
    id="T5a",
    title="Laplace, equal mass: D = (variance/K) S_{K/2} exactly",
    statement=(
        "For a Laplace law of any location and scale and every even K the equal-mass quantizer with "
        "centroids has D_EM(K) = (variance/K) S_{K/2}, S_N = sum over j < N of v_j, v_0 = 1, v_j = 1 - j (j "
        "+ 1) ln(1 + 1/j)^2. v_j ~ 1/(12 j^2), so S_N converges."
    ),
    assumptions=(
        Assumption(
            "X is Laplace",
            "X is Laplace",
            Counterexample(
                "X is Gaussian: D_EM(2)/variance is 1 - 2/pi, not S_1/2",
                _halves_at_two_levels,
                holds=sp.exp(-U),
                broken=sp.exp(-(U**2) / 2),
            ),
        ),
        Assumption(
            "K is even",
            "K is even",
            Counterexample("K = 3", _formula_holds, holds=2, broken=3),
        ),
        Assumption(
            "levels are means",
            "levels are the means of their cells",
            Counterexample(
                "the median of the unbounded cell errs by more than its variance 1",
                lambda level: sp.integrate((U - level) ** 2 * sp.exp(-U), (U, 0, sp.oo)) == 1,
                holds=sp.Integer(1),
                broken=sp.log(2),
            ),
        ),
    ),
    claim={
        "term": _TERM,
        "first": sp.Integer(1),
        "prefactor": sp.Symbol("variance") / K,
        "sizes": sp.Tuple(2, 4, 8, 16),
    },
    derive=_derive,
    mutants=(
        Mutant(
            "j^2 in place of j (j + 1)",
            {"term": 1 - J**2 * sp.log(1 + 1 / J) ** 2},
            "variance of cell j >= 1",
        ),
        Mutant(
            "the unbounded cell follows the formula's limit j -> oo",
            {"first": sp.Integer(0)},
            "variance of the unbounded cell",
        ),
        Mutant(
            "half the prefactor",
            {"prefactor": sp.Symbol("variance") / (2 * K)},
            "what cell j of both sides adds",
        ),
    ),
    reference="theory of the toolkit, T5a",
    constants={f"D_EM({K})/variance laplace": _certificate(K) for K in (2, 4, 8, 16)},
    document="theory/t5-equal-mass-rates.md",
)
