"""T1: for a non-decreasing quantizer the squared error is a squared Wasserstein distance."""

from itertools import permutations

import sympy as sp

from proofs_check.assumption import Assumption, Counterexample
from proofs_check.derivation import Derivation
from proofs_check.instances import finite_moment
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

X1, X2, Y1, Y2 = sp.symbols("x x' y y'", real=True)
T = sp.Symbol("t", real=True)

ATOMS = (sp.Integer(-3), sp.Rational(-1, 2), sp.Integer(0), sp.Rational(7, 3), sp.Integer(5))


_MONOTONE, _MOMENTS = "Q is non-decreasing", "second moments"


def _derive(d: Derivation, claim: Claim) -> None:
    # Two points: crossing costs more, by an explicit non-negative amount.
    crossed = (X1 - Y2) ** 2 + (X2 - Y1) ** 2
    straight = (X1 - Y1) ** 2 + (X2 - Y2) ** 2
    d.example("exchange of two points", crossed - straight, claim["exchange"])
    step, rise = sp.symbols("step rise", nonnegative=True)
    ordered = claim["exchange"].subs({X2: X1 + step, Y2: Y1 + rise})
    d.holds("the exchange never pays", sp.expand(ordered).is_nonnegative, f"{sp.expand(ordered)} >= 0")

    _cost(d)
    _joint_distribution(d)
    _layers(d, claim)
    d.conclude(
        "W2^2(mu, Q#mu) = E (X - Q(X))^2 = D(Q)",
        uses=(
            "of the cost only E XY depends on the coupling",
            "E XY is greatest where H is",
            "monotone Q attains it",
        ),
    )
    d.conclude(
        "|theta_q - theta|^2 = sum over layers of n_l W2^2(mu_l, Q_l#mu_l)",
        uses=("sum over layers", "W2^2(mu, Q#mu) = E (X - Q(X))^2 = D(Q)"),
    )


def _cost(d: Derivation) -> None:
    """Any coupling of two laws with three atoms each: p_ij is free, its row and column sums are not."""
    x, y, p = (
        sp.symbols("x_:3", real=True),
        sp.symbols("y_:3", real=True),
        sp.symbols("p_:3:3", nonnegative=True),
    )
    pairs = [(i, j, p[3 * i + j]) for i in range(3) for j in range(3)]
    cost = sum(q * (x[i] - y[j]) ** 2 for i, j, q in pairs)
    rows, columns = ([sum(p[i * a + j * b] for j in range(3)) for i in range(3)] for a, b in ((3, 1), (1, 3)))
    given = sum(m * v**2 for m, v in zip((*rows, *columns), (*x, *y), strict=True))
    product = sum(q * x[i] * y[j] for i, j, q in pairs)
    d.identity("of the cost only E XY depends on the coupling", cost, given - 2 * product, uses=(_MOMENTS,))


def _joint_distribution(d: Derivation) -> None:
    """All couplings: E (X - X')(Y - Y') as an integral of the joint distribution function."""
    gap = sp.Symbol("gap", positive=True)
    d.identity(
        "a difference is an integral of indicators",  # of 1{x <= t < x + gap}
        sp.integrate(sp.Integer(1), (T, X1, X1 + gap)),
        (X1 + gap) - X1,
    )
    d.argue(
        "Hoeffding's formula",
        "Let (X', Y') be an independent copy of (X, Y), both square integrable. Multiply the last step's "
        "formula for X - X' by the one for Y - Y' and take expectations (Fubini: the product is dominated "
        "by |X - X'||Y - Y'|): 2 Cov(X, Y) = 2 * double integral of H(s, t) - F(s) G(t) ds dt, where H is "
        "the joint distribution function and F, G are its marginals.",
        uses=("a difference is an integral of indicators", _MOMENTS),
    )
    both, only_x, only_y = sp.symbols("both only_x only_y", nonnegative=True)  # of {X <= s} and {Y <= t}
    for name, marginal in (("F", both + only_x), ("G", both + only_y)):
        spare = marginal - both
        d.decided(f"H <= {name}", spare.is_nonnegative, f"P(one event) - P(both) = {spare} >= 0")
    d.argue(
        "E XY is greatest where H is",
        "F and G are given and H <= min(F, G), so E XY is greatest where H = min(F, G).",
        uses=("Hoeffding's formula", "H <= F", "H <= G"),
    )
    nested = sp.Min(both + only_x, both + only_y).subs(only_x, 0)
    d.decided("nested events: H = min(F, G)", nested == both, f"P(both) = {nested} if P(only X <= s) = 0")
    d.argue(
        "monotone Q attains it",
        "Q is non-decreasing, so {X <= s} and {Q(X) <= t} are both of the form {X in a lower half-line}; "
        "one contains the other.",
        uses=(_MONOTONE, "nested events: H = min(F, G)"),
    )


