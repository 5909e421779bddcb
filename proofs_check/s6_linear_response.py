"""Section 6, G3: linear response, Alekseev and Groebner's formula to first order."""

import math

import sympy as sp
from flint import arb

from fmq_theory.certify.enclosure import Enclosure, precision
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

T, S, X, A = sp.symbols("t s x a", positive=True)
C, EPS = sp.symbols("c epsilon", real=True)
RATE, JERK, SLOPE, LEAD = sp.symbols("L M L_w c_1", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    _variation(d)
    _duhamel(d, claim)
    _remainder(d, claim)
    _affine(d, claim)
    _affine_scalar_response(d)
    _quantized_jacobian(d, claim)
    _riccati(d, claim)


def _variation(d: Derivation) -> None:
    """xhat' = v(xhat) + eps w(xhat): the derivative of xhat in eps at 0."""
    v, w, path, first = (sp.Function(name) for name in ("v", "w", "x", "y"))
    y = first(T)
    moved = path(T) + EPS * y
    field = v(moved) + EPS * w(moved)
    slope = sp.diff(field, EPS).subs(EPS, 0).doit()
    z = sp.Symbol("z")
    jacobian = sp.diff(v(z), z).subs(z, path(T))
    difference = sp.simplify((slope - jacobian * y - w(path(T))).doit())
    d.decided("variational equation y' = J y + w", difference == 0, f"{slope}")


def _duhamel(d: Derivation, claim: Claim) -> None:
    """y = integral of Phi(t, s) w(s) ds, Phi(t, s) = exp of the integral of J from s to t, solves it."""
    primitive, forcing, jacobian = (sp.Function(name) for name in ("Lambda", "w", "J"))
    start, end = sp.Symbol("from"), sp.Symbol("to")
    inner = claim["kernel"].subs({end: 0, start: primitive(S)})  # the kernel is a product
    response = claim["kernel"].subs({start: 0, end: primitive(T)}) * sp.Integral(
        inner * forcing(S), (S, 0, T)
    )
    slope = sp.diff(response, T).subs(sp.diff(primitive(T), T), jacobian(T))
    d.identity(
        "Duhamel: the response solves the variational equation",
        slope,
        jacobian(T) * response + forcing(T),
        uses=("variational equation y' = J y + w",),
    )
    d.argue(
        "in d dimensions",
        "With the matrix Phi(t, s) of d/dt Phi = J Phi, Phi(s, s) = I, the same two terms appear: the upper "
        "end gives w(t), the integrand J(t).",
        uses=("Duhamel: the response solves the variational equation",),
    )


def _remainder(d: Derivation, claim: Claim) -> None:
    """r = e - eps y: r' = J r + [v(x + e) - v(x) - J e] + eps [w(x + e) - w(x)]."""
    v_hat, v_x, w_hat, w_x, jac, e, y = sp.symbols("v_hat v_x w_hat w_x J e y", real=True)
    slope = (v_hat + EPS * w_hat - v_x) - EPS * (jac * y + w_x)
    d.identity(
        "r' = J r + remainders",
        slope,
        jac * (e - EPS * y) + (v_hat - v_x - jac * e) + EPS * (w_hat - w_x),
    )
    eps = sp.Symbol("epsilon", positive=True)
    size = LEAD * eps  # |e| <= c_1 eps by S6a
    forcing = JERK / 2 * size**2 + eps * SLOPE * size
    bound = forcing * (sp.exp(RATE) - 1) / RATE  # G0 for r
    d.identity(
        "remainder over eps^order has a limit",
        sp.limit(bound / eps ** claim["order"], eps, 0),
        bound / eps**2,
    )
    d.argue(
        "order of the remainder",
        "|e| <= c_1 |eps| with c_1 = sup |w| (e^L - 1)/L by S6a; |v(x + e) - v(x) - J e| <= M |e|^2/2 for a "
        "second derivative of v bounded by M on the segment; |w(x + e) - w(x)| <= L_w |e|. So r obeys y' <= "
        "L y + (M c_1^2/2 + L_w c_1) eps^2, and by S6a |r| <= (M c_1^2/2 + L_w c_1) eps^2 (e^L - 1)/L.",
        uses=("r' = J r + remainders", "bounded derivatives", "Jacobians"),
    )
    d.conclude(
        "the remainder is at most (M c_1^2/2 + L_w c_1) eps^2 (e^L - 1)/L",
        uses=("order of the remainder", "remainder over eps^order has a limit"),
    )
    d.conclude(
        "e_1 = integral of Phi(1, s) eps w(x_s) ds + O(eps^2)",
        uses=("in d dimensions", "order of the remainder"),
    )


def _affine(d: Derivation, claim: Claim) -> None:
    """v = a x, v_q = (a + eps c) x: everything in closed form."""
    exact = X * (sp.exp(A + EPS * C) - sp.exp(A))
    path, path_hat = X * sp.exp(A * S), X * sp.exp((A + EPS * C) * S)
    kernel = sp.exp(A * (1 - S))
    response = sp.integrate(kernel * EPS * C * path, (S, 0, 1))
    d.identity("affine: linear response", response, EPS * C * sp.exp(A) * X)
    full = sp.simplify(
        sp.integrate(sp.expand(kernel * EPS * C * path_hat, power_exp=True), (S, 0, 1), conds="none")
    )
    full = sp.simplify(sp.piecewise_fold(full).args[0][0] if full.has(sp.Piecewise) else full)
    d.identity(
        "affine: Alekseev and Groebner's formula is exact", sp.expand(full), sp.expand(exact, power_exp=True)
    )
    leading = sp.series(exact - response, EPS, 0, 3).removeO()
    d.identity("affine: remainder", leading, claim["affine"] * EPS**2, uses=("affine: linear response",))
    value = (exact - response).subs({A: 1, C: 1, X: 1, EPS: sp.Rational(1, 10)})
    d.deliver("remainder, v = x, v_q = 1.1 x, from 1", value)


def _affine_scalar_response(d: Derivation) -> None:
    """v_q - v free of x and v affine: then the linear response is the error, with no remainder."""
    delta, primitive = sp.Function("delta"), sp.Function("Lambda")
    e = sp.exp(primitive(T)) * sp.Integral(sp.exp(-primitive(S)) * delta(S), (S, 0, T))
    # e' = a(t) e + delta(t), whatever x is, because a (x + e) - a x = a e.
    residual = sp.diff(e, T) - sp.diff(primitive(T), T) * e - delta(T)
    d.decided(
        "affine v and v_q - v free of x: no remainder", bool(sp.simplify(residual) == 0), "e' = a e + delta"
    )
    d.conclude(
        "There is no remainder for affine v and w free of x",
        uses=("affine v and v_q - v free of x: no remainder",),
    )


def _quantized_jacobian(d: Derivation, claim: Claim) -> None:
    """y' = J_q y + eps w(x): what is left of e' = v_q(x + e) - v_q(x) + eps w(x) is the curvature of v_q."""
    hat, here, jac, e, y, forcing = sp.symbols("vq_hat vq_x J_q e y f", real=True)
    slope = (hat - here + forcing) - (jac * y + forcing)
    d.identity("J of v_q: r' = J_q r + curvature alone", slope, jac * (e - y) + (hat - here - jac * e))
    kernel = sp.exp((A + EPS * C) * (1 - S))
    response = sp.integrate(sp.powsimp(kernel * EPS * C * X * sp.exp(A * S)), (S, 0, 1), conds="none")
    response = sp.piecewise_fold(response).args[0][0] if response.has(sp.Piecewise) else response
    exact = X * (sp.exp(A + EPS * C) - sp.exp(A))
    d.identity(
        "J of v_q, affine: the response is the error up to this remainder",
        sp.simplify(sp.expand(exact - response, power_exp=True)),
        claim["affine_quantized"],
    )
    d.conclude(
        "the term L_w c_1 of the remainder vanishes, and all of it for affine v_q",
        uses=(
            "J of v_q: r' = J_q r + curvature alone",
            "J of v_q, affine: the response is the error up to this remainder",
        ),
    )


def _riccati(d: Derivation, claim: Claim) -> None:
    """v = -x^2, v_q = -(1 + eps) x^2: flow x/(1 + x t), derivative 1/(1 + x t)^2."""

    def flow(start: sp.Expr, time: sp.Expr, rate: sp.Expr = sp.S.One) -> sp.Expr:
        return start / (1 + rate * start * time)

    rate = 1 + EPS
    d.identity("flow of -(1 + eps) x^2", sp.diff(flow(X, T, rate), T), -rate * flow(X, T, rate) ** 2)
    error = flow(X, 1, rate) - flow(X, 1)
    start = sp.Symbol("z", positive=True)
    sensitivity = sp.diff(flow(start, 1 - S), start)  # Phi(1, s) at z
    along, along_hat = flow(X, S), flow(X, S, rate)
    integrand = sp.factor(sp.simplify((sensitivity * -EPS * start**2).subs(start, along)))
    response = sp.integrate(integrand, (S, 0, 1))
    first = sp.diff(error, EPS).subs(EPS, 0)
    d.identity(
        "nonlinear: the response is the first order of the error",
        response,
        EPS * first,
        uses=("flow of -(1 + eps) x^2",),
    )
    positive = sp.Symbol("epsilon", positive=True)
    integrand = sp.factor(sp.simplify((sensitivity * -EPS * start**2).subs(start, along_hat)))
    full = sp.integrate(integrand.subs(EPS, positive), (S, 0, 1))
    d.identity(
        "nonlinear: Alekseev and Groebner along the quantized path is exact",
        sp.simplify(full),
        sp.simplify(error.subs(EPS, positive)),
        uses=("flow of -(1 + eps) x^2",),
    )
    d.conclude(
        "With Phi and w on the quantized path the formula is exact (Alekseev, Groebner)",
        uses=(
            "affine: Alekseev and Groebner's formula is exact",
            "nonlinear: Alekseev and Groebner along the quantized path is exact",
            "in d dimensions",
        ),
    )
    leading = sp.limit(sp.simplify((error - response) / EPS**2), EPS, 0)
    d.identity(
        "nonlinear: remainder",
        leading,
        claim["riccati"],
        uses=("nonlinear: the response is the first order of the error",),
    )
    d.conclude("Order 2 is reached", uses=("affine: remainder", "nonlinear: remainder"))
    opposite = sp.simplify(response.subs(EPS, -EPS) + response)
    d.identity("it is signed, so no bound", opposite, sp.Integer(0))
    d.conclude("It is a signed prediction, not a bound", uses=("it is signed, so no bound",))


def _remainder_has_order_two(power: sp.Expr) -> bool:
    """v = 0, v_q = eps (1 + x^power) from 0: is e_1 - eps of the order eps^2?"""
    eps = sp.Symbol("epsilon", positive=True)
    # e_1 is at least eps, so the rest is at least eps times the integral of (eps t)^power.
    rest = eps * sp.integrate((eps * T) ** power, (T, 0, 1))
    return bool(sp.limit(rest / eps**2, eps, 0).is_finite)


def _remainder_is_bounded(steepness: sp.Expr) -> bool:
    """v = a x with L = 1 claimed, w = 1: is e_1/eps = (e^a - 1)/a at most c_1 = e - 1?"""
    return bool((sp.exp(steepness) - 1) / steepness <= sp.E - 1)


def _enclosed() -> Enclosure:
    with precision(200):
        return Enclosure.of((arb(11) / 10).exp() - arb(1).exp() * 11 / 10)


LEMMA = Lemma(
    id="S6c",
    title="G3: linear response, with a remainder of order two",
    statement=(
        "v_q = v + eps w. The error of the sample is e_1 = integral of Phi(1, s) eps w(x_s) ds + O(eps^2), "
        "Phi the derivative of the flow of v along the full-precision path; the remainder is at most (M "
        "c_1^2/2 + L_w c_1) eps^2 (e^L - 1)/L. Order 2 is reached. With Phi and w on the quantized path the "
        "formula is exact (Alekseev, Groebner). There is no remainder for affine v and w free of x. With Phi "
        "of v_q's Jacobians along the full-precision path, as the ladder has it, the term L_w c_1 of the "
        "remainder vanishes, and all of it for affine v_q. It is a signed prediction, not a bound."
    ),
    assumptions=(
        Assumption(
            "bounded derivatives",
            "v has a second derivative bounded by M and w a first one bounded by L_w, both between the paths",
            Counterexample(
                "w = 1 + x^(1/2), whose derivative is unbounded at 0: the remainder is of order 3/2",
                _remainder_has_order_two,
                holds=sp.Integer(1),
                broken=sp.Rational(1, 2),
            ),
        ),
        Assumption(
            "Jacobians",
            "L bounds the Jacobians of v and v_q there",
            Counterexample(
                "v = (11/10) x with L = 1",
                _remainder_is_bounded,
                holds=sp.Integer(1),
                broken=sp.Rational(11, 10),
            ),
        ),
    ),
    claim={
        "kernel": sp.exp(sp.Symbol("to") - sp.Symbol("from")),
        "order": sp.Integer(2),
        "affine": C**2 * sp.exp(A) * X / 2,
        "affine_quantized": sp.Integer(0),
        "riccati": X**3 / (1 + X) ** 3,
    },
    derive=_derive,
    mutants=(
        Mutant(
            "the response is transported backwards",
            {"kernel": sp.exp(sp.Symbol("from") - sp.Symbol("to"))},
            "Duhamel: the response solves the variational equation",
        ),
        Mutant(
            "the remainder is of order 3", {"order": sp.Integer(3)}, "remainder over eps^order has a limit"
        ),
        Mutant("affine: no half", {"affine": C**2 * sp.exp(A) * X}, "affine: remainder"),
        Mutant(
            "affine: the Jacobian of v_q leaves as much as that of v",
            {"affine_quantized": C**2 * EPS**2 * sp.exp(A) * X / 2},
            "J of v_q, affine: the response is the error up to this remainder",
        ),
        Mutant("nonlinear: no remainder of order 2", {"riccati": sp.Integer(0)}, "nonlinear: remainder"),
    ),
    reference="Hairer, Norsett and Wanner 1993, I.14; theory of the toolkit, section 6",
    constants={
        "remainder, v = x, v_q = 1.1 x, from 1": Certificate(
            _enclosed, lambda: math.exp(1.1) - 1.1 * math.e, float_digits=12
        )
    },
    document="theory/s6-from-weights-to-samples.md",
)
