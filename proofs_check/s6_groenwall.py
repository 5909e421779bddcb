"""Section 6: the continuous rungs G0, G1, G2 from a velocity error to an error of the sample."""

import math

import sympy as sp
from flint import arb

from fmq_theory.certify.enclosure import Enclosure, precision
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

T, S, U, L, DELTA, X = sp.symbols("t s u L delta x", positive=True)
MU, EPS = sp.symbols("mu epsilon", real=True)
OMEGA = sp.Symbol("omega", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    _split(d)
    _norm(d)
    _constant_rate(d, claim)
    _varying_rate(d)
    _segment(d, claim)
    _logarithmic_norm(d)
    _rotation(d, claim)


def _split(d: Derivation) -> None:
    """e' = [v_q(xhat) - v_q(x)] + [v_q(x) - v(x)]: the Jacobian of v_q, the error of v_q on the path x."""
    f = sp.Function("f")
    e = sp.Symbol("e", real=True)
    # Polynomial fields, which are dense among those with a continuous derivative on the segment.
    first, second = (sum(c * U**k for k, c in enumerate(sp.symbols(f"{a}_:5", real=True))) for a in "ab")
    mean_slope = sp.integrate(sp.expand(sp.diff(first, U).subs(U, X + S * e)), (S, 0, 1))
    d.identity(
        "e' is the mean slope times e, plus the error on the path x",
        first.subs(U, X + e) - second.subs(U, X),
        mean_slope * e + (first - second).subs(U, X),
    )
    primitive = f(X + S * e)
    slope = sp.diff(primitive, S).doit()
    chain = e * sp.Subs(sp.Derivative(f(U), U), U, X + S * e)
    d.decided("chain rule on the segment", bool(sp.simplify((slope - chain).doit()) == 0), f"{slope}")
    d.argue(
        "mean Jacobian",
        "So v_q(xhat) - v_q(x) = A e, A(t) the mean over s in [0, 1] of the Jacobian of v_q at x + s e: the "
        "segment between the paths, not one path. Hence |A| <= L_x(t), the supremum on the segment, and "
        "|e'| <= L_x |e| + delta, delta(t) = |v_q(x_t) - v(x_t)| <= L_theta |theta_q - theta|.",
        uses=(
            "e' is the mean slope times e, plus the error on the path x",
            "chain rule on the segment",
            "smooth",
            "segment",
        ),
    )


def _norm(d: Derivation) -> None:
    """|e| is not differentiable at 0: use y = sqrt(|e|^2 + eps^2) and let eps -> 0."""
    e = sp.Matrix([sp.Function(f"e_{i}")(T) for i in (1, 2, 3)])
    square = e.dot(e)
    y = sp.sqrt(square + EPS**2)
    d.identity("y' = <e, e'>/y", sp.diff(y, T), e.dot(e.diff(T)) / y)
    # <e, e'> <= mu |e|^2 + delta |e|; with |e|^2 = y^2 - eps^2:
    size = sp.Symbol("y", positive=True)
    bound = MU * (size**2 - EPS**2) / size
    d.identity("mu |e|^2/y", bound, MU * size - MU * EPS**2 / size)
    small = sp.Symbol("eps", positive=True)
    extra = sp.Symbol("extra", nonnegative=True)  # y = eps + extra
    d.decided(
        "eps^2/y <= eps",
        sp.simplify(small - small**2 / (small + extra)).is_nonnegative,
        "so y' <= mu y + |mu| eps + delta for either sign of mu, as |e| <= y",
    )
    d.argue(
        "eps -> 0",
        "y' - mu y - delta - |mu| eps <= 0 and y(0) = eps. Multiply by the integrating factor (next step), "
        "integrate, and let eps -> 0: |e(1)| <= integral of exp(integral of mu from s to 1) delta(s) ds. The "
        "bound only used <e, A e> <= mu |e|^2, which holds with mu = L_x, and with mu = mu_2 below.",
        uses=("mean Jacobian", "y' = <e, e'>/y", "mu |e|^2/y", "eps^2/y <= eps", "Euclidean"),
    )


def _constant_rate(d: Derivation, claim: Claim) -> None:
    y = sp.Function("y")(T)
    factor = sp.exp(-L * T)
    d.identity("integrating factor", sp.diff(factor * y, T), factor * (sp.diff(y, T) - L * y))
    bound = sp.integrate(sp.exp(L * (1 - S)) * DELTA, (S, 0, 1))
    d.identity("G0", bound, claim["G0"] * DELTA, uses=("integrating factor",))
    # The scalar fields v = L x and v_q = L x + delta reach it.
    solution = sp.dsolve(sp.Eq(sp.diff(y, T), L * y + DELTA), y, ics={y.subs(T, 0): 0}).rhs
    d.identity("G0 is reached by an affine field", solution.subs(T, 1), claim["G0"] * DELTA)
    d.conclude("G0 is reached", uses=("G0 is reached by an affine field",))
    d.example("L -> 0: no growth", sp.limit(claim["G0"], L, 0), sp.Integer(1))
    d.deliver("(e^L - 1)/L at L = 1", claim["G0"].subs(L, 1))


def _varying_rate(d: Derivation) -> None:
    rate, primitive, delta = (sp.Function(name) for name in ("L", "Lambda", "delta"))
    inside = sp.Integral(sp.exp(-primitive(S)) * delta(S), (S, 0, T))
    bound = sp.exp(primitive(T)) * inside
    slope = sp.diff(bound, T).subs(sp.diff(primitive(T), T), rate(T))
    d.identity("G1 solves y' = L(t) y + delta(t)", slope, rate(T) * bound + delta(T))
    d.decided("G1 starts at 0", bound.subs(T, 0).doit() == 0, "the integral is over no time")
    # exp(int_s^1 L(u) du) with L(u) = L - slack(u), slack >= 0.
    slack = sp.Symbol("slack", nonnegative=True)
    ratio = sp.simplify(sp.exp(L * (1 - S)) / sp.exp(L * (1 - S) - slack))
    d.decided("G1 <= G0", sp.log(ratio).is_nonnegative, f"the kernel is smaller by {1 / ratio}")
    solved = ("eps -> 0", "G1 solves y' = L(t) y + delta(t)", "G1 starts at 0")
    d.conclude("with L_x (G1)", uses=solved)
    d.conclude("<= delta (e^L - 1)/L for constants L and delta (G0)", uses=("G1 <= G0", "G0", *solved))


def _segment(d: Derivation, claim: Claim) -> None:
    """v = 0, v_q = 1 + x^2, x_t = 0: the Jacobian 2x of v_q vanishes on the path and not off it."""
    field = 1 + X**2
    error = sp.dsolve(sp.Eq(sp.Function("e")(T).diff(T), 1 + sp.Function("e")(T) ** 2)).rhs
    start = sp.solve(error.subs(T, 0), sp.Symbol("C1"))[0]
    error = sp.simplify(error.subs(sp.Symbol("C1"), start))
    d.identity("v_q = 1 + x^2 from 0", sp.diff(error, T), field.subs(X, error))
    d.decided("its error exceeds delta", bool(error.subs(T, 1) > 1), f"{error.subs(T, 1)} > 1")
    d.conclude(
        "The bounds are false with L_x taken on the path x alone",
        uses=("v_q = 1 + x^2 from 0", "its error exceeds delta"),
    )
    steepest = sp.diff(field, X).subs(X, claim["segment"] * error)  # 2x at the far end of the piece used
    kernel = sp.exp(sp.integrate(steepest.subs(T, U), (U, S, 1)))
    bound = sp.integrate(sp.simplify(kernel), (S, 0, 1))
    difference = sp.N(bound - error.subs(T, 1), 30)
    d.holds(
        "L_x on the segment bounds the error",
        bool(difference >= 0),
        f"bound {sp.N(bound, 8)}, error tan 1 = {sp.N(error.subs(T, 1), 8)}",
    )
    d.deliver("error of v_q = 1 + x^2, v = 0", error.subs(T, 1))


def _logarithmic_norm(d: Derivation) -> None:
    """<e, J e> = <e, S e> <= mu_2 |e|^2, S = (J + J^T)/2."""
    jacobian = sp.Matrix(3, 3, sp.symbols("j_1:4_1:4", real=True))
    e = sp.Matrix(sp.symbols("e_1:4", real=True))
    symmetric = (jacobian + jacobian.T) / 2
    d.identity("only the symmetric part counts", e.dot(jacobian * e), sp.expand(e.dot(symmetric * e)))
    weight = sp.symbols("w_1:4", nonnegative=True)
    gaps = sp.symbols("gap_1:3", nonnegative=True)  # lambda_i = mu_2 - gap_i in the eigenbasis, w_i = e_i^2
    form = MU * weight[0] + sum((MU - g) * w for g, w in zip(gaps, weight[1:], strict=True))
    surplus = sp.expand(MU * sum(weight) - form)
    d.decided("<e, S e> <= mu_2 |e|^2", surplus.is_nonnegative, f"{surplus} >= 0")
    d.argue(
        "G2",
        "The spectral theorem gives the eigenbasis in every dimension. mu_2 is the greatest eigenvalue of "
        "S, so convex in J (a supremum of linear functions): mu_2 of the mean Jacobian A is at most its "
        "supremum on the segment, which takes the place of L_x. As <e, J e> <= |J| |e|^2, mu_2 <= |J|: G2 "
        "<= G1.",
        uses=("only the symmetric part counts", "<e, S e> <= mu_2 |e|^2"),
    )
    d.conclude(
        "|e_1| <= integral of exp(int_s^1 mu_2) delta(s) ds (G2)",
        uses=("G2", "eps -> 0", "G1 solves y' = L(t) y + delta(t)", "G1 starts at 0"),
    )


def _rotation(d: Derivation, claim: Claim) -> None:
    """J = rate I + omega * quarter turn: the flow contracts where the norm of J sees growth."""
    rate = claim["rotation rate"]
    jacobian = sp.Matrix([[-1, OMEGA], [-OMEGA, -1]])
    value = sp.Symbol("lambda")

    def eigenvalues(matrix: sp.Matrix) -> list[sp.Expr]:
        return sp.solve((matrix - value * sp.eye(2)).det(), value)

    values = eigenvalues((jacobian + jacobian.T) / 2)
    d.decided("one eigenvalue of the symmetric part", len(values) == 1, f"{values}")
    d.identity(
        "mu_2 of a contracting rotation", values[0], rate, uses=("one eigenvalue of the symmetric part",)
    )
    d.identity("|J|^2", eigenvalues(jacobian.T * jacobian)[0], 1 + OMEGA**2)
    turn = sp.exp(-T) * sp.Matrix(
        [[sp.cos(OMEGA * T), sp.sin(OMEGA * T)], [-sp.sin(OMEGA * T), sp.cos(OMEGA * T)]]
    )
    residual = sp.simplify(turn.diff(T) - jacobian * turn)
    d.decided("its flow", residual.is_zero_matrix is True, "Phi' = J Phi, Phi(0) = I")
    squared = sp.simplify((turn.T * turn)[0, 0])
    d.identity("|Phi(t)|^2 = e^(2 mu_2 t)", squared, sp.exp(2 * rate * T), uses=("its flow",))
    d.conclude(
        "mu_2 can be negative where |J| > 1: a contracting rotation has |Phi(t)| = e^(mu_2 t)",
        uses=("mu_2 of a contracting rotation", "|J|^2", "|Phi(t)|^2 = e^(2 mu_2 t)"),
    )


def _groenwall_holds(share: sp.Expr) -> bool:
    """v = 0, v_q = 1 + x^2: is tan 1 at most the bound with L_x taken on this share of the segment?"""
    steepest = 2 * share * sp.tan(U)
    bound = sp.integrate(sp.simplify(sp.exp(sp.integrate(steepest, (U, S, 1)))), (S, 0, 1))
    return bool(sp.N(bound - sp.tan(1), 20) >= 0)


def _one_solution(power: sp.Expr) -> bool:
    """v_q = |x|^power at 0: has x' = x^power, x(0) = 0 no solution besides 0?"""
    if power >= 1:
        return True
    other = ((1 - power) * T) ** (1 / (1 - power))
    return sp.simplify(sp.diff(other, T) - other**power) != 0


def _norm_grows_by_mu(weight: int) -> bool:
    """The norm sqrt(e_1^2 + weight e_2^2), J a quarter turn, mu_2 = 0: does |e| stay where it is?"""
    first, second = sp.symbols("e_1 e_2", real=True)
    return sp.simplify(first * second - weight * second * first) == 0  # half the derivative of its square


def _expm1() -> Enclosure:
    with precision(180):
        return Enclosure.of(arb(1).expm1())


def _tan() -> Enclosure:
    with precision(180):
        return Enclosure.of(arb(1).tan())


LEMMA = Lemma(
    id="S6a",
    title="G0, G1, G2: from the error of the velocity to the error of the sample",
    statement=(
        "Two flows from the same noise, x' = v(x, t) and xhat' = v_q(xhat, t), e = xhat - x, delta(t) = "
        "|v_q(x_t, t) - v(x_t, t)| along the full-precision path x. Let L_x(t) be the supremum of the norm "
        "of the Jacobian of the quantized field v_q on the segment between x_t and xhat_t, mu_2(t) that of "
        "its logarithmic norm. Then |e_1| <= integral of exp(int_s^1 mu_2) delta(s) ds (G2) <= the same "
        "with L_x (G1) <= delta (e^L - 1)/L for constants L and delta (G0); G0 is reached. With delta <= "
        "L_theta |theta_q - theta| G0 is Lemma 1 of the paper as reconstructed. The bounds are false with "
        "L_x taken on the path x alone: v = 0, v_q = 1 + x^2 has L_x = 0 there, delta = 1 and e_1 = tan 1. "
        "mu_2 can be negative where |J| > 1: a contracting rotation has |Phi(t)| = e^(mu_2 t)."
    ),
    assumptions=(
        Assumption(
            "smooth",
            "v_q is continuously differentiable in x; both flows exist on [0, 1]",
            Counterexample(
                "v_q = |x|^(1/2), delta = 0: two flows from 0",
                _one_solution,
                holds=sp.Integer(1),
                broken=sp.Rational(1, 2),
            ),
        ),
        Assumption(
            "segment",
            "L_x and mu_2 are those of v_q, on the whole segment between the two paths at each time",
            Counterexample(
                "v_q = 1 + x^2, L_x on the full-precision path only",
                _groenwall_holds,
                holds=sp.Integer(1),
                broken=sp.Integer(0),
            ),
        ),
        Assumption(
            "Euclidean",
            "the norm is Euclidean",
            Counterexample(
                "|e|^2 = e_1^2 + 2 e_2^2 under a quarter turn, mu_2 = 0", _norm_grows_by_mu, holds=1, broken=2
            ),
        ),
    ),
    claim={"G0": (sp.exp(L) - 1) / L, "segment": sp.Integer(1), "rotation rate": sp.Integer(-1)},
    derive=_derive,
    mutants=(
        Mutant("e^L: the error does not start at once", {"G0": sp.exp(L)}, "G0"),
        Mutant("e^L/L", {"G0": sp.exp(L) / L}, "G0"),
        Mutant(
            "mu_2 is the norm",
            {"rotation rate": sp.sqrt(1 + OMEGA**2)},
            "mu_2 of a contracting rotation",
        ),
    ),
    reference="Hairer, Norsett and Wanner 1993, I.10; Soederlind 2006; theory of the toolkit, section 6",
    constants={
        "(e^L - 1)/L at L = 1": Certificate(_expm1, lambda: math.expm1(1.0)),
        "error of v_q = 1 + x^2, v = 0": Certificate(_tan, lambda: math.tan(1.0)),
    },
    document="theory/s6-from-weights-to-samples.md",
)