def _layers(d: Derivation, claim: Claim) -> None:
    """Two layers, of two and three weights: the squared norm is the weighted sum of the distortions."""
    norm, total = sp.Integer(0), sp.Integer(0)
    i = sp.Symbol("i", integer=True)
    for layer, size in enumerate((2, 3)):
        errors = sp.IndexedBase(f"e_{layer}", real=True)
        norm += sum(errors[k] ** 2 for k in range(1, size + 1))
        mean = sp.summation(errors[i] ** 2, (i, 1, size)) / size  # D of the empirical law of the layer
        total += claim["weight"].subs(sp.Symbol("n"), size) * mean
    d.identity("sum over layers", norm, total)


def _least_of_all_assignments(quantizer: sp.Lambda) -> bool:
    """n equal atoms: the couplings' extreme points are the assignments (Birkhoff), so list them all."""
    images = [quantizer(x) for x in ATOMS]
    costs = [sum((x - y) ** 2 for x, y in zip(ATOMS, order, strict=True)) for order in permutations(images)]
    return bool(min(costs) == sum((x - y) ** 2 for x, y in zip(ATOMS, images, strict=True)))


LEMMA = Lemma(
    id="T1",
    title="a non-decreasing quantizer transports optimally: W2^2(mu, Q#mu) = D(Q)",
    statement=(
        "Let mu be a law on the line with finite second moment and Q non-decreasing with E Q(X)^2 finite. "
        "Then (X, Q(X)) is an optimal coupling: W2^2(mu, Q#mu) = E (X - Q(X))^2 = D(Q). For weights theta "
        "quantized layer by layer with non-decreasing Q_l, |theta_q - theta|^2 = sum over layers of n_l "
        "W2^2(mu_l, Q_l#mu_l), mu_l the empirical law of the n_l weights of layer l."
    ),
    assumptions=(
        Assumption(
            _MOMENTS,
            "E X^2 and E Q(X)^2 are finite",
            Counterexample(
                "P(X > x) = x^-nu, nu = 2: E X^2, a term of the cost, is infinite",
                finite_moment(2),
                holds=3,
                broken=2,
            ),
        ),
        Assumption(
            _MONOTONE,
            "Q is non-decreasing",
            Counterexample(
                "Q decreases on five atoms: another of the 120 assignments costs less",
                _least_of_all_assignments,
                holds=sp.Lambda(T, 2 * sp.floor(T / 2) + 1),
                broken=sp.Lambda(T, 1 - 2 * sp.floor(T / 2)),
            ),
        ),
    ),
    claim={
        "exchange": 2 * (X2 - X1) * (Y2 - Y1),
        "weight": sp.Symbol("n"),
    },
    derive=_derive,
    mutants=(
        Mutant("half the cost of an exchange", {"exchange": (X2 - X1) * (Y2 - Y1)}, "exchange of two points"),
        Mutant("layers are not weighted by their size", {"weight": sp.Integer(1)}, "sum over layers"),
    ),
    reference="Hoeffding 1940; Frechet 1951; theory of the toolkit, T1",
    document="theory/t2-two-transport-problems.md",
)
