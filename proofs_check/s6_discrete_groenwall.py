"""Section 6, G4: the ladder for the sampler that is used: Euler, midpoint, Heun."""

import math

import sympy as sp
from flint import arb

from fmq_theory.certify.enclosure import Enclosure, precision
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

H, L, E, DELTA, D1, D2, Z = sp.symbols("h L e delta delta_1 delta_2 z", positive=True)
K, N = sp.symbols("k N", integer=True, positive=True)
MU, OMEGA = sp.symbols("mu omega", positive=True)
_STEPS = 10


def _derive(d: Derivation, claim: Claim) -> None:
    d.argue(
        "one evaluation",
        "|v_q(yhat) - v(y)| <= |v_q(yhat) - v_q(y)| + |v_q(y) - v(y)| <= L |yhat - y| + delta_i at every "
        "stage i: L the Lipschitz constant of v_q on the segment between the two stages, delta_i the error "
        "of v_q at the full-precision stage y.",
        uses=("stages",),
    )
    steps = _one_step(d, claim)
    _below_exponential(d, claim)
    _product(d)
    _constant(d, claim, steps)
    _no_logarithmic_norm(d, claim)


def _one_step(d: Derivation, claim: Claim) -> dict[str, sp.Expr]:
    """The worst case: v = L x, v_q = v + delta_i at stage i, run through the scheme itself."""
    x = sp.Symbol("x", real=True)

    def run(scheme: str, start: sp.Expr, errors: tuple[sp.Expr, sp.Expr]) -> sp.Expr:
        first = L * start + errors[0]
        if scheme == "euler":
            return start + H * first
        reach = H / 2 if scheme == "midpoint" else H
        second = L * (start + reach * first) + errors[1]
        return start + (H * second if scheme == "midpoint" else H / 2 * (first + second))

    zero = (sp.Integer(0), sp.Integer(0))
    steps = {
        name: sp.expand(run(name, x + E, (D1, D2)) - run(name, x, zero))
        for name in ("euler", "midpoint", "heun")
    }
    forcing = {
        "euler": H * D1,
        "midpoint": H * (D2 + H * L / 2 * D1),
        "heun": H / 2 * ((1 + H * L) * D1 + D2),
    }
    for name, step in steps.items():
        amplification = sp.expand(sp.diff(step, E).subs(H, Z / L))
        d.identity(f"{name}: amplification", amplification, claim[name], uses=("one evaluation",))
        d.identity(f"{name}: what a step adds", step.subs(E, 0), forcing[name], uses=("one evaluation",))
    return steps


def _below_exponential(d: Derivation, claim: Claim) -> None:
    """A Taylor polynomial of e^z with the rest positive: all remaining terms are."""
    rest = sp.Symbol("r", positive=True)
    term = rest**N / sp.factorial(N)
    d.decided("terms of e^z", term.is_positive, f"{term} > 0 for z > 0")
    for name, order in (("euler", 1), ("midpoint", 2), ("heun", 2)):
        taylor = sp.series(sp.exp(Z), Z, 0, order + 1).removeO()
        d.identity(
            f"{name}: the amplification is a part of e^(hL)", claim[name], taylor, uses=("terms of e^z",)
        )


