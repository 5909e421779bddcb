"""Section 4: the uniform quantizer with the best range; Hui and Neuhoff's orders, with constants."""

import sympy as sp
from flint import arb

from fmq_theory.bounds.hui_neuhoff import hui_neuhoff_asymptotic
from fmq_theory.certify import law, optimal_uniform
from fmq_theory.certify.enclosure import Enclosure, precision
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.instances import finite_moment
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

L, K, C, NU, X = sp.symbols("L K C nu x", positive=True)
P = sp.Symbol("p", positive=True)  # nu = 2 + p
DENSITY = sp.exp(-(X**2) / 2) / sp.sqrt(2 * sp.pi)
_LEVELS = 1000  # where the package's asymptotic value is taken; it is a pure power of K


def _derive(d: Derivation, claim: Claim) -> None:
    step = 2 * L / K
    granular = sp.integrate(X**2, (X, -step / 2, step / 2)) / step
    d.identity("granular part of K cells on [-L, L]", granular, L**2 / (3 * K**2))
    d.argue(
        "granular and overload",
        "K cells of width 2L/K: inside [-L, L] the error is spread evenly (S4a), outside it is the distance "
        "to the outer level, L - L/K. As K grows with L/K -> 0 the distortion is (1 + o(1)) (L^2/(3K^2) + "
        "E[(|X| - L)^2; |X| > L]) near the minimum: Hui and Neuhoff 2001, who prove it for the laws meant "
        "here.",
        uses=("granular part of K cells on [-L, L]",),
    )
    _one_minimum(d)
    _gaussian(d, claim, granular)
    _regular(d, claim, granular)
    logs = sp.limit(sp.log(K), K, sp.oo)
    d.decided("ln K has no bound", logs == sp.oo, f"limit {logs}")
    steeper = (2 - claim["order"]).subs(NU, 2 + P)
    d.decided("the order is below 2", sp.simplify(steeper).is_positive, f"by {sp.simplify(steeper)}")
    d.conclude(
        "So no uniform quantizer has a K^-2 law on these sources",
        uses=("ln K has no bound", "the order is below 2", "Gaussian: distortion", "power tails: order in K"),
    )


def _one_minimum(d: Derivation) -> None:
    """Any symmetric density f: O = 2 int (x - L)^2 f has O' = -4 int (x - L) f and O'' = 4 int f."""
    f = sp.Function("f")
    cost = 2 * (X - L) ** 2 * f(X)  # the integral runs over (L, oo): Leibniz' rule
    slope = -4 * (X - L) * f(X)
    end = sp.Symbol("b", positive=True)  # L <= x <= b: polynomial f stand for any, by Leibniz' rule
    shape = sum(c * X**i for i, c in enumerate(sp.symbols("f_:4", real=True)))
    for name, integrand, derivative in (("O'", cost, slope), ("O''", slope, 4 * f(X))):
        overload = sp.integrate(sp.expand(integrand.subs(f(X), shape)), (X, L, end))
        expected = sp.integrate(sp.expand(derivative.subs(f(X), shape)), (X, L, end))
        d.identity(f"{name}: nothing comes from the end point", sp.diff(overload, L), expected)
    curvature = 2 / (3 * K**2) + sp.Symbol("survival", nonnegative=True) * 4
    d.decided(
        "convex in L: one minimum",
        curvature.is_positive,
        f"{curvature} > 0",
        uses=("O'*", "symmetric", "granular part of K cells on [-L, L]"),
    )


