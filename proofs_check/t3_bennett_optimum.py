"""T3: Bennett's integral is least for the point density f^(1/3)."""

import sympy as sp

from proofs_check.assumption import Assumption, Counterexample
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]


_FINITE, _MASS = "finite f^(1/3)", "lambda has mass 1"


def _has_normed_optimum(nu: int) -> bool:
    x = sp.Symbol("x", positive=True)
    density = nu * x ** (-sp.Integer(nu) - 1)
    return bool(sp.integrate(density ** sp.Rational(1, 3), (x, 1, sp.oo)).is_finite)


def _derive(d: Derivation, claim: Claim) -> None:
    f, lam, lam0, mu, width, x, norm, a = sp.symbols("f lambda lambda_0 mu Delta x I alpha", positive=True)
    exponent, power, divisor = claim["exponent"], claim["power"], claim["divisor"]

    d.argue(
        "Bennett's integral",
        "In a cell of width Delta = 1/(K lambda) a continuous density is uniform to first order, so D = sum "
        "of f Delta * (mean squared error of the uniform law) -> (1/K^2) integral of f/lambda^2 * c.",
    )
    uniform_cell = sp.integrate(x**2, (x, -width / 2, width / 2)) / width
    d.identity("error of a uniform cell", uniform_cell, width**2 / divisor)
    d.conclude(
        "K^2 D -> (1/12) integral f/lambda^2 for cells of width 1/(K lambda)",
        uses=("Bennett's integral", "error of a uniform cell"),
    )

    # Stationary points of f/lambda^2 under the constraint integral of lambda = 1 (multiplier mu).
    stationary = sp.solve(sp.Eq(sp.diff(f / lam**2 + mu * lam, lam), 0), lam)
    d.decided("one stationary density", len(stationary) == 1, f"lambda = {stationary}")
    d.identity(
        "Euler-Lagrange exponent",
        sp.simplify(f * sp.diff(sp.log(stationary[0]), f)),
        exponent,
        uses=("one stationary density",),
    )

    # From here on: a proof that the stationary density is the global minimum. The function
    # lambda -> f/lambda^2 lies above its tangent at lambda_0, by an explicit non-negative amount.
    tangent = f / lam0**2 + sp.diff(f / lam**2, lam).subs(lam, lam0) * (lam - lam0)
    gap = f * (lam - lam0) ** 2 * (2 * lam + lam0) / (lam**2 * lam0**3)
    d.identity("gap above the tangent", f / lam**2 - tangent, gap)
    d.decided(
        "the gap is not negative",
        gap.is_nonnegative,
        f"{gap} >= 0, and 0 only for lambda = lambda_0",
        uses=("gap above the tangent",),
    )

    candidate = f**exponent / norm  # norm is the integral of f**exponent
    slope = sp.simplify(sp.diff(f / lam**2, lam).subs(lam, candidate))
    d.identity(
        "the slope of the tangent is the same at every x",
        sp.diff(slope, f),
        sp.Integer(0),
        uses=("Euler-Lagrange exponent", _FINITE),
    )
    d.argue(
        "the linear term integrates to zero",
        "The slope is a constant and both densities integrate to 1. So integral f/lambda^2 >= integral "
        "f/lambda_0^2, with equality only for lambda = lambda_0 almost everywhere.",
        uses=("the slope of the tangent is the same at every x", "the gap is not negative", _MASS),
    )
    # f with three values on sets of three lengths: simple functions are dense.
    values, lengths = sp.symbols("f_1:4", positive=True), sp.symbols("l_1:4", positive=True)
    total = sum(length * value**exponent for value, length in zip(values, lengths, strict=True))
    least = sum(
        length * value / (value**exponent / total) ** 2 for value, length in zip(values, lengths, strict=True)
    )
    d.identity("least value", least, total**power, uses=(_FINITE,))
    inequality = ("the linear term integrates to zero", "least value")
    d.conclude("(1/12) integral f/lambda^2 >= (1/12) (integral f^(1/3))^3", uses=inequality)
    d.conclude("with equality only for lambda proportional to f^(1/3)", uses=inequality)
    _power_family(d, exponent, a)
    d.conclude("B(alpha) is least at alpha = 1/3", uses=("integrand of B(alpha)", *inequality))
    d.conclude(
        "and nowhere else, as ln B is convex",
        uses=("ln B is convex", "ln B is stationary at the optimum"),
    )
    _examples(d, exponent, power, divisor, a)


