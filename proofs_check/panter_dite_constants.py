"""C_PD: the Panter-Dite constant and the variance of every family, in closed form."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import mpmath as mp
import sympy as sp

from fmq_theory.certify.enclosure import Enclosure, precision
from fmq_theory.certify.families import law as certified_law
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import WORKING_DIGITS, Derivation
from proofs_check.instances import finite_moment
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["FAMILIES", "LEMMA", "Family"]

X, Y = sp.symbols("x y", positive=True)
NU, BETA, SHAPE, A = sp.symbols("nu beta k a", positive=True)
THIRD = sp.Rational(1, 3)

Integrals = tuple[sp.Expr, sp.Expr, sp.Expr]
"""Over x > 0: of the kernel g, of g^(1/3), of x^2 g."""


@dataclass(frozen=True, slots=True)
class Family:
    """An even law at unit scale, f(x) = g(|x|) / (2 integral of g).

    Attributes:
        kernel: g(x) for x > 0.
        integrals: the three integrals of g, derived symbolically.
        end: upper end of the support.
        parameter: the shape parameter, if there is one.
        values: the parameters at which numbers are compared.
    """

    kernel: sp.Expr
    integrals: Callable[[sp.Expr], Integrals]
    end: sp.Expr = sp.oo
    parameter: sp.Symbol | None = None
    values: tuple[sp.Expr, ...] = (sp.Integer(1),)


_PARAMETER_IN_CODE = {"uniform": "scale", "generalized-gaussian": "beta", "student-t": "df", "gamma": "shape"}


def _direct(g: sp.Expr) -> Integrals:
    first, third, second = (sp.integrate(h, (X, 0, sp.oo)) for h in (g, g**THIRD, X**2 * g))
    return first, third, second


def _bounded(g: sp.Expr) -> Integrals:
    first, third, second = (sp.integrate(h, (X, 0, A)) for h in (g, g**THIRD, X**2 * g))
    return first, third, second


def _student(g: sp.Expr) -> Integrals:
    # nu = 2 + delta tells sympy that all three integrals converge.
    delta = sp.Symbol("delta", positive=True)
    first, third, second = (integral.subs(delta, NU - 2) for integral in _direct(g.subs(NU, 2 + delta)))
    return first, third, second


def _logistic(g: sp.Expr) -> Integrals:
    first = sp.integrate(g, (X, 0, sp.oo))
    # y = e^x turns the integral over the whole line into a beta integral; g is even, so halve it.
    in_y = sp.expand_power_base(sp.simplify(g.subs(X, sp.log(Y))) ** THIRD, force=True)
    third = sp.integrate(sp.powdenest(in_y / Y, force=True), (Y, 0, sp.oo)) / 2
    # By parts, integral of x^2 g = integral of 2 x S with S' = -g, S(oo) = 0; S = 1/(1 + e^x), which
    # _derive checks, is an alternating geometric series in e^-x, integrated term by term.
    k = sp.Symbol("k", positive=True, integer=True)
    term = sp.integrate(2 * X * sp.exp(-k * X), (X, 0, sp.oo))
    return first, third, sp.summation((-1) ** (k - 1) * term, (k, 1, sp.oo))


FAMILIES: dict[str, Family] = {
    "uniform": Family(sp.Integer(1), _bounded, end=A, parameter=A, values=(sp.Integer(1), sp.sqrt(3))),
    "gaussian": Family(sp.exp(-(X**2) / 2), _direct),
    "laplace": Family(sp.exp(-X), _direct),
    "generalized-gaussian": Family(
        sp.exp(-(X**BETA)),
        _direct,
        parameter=BETA,
        values=(sp.Rational(3, 4), sp.Rational(3, 2), sp.Integer(4)),
    ),
    "logistic": Family(sp.exp(-X) / (1 + sp.exp(-X)) ** 2, _logistic),
    "student-t": Family(
        (1 + X**2 / NU) ** (-(NU + 1) / 2),
        _student,
        parameter=NU,
        values=(sp.Rational(5, 2), sp.Integer(3), sp.Integer(4), sp.Integer(5)),
    ),
    "gamma": Family(
        X ** (SHAPE - 1) * sp.exp(-X), _direct, parameter=SHAPE, values=(sp.Rational(1, 2), sp.Integer(2))
    ),
}


@cache  # the mutants integrate the same kernels; another integrator finds other integrals
def _integrals(name: str, _integrator: object) -> Integrals:
    family = FAMILIES[name]
    return family.integrals(family.kernel)


def _derive(d: Derivation, claim: Claim) -> None:
    survival = 1 / (1 + sp.exp(X))
    d.identity("logistic: S' = -g", sp.diff(survival, X), -FAMILIES["logistic"].kernel)
    for name in FAMILIES:
        mass, third, second = _integrals(name, sp.integrate)
        # f^(1/3) = g^(1/3) / (2 mass)^(1/3) on both sides of zero.
        constant = (2 * third) ** 3 / (2 * mass) / 12
        variance = second / mass
        d.identity(f"C_PD {name}", constant, claim[f"{name} constant"])
        d.identity(f"variance {name}", variance, claim[f"{name} variance"])
    for name, family in FAMILIES.items():
        for value in family.values:
            _compare_with_quadrature(d, name, family, claim, value)
    d.conclude(
        "C_PD = (1/12) (integral f^(1/3))^3 at unit scale",
        uses=("C_PD *", "nu > 2", "beta > 0", "shape > 0"),
    )
    d.conclude("and the variance", uses=("variance *", "logistic: S' = -g"))


def _vanishes_far_out(beta: int) -> bool:
    return sp.limit(sp.exp(-(X**beta)), X, sp.oo) == 0


def _compare_with_quadrature(d: Derivation, name: str, family: Family, claim: Claim, value: sp.Expr) -> None:
    """The density itself, integrated numerically: no substitution is shared with the derivation."""
    at = {} if family.parameter is None else {family.parameter: value}
    where = _label(name, family, value)
    constant, variance = (claim[f"{name} {what}"].subs(at) for what in ("constant", "variance"))
    mass, third, second = _quadrature(family.kernel.subs(at), family.end.subs(at))
    with mp.workdps(WORKING_DIGITS):
        d.agrees(f"C_PD {where}, by quadrature", (2 * third) ** 3 / (2 * mass) / 12, constant, digits=30)
        d.agrees(f"variance {where}, by quadrature", second / mass, variance, digits=30)
    d.deliver(f"C_PD {where}", constant)
    d.deliver(f"C_PD/variance {where}", constant / variance)


def _label(name: str, family: Family, value: sp.Expr) -> str:
    return name if family.parameter is None else f"{name} at {family.parameter} = {value}"


def _certificates() -> dict[str, Certificate]:
    """For each law and parameter: certified quadrature, and what the package computes."""
    certificates: dict[str, Certificate] = {}
    for name, family in FAMILIES.items():
        for value in family.values:
            where = _label(name, family, value)
            # Unit-variance constants of Student-t and Gamma reach 100: 30 places are 32 digits.
            certificates[f"C_PD {where}"] = Certificate(
                lambda n=name, v=value: _enclosed(n, v)[0], lambda n=name, v=value: _floats(n, v)[0]
            )
            certificates[f"C_PD/variance {where}"] = Certificate(
                lambda n=name, v=value: _enclosed(n, v)[0] / _enclosed(n, v)[1],
                lambda n=name, v=value: _floats(n, v)[0] / _floats(n, v)[1],
            )
    return certificates


@cache
def _enclosed(name: str, value: sp.Expr) -> tuple[Enclosure, Enclosure]:
    """C_PD and the variance; the integral of f^(1/3) by quadrature with proven cuts."""
    key = _PARAMETER_IN_CODE.get(name)
    scale_squared = int(value**2) if name == "uniform" else 1  # the certified law has unit scale
    law = certified_law(name, {} if key in (None, "scale") else {key: str(value)})
    integral = law.density_power_integral("1/3", digits=36)
    with precision(160):
        variance = Enclosure.of(law.variance())
    return integral * integral * integral / 12 * scale_squared, variance * scale_squared


def _floats(name: str, value: sp.Expr) -> tuple[float, float]:
    law = make(name, **{_PARAMETER_IN_CODE[name]: float(value)} if name in _PARAMETER_IN_CODE else {})
    return law.density_power_integral(1 / 3) ** 3 / 12, law.variance()


def _quadrature(kernel: sp.Expr, end: sp.Expr) -> tuple[mp.mpf, mp.mpf, mp.mpf]:
    g = sp.lambdify(X, kernel, "mpmath")
    with mp.workdps(WORKING_DIGITS):
        if end.is_finite:
            ends = [0, mp.mpf(sp.N(end, WORKING_DIGITS))]
            return (
                mp.quad(g, ends),
                mp.quad(lambda x: mp.cbrt(g(x)), ends),
                mp.quad(lambda x: x * x * g(x), ends),
            )
        return (
            _over_half_line(g),
            _over_half_line(lambda x: mp.cbrt(g(x))),
            _over_half_line(lambda x: x * x * g(x)),
        )


def _over_half_line(h: Callable[[mp.mpf], mp.mpf]) -> mp.mpf:
    """Integral of h over (0, oo).

    x = e^v turns algebraic behaviour at both ends into exponential decay; the integrand is then
    analytic in a strip, so the trapezoidal rule converges geometrically in 1/step.
    """
    step = mp.mpf(1) / 32
    total = h(mp.mpf(1))
    for direction in (1, -1):
        i = 0
        while True:
            i += 1
            x = mp.exp(direction * i * step)
            term = h(x) * x
            total += term
            if i * step > 4 and term < mp.mpf(10) ** -40 * total:
                break
    return total * step


def _beta(p: sp.Expr, q: sp.Expr) -> sp.Expr:
    return sp.gamma(p) * sp.gamma(q) / sp.gamma(p + q)


_HALF = sp.Rational(1, 2)
_STUDENT_FACTOR = sp.gamma((NU + 1) / 2) / (sp.sqrt(NU * sp.pi) * sp.gamma(NU / 2))

LEMMA = Lemma(
    id="C_PD",
    title="Panter-Dite constants and variances in closed form",
    statement=(
        "C_PD = (1/12) (integral f^(1/3))^3 at unit scale, and the variance, of the uniform, Gaussian, "
        "Laplace, generalized Gaussian, logistic, Student-t and two-sided Gamma laws."
    ),
    assumptions=(
        Assumption(
            "nu > 2",
            "Student-t: nu > 2",
            Counterexample(
                "nu = 2: x^2 f ~ 1/x has no integral (nor has f^(1/3))", finite_moment(2), holds=3, broken=2
            ),
        ),
        Assumption(
            "beta > 0",
            "generalized Gaussian: beta > 0",
            Counterexample(
                "beta = 0: exp(-|x|^beta) does not vanish far out", _vanishes_far_out, holds=1, broken=0
            ),
        ),
        Assumption(
            "shape > 0",
            "Gamma: shape > 0",
            Counterexample(
                "shape = 0: x^(shape - 1) has no integral at 0",
                lambda shape: bool(sp.integrate(X ** (shape - 1), (X, 0, 1)).is_finite),
                holds=sp.Rational(1, 2),
                broken=sp.Integer(0),
            ),
        ),
    ),
    claim={
        "uniform constant": A**2 / 3,
        "uniform variance": A**2 / 3,
        "gaussian constant": sp.sqrt(3) * sp.pi / 2,
        "gaussian variance": sp.Integer(1),
        "laplace constant": sp.Integer(9),
        "laplace variance": sp.Integer(2),
        "generalized-gaussian constant": 3 ** (3 / BETA) * (2 * sp.gamma(1 / BETA) / BETA) ** 2 / 12,
        "generalized-gaussian variance": sp.gamma(3 / BETA) / sp.gamma(1 / BETA),
        "logistic constant": _beta(THIRD, _HALF) ** 3 / 6,
        "logistic variance": sp.pi**2 / 3,
        "student-t constant": _STUDENT_FACTOR * NU ** (3 * _HALF) * _beta(_HALF, (NU - 2) / 6) ** 3 / 12,
        "student-t variance": NU / (NU - 2),
        "gamma constant": 3 ** (SHAPE + 1) * sp.gamma((SHAPE + 2) / 3) ** 3 / sp.gamma(SHAPE),
        "gamma variance": SHAPE * (SHAPE + 1),
    },
    derive=_derive,
    mutants=(
        Mutant("Gaussian: sqrt(3) pi / 3", {"gaussian constant": sp.sqrt(3) * sp.pi / 3}, "C_PD gaussian"),
        Mutant("Laplace: the one-sided constant", {"laplace constant": sp.Rational(9, 8)}, "C_PD laplace"),
        Mutant(
            "logistic: beta(1/3, 1/3) in place of beta(1/3, 1/2)",
            {"logistic constant": _beta(THIRD, THIRD) ** 3 / 6},
            "C_PD logistic",
        ),
        Mutant(
            "Student-t: (nu - 1)/6, finite at nu = 2",
            {
                "student-t constant": _STUDENT_FACTOR
                * NU ** (3 * _HALF)
                * _beta(_HALF, (NU - 1) / 6) ** 3
                / 12
            },
            "C_PD student-t",
        ),
        Mutant(
            "generalized Gaussian: Gamma(2/beta), the mean absolute value",
            {"generalized-gaussian variance": sp.gamma(2 / BETA) / sp.gamma(1 / BETA)},
            "variance generalized-gaussian",
        ),
    ),
    reference="Panter and Dite 1951; theory of the toolkit, section 2",
    constants=_certificates(),
    document="theory/t3-companding.md",
)