def _product(d: Derivation) -> None:
    """y_k = sum over j < k of b_j prod over j < i < k of P_i: the first steps, and the induction."""
    amplify, force, bound = sp.symbols("P_k b_k y_k", positive=True)
    factors, forces = sp.symbols("P_0:4", positive=True), sp.symbols("b_0:4", positive=True)

    def product_form(k: int) -> sp.Expr:
        return sum(forces[j] * sp.prod(factors[j + 1 : k]) for j in range(k))

    for k in (2, 3):
        d.identity(
            f"product form: step {k}",
            factors[k] * product_form(k) + forces[k],
            sp.expand(product_form(k + 1)),
        )
    slack = sp.Symbol("slack", nonnegative=True)
    kept = sp.expand(amplify * bound + force - (amplify * (bound - slack) + force))
    d.decided("induction keeps the inequality", kept.is_nonnegative, f"{kept} >= 0", uses=("h > 0",))
    d.argue(
        "induction",
        "If |e_k| <= y_k then |e_{k+1}| <= P_k y_k + b_k = y_{k+1}, because P_k > 0. So |e_N| <= sum of b_j "
        "prod over i > j of P_i: for Euler h sum of delta_j prod over i > j of (1 + h L_i).",
        uses=("induction keeps the inequality", "product form*"),
    )
    d.conclude(
        "Euler: |e_N| <= h sum over j of delta_j prod over i > j of (1 + h L_i)",
        uses=("induction", "euler: amplification", "euler: what a step adds"),
    )
    d.conclude(
        "Midpoint and Heun: factors 1 + hL + (hL)^2/2, and a step adds h (delta_2 + (hL/2) delta_1), "
        "respectively (h/2)((1 + hL) delta_1 + delta_2)",
        uses=(
            "induction",
            "midpoint: amplification",
            "midpoint: what*",
            "heun: amplification",
            "heun: what*",
        ),
    )


def _constant(d: Derivation, claim: Claim, steps: dict[str, sp.Expr]) -> None:
    """Constant L and delta: delta (P^N - 1)/L for all three schemes."""
    total = sp.Symbol("P_k", positive=True)  # P^k
    for name, step in steps.items():
        amplification = claim[name].subs(Z, H * L)
        now = claim["closed"].subs(sp.Symbol("P"), total)
        after = claim["closed"].subs(sp.Symbol("P"), total * amplification)
        d.identity(f"{name}: closed form, induction", step.subs({D1: DELTA, D2: DELTA, E: now}), after)
    start = claim["closed"].subs(sp.Symbol("P"), 1)
    d.decided("closed form, start", start == 0, f"{start} at P = 1")
    for name in steps:
        power = sp.log(claim[name].subs(Z, L / N)) * N
        limit = sp.limit(
            power.subs(N, 1 / sp.Symbol("eta", positive=True)), sp.Symbol("eta", positive=True), 0
        )
        d.identity(f"{name}: N -> oo gives G0", limit, L)
    rest = (": closed form, induction", ": N -> oo gives G0", ": the amplification is a part of e^(hL)")
    d.conclude(
        "With constant L and delta all three give delta (P(hL)^N - 1)/L, below G0 and tending to it",
        uses=("closed form, start", "induction", *(name + part for name in steps for part in rest)),
    )
    for name in ("euler", "midpoint"):
        exact = claim["closed"].subs(sp.Symbol("P"), claim[name].subs(Z, sp.Rational(1, _STEPS)) ** _STEPS)
        d.deliver(f"{name}: |e_1|/delta, L = 1, {_STEPS} steps", exact.subs({L: 1, DELTA: 1}))


def _no_logarithmic_norm(d: Derivation, claim: Claim) -> None:
    """|(I + hJ) e|^2 = |e|^2 + 2h <e, Je> + h^2 |Je|^2: mu_2 alone does not bound a step."""
    jacobian = sp.Matrix(2, 2, sp.symbols("a b c d", real=True))
    e = sp.Matrix(sp.symbols("e_1:3", real=True))
    moved = e + H * jacobian * e
    expanded = e.dot(e) + 2 * H * e.dot(jacobian * e) + H**2 * (jacobian * e).dot(jacobian * e)
    d.identity("an Euler step, squared", moved.dot(moved), sp.expand(expanded))
    rotation = sp.Matrix([[0, OMEGA], [-OMEGA, 0]])  # mu_2 = 0, |J| = omega
    step = sp.eye(2) + H * rotation
    growth = sp.simplify((step.T * step)[0, 0])
    allowed = claim["euler, squared"].subs({MU: 0, L: OMEGA})
    d.decided(
        "rotation: an Euler step stays below the bound",
        sp.expand(allowed - growth).is_nonnegative,
        f"{growth} against {allowed}",
    )
    spare = sp.expand(allowed - growth)
    d.decided("the rotation reaches the bound", spare == 0, f"{spare} is left")
    d.conclude(
        "a step has |I + hJ|^2 <= 1 + 2h mu_2 + h^2 L^2, and a rotation (mu_2 = 0) reaches it",
        uses=(
            "an Euler step, squared",
            "rotation: an Euler step stays below the bound",
            "the rotation reaches the bound",
        ),
    )


