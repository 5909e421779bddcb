"""T5f: a lower bound of the equal-mass distortion at every K >= 2."""

from itertools import pairwise

import sympy as sp

from fmq_theory.bounds import equal_mass_lower_bound
from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.sources import make
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

K, X, Q, U = sp.symbols("K x q u", positive=True)
TOP, BOTTOM = sp.symbols("V_top V_bottom", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    # Three cells of mass 1/K with second moments s_i and means m_i: T2b's formula, sorted into variances.
    seconds, means = sp.symbols("s_1:4", real=True), sp.symbols("m_1:4", real=True)
    formula = sum(seconds) / K - sum(m**2 for m in means) / K
    variances = [s - m**2 for s, m in zip(seconds, means, strict=True)]
    d.identity("D_EM is the mean of the cells' variances", formula, sum(variances) / K)
    inner = sp.symbols("V_2:5", nonnegative=True)
    left_out = (BOTTOM + sum(inner) + TOP) / K - claim["bound"]
    d.decided(
        "what is left out is not negative", sp.expand(left_out).is_nonnegative, f"{sp.expand(left_out)}"
    )
    d.argue(
        "two different cells",
        "For K >= 2 the top and the bottom cell are different cells; for K = 1 they are one, and D_EM(1) = "
        "Var X is half of what the formula would say.",
    )
    _laplace(d, claim)
    _gaussian(d)


def _laplace(d: Derivation, claim: Claim) -> None:
    """Unit Laplace law: D_EM against the bound at every K in the claim, exactly."""
    tail = sp.exp(-X)
    beyond = sp.integrate(tail, (X, Q, sp.oo))
    first, second = (sp.integrate(X**p * tail, (X, Q, sp.oo)) / beyond for p in (1, 2))
    top = sp.simplify(second - first**2)
    d.identity("Laplace: variance beyond any q >= 0", top, sp.Integer(1))
    for size in claim["sizes"].args:
        exact = _laplace_distortion(int(size))
        ends = top if size > 1 else sp.Integer(2)  # at K = 1 the cell is the whole line, of variance 2
        bound = claim["bound"].subs({TOP: ends, BOTTOM: ends, K: size})
        difference = sp.N(exact - bound, 30)
        d.decided(
            "Laplace: the bound holds",
            bool(difference > -(10**-20)),
            f"K = {size}: {sp.N(exact, 8)} against {bound}",
        )
        if size == 2:
            d.identity("equality at K = 2", exact, bound)
    d.deliver("bound laplace K = 4", claim["bound"].subs({TOP: top, BOTTOM: top, K: 4}))


def _laplace_distortion(size: int) -> sp.Expr:
    """2 - (1/K) sum of m_k^2, from the primitive of the quantile function, for even and odd K."""
    v = sp.Symbol("v", positive=True)
    upper = sp.integrate(-sp.log(2 * v), v)  # of the upper quantile at level 1 - v

    def primitive(level: sp.Rational) -> sp.Expr:  # of the quantile function from 0 to level
        distance = min(level, 1 - level)
        # By symmetry the integral from 0 to level is minus the one of the outer tail of mass `distance`.
        return -(upper.subs(v, distance) if distance else sp.Integer(0))

    ends = [primitive(sp.Rational(k, size)) for k in range(size + 1)]
    means = [size * (b - a) for a, b in pairwise(ends)]
    return sp.expand(2 - sum(m**2 for m in means) / size)


def _gaussian(d: Derivation) -> None:
    """Var(X | X > q) = 1 + q r - r^2 with the hazard rate r = f(q)/P(X > q)."""
    density = sp.exp(-(X**2) / 2) / sp.sqrt(2 * sp.pi)
    survival = sp.integrate(density, (X, Q, sp.oo))
    first, second = (sp.integrate(X**p * density, (X, Q, sp.oo)) / survival for p in (1, 2))
    hazard = density.subs(X, Q) / survival
    d.identity("Gaussian: variance of the top cell", second - first**2, 1 + Q * hazard - hazard**2)


LEMMA = Lemma(
    id="T5f",
    title="equal mass: D_EM >= (1/K)(Var of the top cell + Var of the bottom cell)",
    statement=(
        "For every K >= 2, D_EM(K) >= (1/K)(Var(X | top cell) + Var(X | bottom cell)), with equality at K = "
        "2. For the Laplace law the bound is sigma^2/K; for the standard Gaussian law (2/K)(1 + q r - r^2), "
        "r the hazard rate at the quantile q of level 1 - 1/K."
    ),
    assumptions=("finite variance", "K >= 2"),
    claim={"bound": (TOP + BOTTOM) / K, "sizes": sp.Tuple(2, 3, 4, 7, 16)},
    derive=_derive,
    mutants=(
        Mutant("missing assumption: K = 1 included", {"sizes": sp.Tuple(1, 2)}, "Laplace: the bound holds"),
        Mutant(
            "the end cells count twice",
            {"bound": 2 * (TOP + BOTTOM) / K},
            "what is left out is not negative",
        ),
        Mutant("not divided by K", {"bound": TOP + BOTTOM}, "what is left out is not negative"),
    ),
    reference="theory of the toolkit, T5f",
    constants={
        "bound laplace K = 4": Certificate(
            lambda: Enclosure.of("1/2"), lambda: equal_mass_lower_bound(make("laplace"), 4).value
        )
    },
    document="theory/t5-equal-mass-rates.md",
)
