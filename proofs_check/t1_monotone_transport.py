"""T1: for a non-decreasing quantizer the squared error is a squared Wasserstein distance."""

from itertools import pairwise, permutations

import sympy as sp

from proofs_check.derivation import Derivation, NotProvedError
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

X1, X2, Y1, Y2 = sp.symbols("x x' y y'", real=True)
T = sp.Symbol("t", real=True)

ATOMS = (sp.Integer(-3), sp.Rational(-1, 2), sp.Integer(0), sp.Rational(7, 3), sp.Integer(5))


def _derive(d: Derivation, claim: Claim) -> None:
    # Two points: crossing costs more, by an explicit non-negative amount.
    crossed = (X1 - Y2) ** 2 + (X2 - Y1) ** 2
    straight = (X1 - Y1) ** 2 + (X2 - Y2) ** 2
    d.identity("exchange of two points", crossed - straight, claim["exchange"])
    step, rise = sp.symbols("step rise", nonnegative=True)
    ordered = claim["exchange"].subs({X2: X1 + step, Y2: Y1 + rise})
    d.decided("the exchange never pays", sp.expand(ordered).is_nonnegative, f"{sp.expand(ordered)} >= 0")

    # All couplings: E (X - X')(Y - Y') as an integral of the joint distribution function.
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
    )
    d.argue(
        "upper bound of every coupling",
        "H(s, t) = P(X <= s, Y <= t) <= min(F(s), G(t)); F and G are given, so E XY is greatest where H = "
        "min(F, G).",
    )
    d.argue(
        "monotone Q attains it",
        "Q is non-decreasing, so {X <= s} and {Q(X) <= t} are both of the form {X in a lower half-line}; "
        "one contains the other, and P(both) is the smaller of the two probabilities: H = min(F, G).",
    )
    ex2, ey2, exy, gain = sp.symbols("E_xx E_yy E_xy gain", real=True)
    cost = ex2 + ey2 - 2 * exy
    d.identity("least cost where E XY is greatest", cost - cost.subs(exy, exy + gain), 2 * gain)

    _brute_force(d, claim)
    _layers(d, claim)


def _brute_force(d: Derivation, claim: Claim) -> None:
    """n equal atoms: the couplings' extreme points are the assignments (Birkhoff), so list them all."""
    name = "every assignment of five atoms, by brute force"
    images = [claim["quantizer"](x) for x in ATOMS]
    if not all(image.is_Rational for image in images):
        raise NotProvedError(name, f"{images} are not numbers")
    monotone = all(a <= b for a, b in pairwise(images))
    costs = [sum((x - y) ** 2 for x, y in zip(ATOMS, order, strict=True)) for order in permutations(images)]
    direct = sum((x - y) ** 2 for x, y in zip(ATOMS, images, strict=True))
    d.decided(
        name,
        bool(min(costs) == direct),
        f"least of {len(costs)} costs {min(costs)}, of Q {direct}, Q non-decreasing: {monotone}",
    )


def _layers(d: Derivation, claim: Claim) -> None:
    """Two layers, of two and three weights: the squared norm is the weighted sum of the distortions."""
    norm, total = sp.Integer(0), sp.Integer(0)
    for layer, size in enumerate((2, 3)):
        errors = sp.symbols(f"e_{layer}_:{size}", real=True)
        norm += sum(error**2 for error in errors)
        mean = sum(error**2 for error in errors) / size  # D of the empirical law of the layer
        total += claim["weight"].subs(sp.Symbol("n"), size) * mean
    d.identity("sum over layers", norm, total)


LEMMA = Lemma(
    id="T1",
    title="a non-decreasing quantizer transports optimally: W2^2(mu, Q#mu) = D(Q)",
    statement=(
        "Let mu be a law on the line with finite second moment and Q non-decreasing with E Q(X)^2 finite. "
        "Then (X, Q(X)) is an optimal coupling: W2^2(mu, Q#mu) = E (X - Q(X))^2 = D(Q). For weights theta "
        "quantized layer by layer with non-decreasing Q_l, |theta_q - theta|^2 = sum over layers of n_l "
        "W2^2(mu_l, Q_l#mu_l), mu_l the empirical law of the n_l weights of layer l."
    ),
    assumptions=("E X^2 and E Q(X)^2 are finite", "Q is non-decreasing"),
    claim={
        "exchange": 2 * (X2 - X1) * (Y2 - Y1),
        "quantizer": sp.Lambda(T, 2 * sp.floor(T / 2) + 1),
        "weight": sp.Symbol("n"),
    },
    derive=_derive,
    mutants=(
        Mutant("half the cost of an exchange", {"exchange": (X2 - X1) * (Y2 - Y1)}, "exchange of two points"),
        Mutant(
            "missing assumption: Q may decrease",
            {"quantizer": sp.Lambda(T, 1 - 2 * sp.floor(T / 2))},
            "every assignment of five atoms, by brute force",
        ),
        Mutant("layers are not weighted by their size", {"weight": sp.Integer(1)}, "sum over layers"),
    ),
    reference="Hoeffding 1940; Frechet 1951; theory of the toolkit, T1",
    document="theory/t2-two-transport-problems.md",
)