def _power_family(d: Derivation, exponent: sp.Basic, a: sp.Symbol) -> None:
    """The same for lambda proportional to f^alpha, where only alpha varies."""
    f, u, v, norm = sp.symbols("f u v I", positive=True)
    L = sp.Function("L")
    d.identity("integrand of B(alpha)", f / (f**a / norm) ** 2, norm**2 * f ** (1 - 2 * a))
    log_b = 2 * L(a) + L(1 - 2 * a)  # L(alpha) = ln of the integral of f^alpha
    slope = sp.diff(log_b, a).subs(a, exponent).doit()
    d.identity("ln B is stationary at the optimum", slope, sp.Integer(0))
    # I I'' - I'^2 is a double integral; this is its symmetrized integrand, u = f(x), v = f(y).
    integrand = u**a * v**a * ((sp.log(u) ** 2 + sp.log(v) ** 2) / 2 - sp.log(u) * sp.log(v))
    square = u**a * v**a * (sp.log(u) - sp.log(v)) ** 2 / 2
    d.identity("ln of the integral of f^alpha is convex", integrand, square)
    first, second = sp.symbols("curvature_1 curvature_2", nonnegative=True)  # of L at a and at 1 - 2a
    at_a, slope_1, slope_2, at_end = sp.symbols("L_a L'_a L'_e L_e", real=True)
    step = sp.Symbol("t", real=True)  # a moves by t, 1 - 2a by -2t
    near = 2 * (at_a + slope_1 * step + first * step**2 / 2)
    near += at_end - 2 * slope_2 * step + second * (2 * step) ** 2 / 2
    curvature = sp.expand(sp.diff(near, step, 2))
    d.decided(
        "ln B is convex",  # strictly, unless f is constant on its support
        curvature.is_nonnegative,
        f"its second derivative is {curvature}",
        uses=("ln of the integral of f^alpha is convex",),
    )


def _examples(d: Derivation, exponent: sp.Basic, power: sp.Basic, divisor: sp.Basic, a: sp.Symbol) -> None:
    """B(alpha) in closed form for two laws: its only stationary point in (0, 1/2), and the value there."""
    x = sp.Symbol("x", positive=True)
    for name, density in (
        ("Laplace", sp.exp(-x) / 2),
        ("Gaussian", sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)),
    ):

        def integral(beta: sp.Expr, density: sp.Expr = density) -> sp.Expr:
            beta = sp.sympify(beta)
            positive = sp.Symbol("beta", positive=True)  # sympy needs the sign to integrate
            return (2 * sp.integrate(sp.expand_power_base(density**positive), (x, 0, sp.oo))).subs(
                positive, beta
            )

        bennett = integral(a) ** 2 * integral(1 - 2 * a) / divisor
        slope = sp.simplify(sp.diff(sp.log(bennett), a))
        roots = [root for root in sp.solve(slope, a) if 0 < root < sp.Rational(1, 2)]
        d.holds(f"{name}: one stationary alpha", len(roots) == 1, f"alpha in {roots}")
        d.example(f"{name}: it is the optimum", roots[0], exponent)
        d.example(
            f"{name}: value at the optimum",
            bennett.subs(a, roots[0]),
            integral(exponent) ** power / divisor,
        )


LEMMA = Lemma(
    id="T3",
    title="Bennett's integral is least for the point density f^(1/3)",
    statement=(
        "K^2 D -> (1/12) integral f/lambda^2 for cells of width 1/(K lambda) and continuous f and lambda "
        "(Bennett). For a density f with integral of f^(1/3) finite and every point density lambda, (1/12) "
        "integral f/lambda^2 >= (1/12) (integral f^(1/3))^3, with equality only for lambda proportional to "
        "f^(1/3). In particular B(alpha) is least at alpha = 1/3, and nowhere else, as ln B is convex (f not "
        "constant on its support)."
    ),
    assumptions=(
        Assumption(
            _FINITE,
            "integral of f^(1/3) is finite",
            Counterexample(
                "f ~ x^-(nu+1), nu = 2: the integral of f^(1/3), which norms the point density, diverges",
                _has_normed_optimum,
                holds=3,
                broken=2,
            ),
        ),
        Assumption(
            _MASS,
            "lambda > 0 where f > 0, with integral 1",
            Counterexample(
                "lambda = c on (0, 1), f = 1 there: with c = 2 the integral of f/lambda^2 is below the bound",
                lambda mass: sp.Integer(1) / mass**2 >= 1,
                holds=1,
                broken=2,
            ),
        ),
    ),
    claim={"exponent": sp.Rational(1, 3), "power": sp.Integer(3), "divisor": sp.Integer(12)},
    derive=_derive,
    mutants=(
        Mutant(
            "the optimum is f^(1/2), as for the mean absolute error",
            {"exponent": sp.Rational(1, 2)},
            "Euler-Lagrange exponent",
        ),
        Mutant("the integral is squared, not cubed", {"power": sp.Integer(2)}, "least value"),
        Mutant(
            "a cell errs by Delta^2/3 (its half-width)", {"divisor": sp.Integer(3)}, "error of a uniform cell"
        ),
    ),
    reference="Bennett 1948; Panter and Dite 1951",
    document="theory/t3-companding.md",
)