def _gaussian(d: Derivation, claim: Claim, granular: sp.Expr) -> None:
    """-O'(L) = 4 (phi(L) - L P(X > L)), between 4 phi (1/L^2 - 3/L^4) and 4 phi/L^2."""
    phi = DENSITY.subs(X, L)
    # g vanishes at infinity and g' < 0 give g > 0; P(X > L)' = -phi.
    for name, rational, sign in (
        ("upper", 1 / L - 1 / L**3 + 3 / L**5, -1),
        ("lower", 1 / L - 1 / L**3, 1),
    ):
        slope = sp.simplify((sp.diff(phi * rational, L) + phi) / phi)
        d.decided(
            f"P(X > L), {name} bound",
            slope.is_negative if sign < 0 else slope.is_positive,
            f"(phi ({rational}) - P(X > L))' = phi {slope}, and both vanish at infinity",
        )
    d.identity("-O'/4 at most", 1 - L * (1 / L - 1 / L**3), 1 / L**2)
    d.identity("-O'/4 at least", 1 - L * (1 / L - 1 / L**3 + 3 / L**5), 1 / L**2 - 3 / L**4)
    log_k, e = sp.symbols("l e", positive=True)  # l = ln K
    claimed = claim["gaussian range"]
    for factor, inside in ((1 + e, False), (1 / (1 + e), True)):
        # K^2 times granular' is 2L/3; K^2 times overload' is K^2 phi(L) up to powers of L.
        exponent = sp.factor(sp.simplify(2 * log_k - (factor * claimed.subs(sp.log(K), log_k)) ** 2 / 2))
        d.decided(
            "Gaussian: the derivative changes sign at (1 +- e) L_0",
            exponent.is_positive if inside else exponent.is_negative,
            f"K^2 phi(L) = e^({exponent}), against 2L/3",
        )
    # At the minimum 2L/(3K^2) = -O' <= 4 phi/L^2 (1 + o(1)), and O <= int 4 phi/x^2 <= 4 phi/L^3.
    share = sp.simplify(sp.diff(granular, L) / L / granular)
    best = ("convex in L: one minimum", "Gaussian: the derivative changes sign*", "granular and overload")
    d.identity(
        "Gaussian: overload over granular at the minimum",
        share,
        2 / L**2,
        uses=("-O'/4*", "P(X > L)*", *best),
    )
    value = granular.subs(L, claimed)
    d.identity(
        "Gaussian: distortion",
        value,
        claim["gaussian"] * sp.log(K) / K**2,
        uses=("Gaussian: overload over granular at the minimum", *best),
    )
    d.conclude("Gaussian: L ~ 2 sigma sqrt(ln K)", uses=("-O'/4*", "P(X > L)*", *best))
    d.conclude("overload is a vanishing share", uses=("Gaussian: overload over granular at the minimum",))
    d.conclude("D ~ (4/3) sigma^2 ln K/K^2", uses=("Gaussian: distortion",))
    d.deliver("D K^2/(sigma^2 ln K) gaussian", claim["gaussian"])
    # exp(-|x|^beta) in place of exp(-x^2/2): L^beta = 2 ln K.
    beta = sp.Symbol("beta", positive=True)
    reach = sp.solve(sp.Eq(2 * log_k, L**beta), L)[0]
    d.example("tails exp(-|x|^beta): L_0", reach, (2 * log_k) ** (1 / beta))
    d.example("tails exp(-x^2/2): the same L_0", sp.sqrt(2) * reach.subs(beta, 2), 2 * sp.sqrt(log_k))
    _check_gaussian(d)


def _check_gaussian(d: Derivation) -> None:
    """K = 256: the best range of granular + overload against the certified optimum."""
    phi, survival = sp.exp(-(L**2) / 2) / sp.sqrt(2 * sp.pi), sp.erfc(L / sp.sqrt(2)) / 2
    overload = 2 * ((1 + L**2) * survival - L * phi)
    total = L**2 / (3 * 256**2) + overload
    best = sp.nsolve(sp.diff(total, L), L, 4, prec=30)
    certified = optimal_uniform(law("gaussian"), 256, digits=12)
    d.check("K = 256: granular + overload", total.subs(L, best), float(certified.distortion), within=0.03)


def _regular(d: Derivation, claim: Claim, granular: sp.Expr) -> None:
    nu = 2 + P
    overload = 2 * sp.integrate((X - L) ** 2 * C * nu * X ** (-nu - 1), (X, L, sp.oo), conds="none")
    overload = sp.simplify(overload)
    d.identity(
        "power tails: overload",
        overload,
        4 * C * L ** (2 - nu) / ((nu - 1) * (nu - 2)),
        uses=("symmetric", "power tails of index above 2"),
    )
    slope = sp.simplify(sp.diff(granular + overload, L) * L ** (nu - 1))
    power = sp.Symbol("L^nu", positive=True)
    at = sp.simplify(sp.expand(slope).subs(L**nu, power))
    at = sp.simplify(at.subs(L ** (P + 2), power))
    stationary = sp.solve(sp.Eq(at, 0), power)[0]
    d.identity(
        "power tails: L^nu at the minimum",
        stationary,
        claim["range power"].subs(NU, nu),
        uses=("power tails: overload", "convex in L: one minimum", "granular and overload"),
    )
    d.conclude("L^nu ~ 6 C K^2/(nu - 1)", uses=("power tails: L^nu at the minimum",))
    best = claim["range power"].subs(NU, nu) ** (1 / nu)
    value = (granular + overload).subs(L, best)
    ratio = sp.powsimp(sp.powdenest(sp.expand_power_base(sp.simplify(value / granular.subs(L, best)))))
    d.identity(
        "power tails: total over granular",
        ratio,
        claim["surplus"].subs(NU, nu),
        uses=("power tails: L^nu at the minimum",),
    )
    d.conclude(
        "D ~ L^2/(3K^2) nu/(nu - 2)",
        uses=("power tails: total over granular", "granular part of K cells on [-L, L]"),
    )
    logarithm = sp.expand_log(sp.log(granular.subs(L, best) * ratio), force=True)
    order = sp.simplify(K * sp.diff(logarithm, K))
    d.identity(
        "power tails: order in K",
        -order,
        claim["order"].subs(NU, nu),
        uses=("power tails: total over granular",),
    )
    d.conclude("of the order K^-(2 - 4/nu)", uses=("power tails: order in K",))
    for index in (3, 4, 5):
        tail = _student_constant(index)
        exact = (granular.subs(L, best) * claim["surplus"].subs(NU, nu)).subs({P: index - 2, C: tail, K: 1})
        d.deliver(f"D K^(2-4/nu) student-t nu = {index}", exact)