def _bound_survives(factor: sp.Expr) -> bool:
    """|e| = 1 after a bound of 2: is P |e| <= P y for the amplification P?"""
    return bool(factor * 1 <= factor * 2)


def _one_step_bound(share: sp.Expr) -> bool:
    """v = 0, v_q = x^2, e = 1: is the difference at most L e with L = 2x at this share of the way?"""
    return bool(sp.Integer(1) <= 2 * share)


def _enclosed(order: int) -> Enclosure:
    with precision(180):
        step = arb(1) / _STEPS
        return Enclosure.of((1 + step + (step * step / 2 if order == 2 else 0)) ** _STEPS - 1)


LEMMA = Lemma(
    id="S6b",
    title="G4: the same for Euler, midpoint and Heun steps",
    statement=(
        "N steps h of one scheme with v and with v_q from the same noise; L_k bounds the Jacobian of v_q on "
        "the segments between the stages of step k, delta_k is the error of v_q at the full-precision "
        "stages. Euler: |e_N| <= h sum over j of delta_j prod over i > j of (1 + h L_i). Midpoint and Heun: "
        "factors 1 + hL + (hL)^2/2, and a step adds h (delta_2 + (hL/2) delta_1), respectively (h/2)((1 + "
        "hL) delta_1 + delta_2). With constant L and delta all three give delta (P(hL)^N - 1)/L, below G0 "
        "and tending to it. The logarithmic norm may not take the place of L: a step has |I + hJ|^2 <= 1 + "
        "2h mu_2 + h^2 L^2, and a rotation (mu_2 = 0) reaches it."
    ),
    assumptions=(
        Assumption(
            "h > 0",
            "h > 0 and L > 0 (L = 0 by continuity)",
            Counterexample(
                "1 + hL < 0: a bound times P is no bound",
                _bound_survives,
                holds=sp.Rational(1, 10),
                broken=sp.Rational(-1, 10),
            ),
        ),
        Assumption(
            "stages",
            "L_k is that of v_q, between the stages of both runs",
            Counterexample(
                "v_q = x^2 between 0 and 1, L at the end of the full-precision run",
                _one_step_bound,
                holds=sp.Integer(1),
                broken=sp.Integer(0),
            ),
        ),
    ),
    claim={
        "euler": 1 + Z,
        "midpoint": 1 + Z + Z**2 / 2,
        "heun": 1 + Z + Z**2 / 2,
        "closed": DELTA * (sp.Symbol("P") - 1) / L,
        "euler, squared": 1 + 2 * H * MU + H**2 * L**2,
    },
    derive=_derive,
    mutants=(
        Mutant("midpoint amplifies like Euler", {"midpoint": 1 + Z}, "midpoint: amplification"),
        Mutant("Heun: (hL)^2 without the half", {"heun": 1 + Z + Z**2}, "heun: amplification"),
        Mutant(
            "the closed form is not divided by L",
            {"closed": DELTA * (sp.Symbol("P") - 1)},
            "euler: closed form, induction",
        ),
        Mutant(
            "mu_2 in place of L: |I + hJ| <= 1 + h mu_2",
            {"euler, squared": (1 + H * MU) ** 2},
            "rotation: an Euler step stays below the bound",
        ),
    ),
    reference="Hairer, Norsett and Wanner 1993, II.3; theory of the toolkit, section 6",
    constants={
        f"euler: |e_1|/delta, L = 1, {_STEPS} steps": Certificate(
            lambda: _enclosed(1), lambda: math.expm1(_STEPS * math.log1p(0.1))
        ),
        f"midpoint: |e_1|/delta, L = 1, {_STEPS} steps": Certificate(
            lambda: _enclosed(2), lambda: math.expm1(_STEPS * math.log1p(0.105))
        ),
    },
    document="theory/s6-from-weights-to-samples.md",
)
