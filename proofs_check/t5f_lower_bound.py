"""T5f: a lower bound of the equal-mass distortion at every K >= 2."""

import sympy as sp

from fmq_theory.bounds import equal_mass_lower_bound
from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.instances import finite_moment, laplace_equal_mass
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

K, X, Q, U = sp.symbols("K x q u", positive=True)
TOP, BOTTOM = sp.symbols("V_top V_bottom", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    # Three cells of mass 1/K with second moments s_i and means m_i: T2b's formula, sorted into variances.
    seconds, means = sp.symbols("s_1:4", real=True), sp.symbols("m_1:4", real=True)
    formula = sum(seconds) / K - sum(m**2 for m in means) / K
    variances = [s - m**2 for s, m in zip(seconds, means, strict=True)]
    d.identity(
        "D_EM is the mean of the cells' variances", formula, sum(variances) / K, uses=("finite variance",)
    )
    inner = sp.symbols("V_2:5", nonnegative=True)
    left_out = (BOTTOM + sum(inner) + TOP) / K - claim["bound"]
    d.decided(
        "what is left out is not negative",
        sp.expand(left_out).is_nonnegative,
        f"{sp.expand(left_out)}",
        uses=("D_EM is the mean of the cells' variances",),
    )
    more = sp.Symbol("more", nonnegative=True)  # K = 2 + more; for K = 1 the two cells would be one
    between = sp.simplify((1 - 2 / K).subs(K, 2 + more))
    d.decided(
        "two different cells",
        between.is_nonnegative,
        f"the levels between top and bottom cell have the mass {between}",
        uses=("K >= 2",),
    )
    both = ("what is left out is not negative", "two different cells")
    d.conclude("D_EM(K) >= (1/K)(Var(X | top cell) + Var(X | bottom cell))", uses=both)
    nothing = (BOTTOM + TOP) / K - claim["bound"]  # K = 2: there are no other cells
    d.decided("K = 2: nothing is left out", sp.simplify(nothing) == 0, f"{nothing}")
    d.conclude("with equality at K = 2", uses=("K = 2: nothing is left out", *both))
    _laplace(d, claim)
    _gaussian(d)


def _laplace(d: Derivation, claim: Claim) -> None:
    """Unit Laplace law: D_EM against the bound at every K in the claim, exactly."""
    tail = sp.exp(-X)
    beyond = sp.integrate(tail, (X, Q, sp.oo))
    first, second = (sp.integrate(X**p * tail, (X, Q, sp.oo)) / beyond for p in (1, 2))
    top = sp.simplify(second - first**2)
    d.identity("Laplace: variance beyond any q >= 0", top, sp.Integer(1))
    d.conclude(
        "For the Laplace law the bound is sigma^2/K",
        uses=("Laplace: variance beyond any q >= 0", "what is left out is not negative"),
    )
    for size in claim["sizes"].args:
        exact = laplace_equal_mass(int(size))
        ends = top if size > 1 else sp.Integer(2)  # at K = 1 the cell is the whole line, of variance 2
        bound = claim["bound"].subs({TOP: ends, BOTTOM: ends, K: size})
        difference = sp.N(exact - bound, 30)
        d.holds(
            "Laplace: the bound holds",
            bool(difference > -(10**-20)),
            f"K = {size}: {sp.N(exact, 8)} against {bound}",
        )
    d.deliver("bound laplace K = 4", claim["bound"].subs({TOP: top, BOTTOM: top, K: 4}))


def _gaussian(d: Derivation) -> None:
    """Var(X | X > q) = 1 + q r - r^2 with the hazard rate r = f(q)/P(X > q)."""
    density = sp.exp(-(X**2) / 2) / sp.sqrt(2 * sp.pi)
    survival = sp.integrate(density, (X, Q, sp.oo))
    first, second = (sp.integrate(X**p * density, (X, Q, sp.oo)) / survival for p in (1, 2))
    hazard = density.subs(X, Q) / survival
    d.identity("Gaussian: variance of the top cell", second - first**2, 1 + Q * hazard - hazard**2)
    d.conclude(
        "for the standard Gaussian law (2/K)(1 + q r - r^2)",
        uses=("Gaussian: variance of the top cell", "what is left out is not negative"),
    )


def _bounds_laplace(num_levels: int) -> bool:
    """D_EM(K) >= (1/K)(1 + 1), or at K = 1, where one cell is both ends, (1/K)(2 + 2)."""
    ends = 2 if num_levels > 1 else 4
    return bool(sp.N(laplace_equal_mass(num_levels) - sp.Rational(ends, num_levels), 30) > -(10**-20))


LEMMA = Lemma(
    id="T5f",
    title="equal mass: D_EM >= (1/K)(Var of the top cell + Var of the bottom cell)",
    statement=(
        "For every K >= 2, D_EM(K) >= (1/K)(Var(X | top cell) + Var(X | bottom cell)), with equality at K = "
        "2. For the Laplace law the bound is sigma^2/K; for the standard Gaussian law (2/K)(1 + q r - r^2), "
        "r the hazard rate at the quantile q of level 1 - 1/K."
    ),
    assumptions=(
        Assumption(
            "finite variance",
            "finite variance",
            Counterexample(
                "P(X > x) = x^-nu, nu = 2: the end cells have none", finite_moment(2), holds=3, broken=2
            ),
        ),
        Assumption("K >= 2", "K >= 2", Counterexample("Laplace, K = 1", _bounds_laplace, holds=2, broken=1)),
    ),
    claim={"bound": (TOP + BOTTOM) / K, "sizes": sp.Tuple(2, 3, 4, 7, 16)},
    derive=_derive,
    mutants=(
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