def _best_range_constant(sides: int) -> bool:
    """Is L^4 = 6 C K^2/3 at the minimum for tails x^-4 on one or on two sides?"""
    total = L**2 / (3 * K**2) + sides * sp.integrate((X - L) ** 2 * 4 * C * X**-5, (X, L, sp.oo))
    stationary = sp.solve(sp.diff(total, L), L)
    return any(sp.simplify(root**4 - 2 * C * K**2) == 0 for root in stationary)


def _student_constant(nu: int) -> sp.Expr:
    """C of P(|X| > x)/2 ~ C x^-nu: c_nu nu^((nu+1)/2)/nu, which T5d derives."""
    normalizer = sp.gamma(sp.Rational(nu + 1, 2)) / (sp.sqrt(nu * sp.pi) * sp.gamma(sp.Rational(nu, 2)))
    return normalizer * sp.Integer(nu) ** sp.Rational(nu - 1, 2)


def _enclosed(nu: int) -> Enclosure:
    with precision(200):
        index = arb(nu)
        tail = ((index + 1) / 2).gamma() / ((index * arb.pi()).sqrt() * (index / 2).gamma())
        tail *= index ** ((index - 1) / 2)
        squared = (6 * tail / (index - 1)) ** (2 / index)
        return Enclosure.of(squared / 3 * index / (index - 2))


def _float(nu: int) -> float:
    value = hui_neuhoff_asymptotic(make("student-t", df=nu), _LEVELS).value
    return value * _LEVELS ** (2 - 4 / nu)


def _gaussian_float() -> float:
    value = hui_neuhoff_asymptotic(make("gaussian"), _LEVELS).value
    return value * _LEVELS**2 / float(sp.log(_LEVELS))


LEMMA = Lemma(
    id="S4b",
    title="uniform with the best range: Gaussian (4/3) sigma^2 ln K/K^2, power tails K^-(2 - 4/nu)",
    statement=(
        "K equal cells on [-L, L], L chosen for the least distortion. Gaussian: L ~ 2 sigma sqrt(ln K), the "
        "overload is a vanishing share, and D ~ (4/3) sigma^2 ln K/K^2. Tails P(X > x) ~ C x^-nu on both "
        "sides, nu > 2: L^nu ~ 6 C K^2/(nu - 1) and D ~ L^2/(3K^2) nu/(nu - 2), of the order K^-(2 - 4/nu). "
        "So no uniform quantizer has a K^-2 law on these sources."
    ),
    assumptions=(
        Assumption(
            "symmetric",
            "X is symmetric about 0 and has a density",
            Counterexample("a tail on one side only", _best_range_constant, holds=2, broken=1),
        ),
        Assumption(
            "power tails of index above 2",
            "P(X > x) ~ C x^-nu with nu > 2, where X is not Gaussian (else the variance is infinite)",
            Counterexample("nu = 2: the overload is infinite", finite_moment(2), holds=3, broken=2),
        ),
    ),
    claim={
        "gaussian range": 2 * sp.sqrt(sp.log(K)),
        "gaussian": sp.Rational(4, 3),
        "range power": 6 * C * K**2 / (NU - 1),
        "surplus": NU / (NU - 2),
        "order": 2 - 4 / NU,
    },
    derive=_derive,
    mutants=(
        Mutant(
            "Gaussian: L = sigma sqrt(2 ln K), as if one weight in K lay outside",
            {"gaussian range": sp.sqrt(2 * sp.log(K))},
            "Gaussian: the derivative changes sign at (1 +- e) L_0",
        ),
        Mutant("Gaussian: 2/3", {"gaussian": sp.Rational(2, 3)}, "Gaussian: distortion"),
        Mutant(
            "power tails: one tail only",
            {"range power": 3 * C * K**2 / (NU - 1)},
            "power tails: L^nu at the minimum",
        ),
        Mutant(
            "power tails: the overload is left out",
            {"surplus": sp.Integer(1)},
            "power tails: total over granular",
        ),
        Mutant("power tails: order 2 - 2/nu", {"order": 2 - 2 / NU}, "power tails: order in K"),
    ),
    reference="Hui and Neuhoff 2001; theory of the toolkit, section 4",
    constants={
        "D K^2/(sigma^2 ln K) gaussian": Certificate(lambda: Enclosure.of("4/3"), _gaussian_float),
        **{
            f"D K^(2-4/nu) student-t nu = {nu}": Certificate(
                lambda nu=nu: _enclosed(nu), lambda nu=nu: _float(nu)
            )
            for nu in (3, 4, 5)
        },
    },
    document="theory/s4-uniform.md",
)
