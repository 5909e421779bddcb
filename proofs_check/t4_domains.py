"""T4: where Bennett's integral B(alpha) is finite, and why equal mass has no 2^(-2b) law."""

import sympy as sp

from fmq_theory.bounds.bennett import finite_alpha_interval
from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.cells import powers_at_infinity
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.instances import finite_moment
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

ALPHA, NU, X, L, K = sp.symbols("alpha nu x L K", positive=True)
SHARE = sp.Symbol("mu_L", positive=True)  # mu([-L, L])
W = sp.Symbol("w", positive=True)
HALF = sp.Rational(1, 2)


def _derive(d: Derivation, claim: Claim) -> None:
    _infinite_length(d, claim)
    _regular_tails(d, claim)
    _cauchy_schwarz(d)
    _elementary_bound(d, claim)
    _dyadic(d, claim)
    _unbounded_is_not_divergent(d, claim)


def _infinite_length(d: Derivation, claim: Claim) -> None:
    f, beta = sp.symbols("f beta", positive=True)
    d.argue(
        "powers <= 0 diverge on infinite length",
        "Let |{f > 0}| be infinite. |{f > 1}| <= 1, so {0 < f <= 1} has infinite length, and f^p >= 1 there "
        "for p <= 0: integral of f^p is infinite.",
        uses=("infinite length",),
    )
    excess = sp.Symbol("excess", positive=True)  # f = 1/(1 + excess) < 1
    exponent = sp.expand_log(-beta * sp.log(1 / (1 + excess)))
    d.decided("ln of f^(-beta) is positive for f < 1", exponent.is_positive, f"{exponent} > 0")
    powers = (ALPHA, 1 - 2 * ALPHA)  # B(alpha) has the integrals of f^alpha and of f^(1 - 2 alpha)
    d.identity("integrand of B", f / (f**ALPHA) ** 2, f ** powers[1])
    real = sp.Symbol("a", real=True)
    both = sp.reduce_inequalities([p.subs(ALPHA, real) > 0 for p in powers], real)
    d.decided(
        "domain on infinite length",
        bool(both.as_set() == sp.Interval.open(*claim["unbounded domain"])),
        f"both powers are positive for {both}",
        uses=("integrand of B", "powers <= 0 diverge on infinite length"),
    )
    d.conclude(
        "B(alpha) is infinite outside 0 < alpha < 1/2",
        uses=("domain on infinite length", "ln of f^(-beta) is positive for f < 1"),
    )


def _regular_tails(d: Derivation, claim: Claim) -> None:
    d.argue(
        "only the tail matters",
        "0 < p < 1 on a bounded interval: f^p <= 1 + f is integrable, f bounded or not. In the tail f lies "
        "between two positive multiples of x^-(nu+1), so f^p is integrable iff x^(-p (nu+1)) is.",
        uses=("power tails",),
    )
    critical = powers_at_infinity(d)
    decay = NU + 1
    low = sp.solve(sp.Eq(ALPHA * decay, critical), ALPHA)[0]
    high = sp.solve(sp.Eq((1 - 2 * ALPHA) * decay, critical), ALPHA)[0]
    tail = ("only the tail matters", "integral of w^-p*")
    d.identity("lower end for tails of index nu", low, claim["low"], uses=tail)
    d.identity("upper end for tails of index nu", high, claim["high"], uses=tail)
    ends = ("lower end for tails of index nu", "upper end for tails of index nu")
    d.conclude("B(alpha) is finite iff 1/(nu+1) < alpha < nu/(2(nu+1))", uses=ends)
    index = sp.Symbol("nu_", positive=True)
    nonempty = sp.reduce_inequalities([sp.factor((high - low).subs(NU, index)) > 0], index).as_set()
    d.decided(
        "non-empty iff",
        bool(nonempty.intersect(sp.Interval.open(0, sp.oo)) == sp.Interval.open(claim["least index"], sp.oo)),
        f"{sp.factor(high - low)} > 0",
        uses=ends,
    )
    third = sp.Rational(1, 3)
    d.identity("1/3 enters at the same index", sp.solve(sp.Eq(low, third), NU)[0], claim["least index"])
    d.conclude(
        "an interval that is non-empty iff nu > 2, and 1/3 lies in it then",
        uses=("non-empty iff", "1/3 enters at the same index"),
    )
    # Student-t: the integral of f^alpha is a Beta function whose first pole is the lower end.
    delta = sp.Symbol("delta", positive=True)
    kernel = (1 + X**2 / NU) ** (-(NU + 1) * ALPHA / 2)
    convergent = kernel.subs(ALPHA, (1 + delta) / (NU + 1))
    integral = 2 * sp.integrate(sp.powsimp(convergent), (X, 0, sp.oo))
    p = ALPHA * (NU + 1)
    beta = sp.sqrt(NU) * sp.gamma(HALF) * sp.gamma((p - 1) / 2) / sp.gamma(p / 2)
    d.example("Student-t: integral of f^alpha", integral, beta.subs(ALPHA, (1 + delta) / (NU + 1)))
    pole = sp.solve(sp.Eq((p - 1) / 2, 0), ALPHA)[0]
    d.example("Student-t: its pole is the lower end", pole, claim["low"])
    for nu in (3, 5):
        d.deliver(f"lower end nu = {nu}", claim["low"].subs(NU, nu))
        d.deliver(f"upper end nu = {nu}", claim["high"].subs(NU, nu))


def _cauchy_schwarz(d: Derivation) -> None:
    """integral over A of 1/f >= |A|^2/mu(A): integrate 1/f >= 2 t - t^2 f over A and choose t."""
    f, t, length, mass = sp.symbols("f t length mass", positive=True)
    d.identity("1/f against its tangent", 1 / f - (2 * t - t**2 * f), (1 - t * f) ** 2 / f)
    bound = 2 * t * length - t**2 * mass
    best = sp.solve(sp.diff(bound, t), t)[0]
    d.identity(
        "Cauchy-Schwarz for 1/f", bound.subs(t, best), length**2 / mass, uses=("1/f against its tangent",)
    )
    d.conclude("The integral of 1/f over A is at least |A|^2/mu(A)", uses=("Cauchy-Schwarz for 1/f",))
    d.decided(
        "B(1) diverges on infinite length",
        sp.limit(bound.subs(t, best), length, sp.oo) == sp.oo,
        "mass <= 1 and length -> oo",
        uses=("Cauchy-Schwarz for 1/f", "infinite length"),
    )
    d.conclude("so B(1) = oo on infinite length", uses=("B(1) diverges on infinite length",))


def _elementary_bound(d: Derivation, claim: Claim) -> None:
    d.argue(
        "Fatou",
        "q = F^-1 is monotone, so differentiable at almost every u in (0, 1). The cell of u has length h = "
        "1/K; on it q(u') = q(u) + q'(u)(u' - u) + o(h) uniformly, so h^-2 times the variance of q over the "
        "cell -> q'(u)^2/12. D_EM is the integral over u of that variance, so by Fatou lim inf K^2 D_EM >= "
        "(1/12) integral of q'^2.",
        uses=("finite variance",),
    )
    u, h, slope, start = sp.symbols("u h q' u_0", positive=True)
    line = slope * (u - start)
    mean = sp.integrate(line, (u, start, start + h)) / h
    variance = sp.integrate((line - mean) ** 2, (u, start, start + h)) / h
    d.identity("variance of a line over a cell", variance / h**2, slope**2 / claim["divisor"])
    d.conclude(
        "lim inf K^2 D_EM(K) >= (1/12) integral over (0, 1) of (dF^-1/du)^2",
        uses=("Fatou", "variance of a line over a cell"),
    )
    # Cauchy-Schwarz in u over (F(-L), F(L)), of length mu([-L, L]): q'^2 >= 2 t q' - t^2.
    t = sp.Symbol("t", positive=True)
    d.identity("q'^2 against its tangent", slope**2 - (2 * t * slope - t**2), (slope - t) ** 2)
    rise = 2 * L  # the integral of q' over (F(-L), F(L)), if q is absolutely continuous there
    lower = 2 * t * rise - t**2 * SHARE
    best = sp.solve(sp.diff(lower, t), t)[0]
    d.argue(
        "the widths add up to 2L",
        "If f > 0 almost everywhere on [-L, L], Lebesgue measure is absolutely continuous with respect to "
        "mu there, so q maps null sets to null sets: it is absolutely continuous on (F(-L), F(L)), and q' "
        "integrates to L - (-L).",
        uses=("f > 0 on [-L, L]",),
    )
    d.identity(
        "lower limit of K^2 D_EM",
        lower.subs(t, best) / claim["divisor"],
        claim["liminf"],
        uses=(
            "Fatou",
            "variance of a line over a cell",
            "q'^2 against its tangent",
            "the widths add up to 2L",
        ),
    )
    # The same by the power mean over N = K mu_L cells of widths w_i that add up to 2 L.
    cells = K * SHARE
    least = cells * (rise / cells) ** 2  # sum of w_i^2 is least for equal widths
    d.example(
        "the same by the power mean",
        K**2 * (1 / K) * least / claim["divisor"],
        claim["liminf"],
    )
    widths = sp.symbols("w_1:4", positive=True)
    gap = 3 * sum(w**2 for w in widths) - sum(widths) ** 2
    squares = sum((a - b) ** 2 for i, a in enumerate(widths) for b in widths[:i])
    d.example("power mean, three widths", gap, squares)
    surplus = claim["liminf"].subs(SHARE, 1 / (1 + W)) - claim["liminf"].subs(SHARE, 1)
    d.decided(
        "mu([-L, L]) <= 1 only helps",
        sp.simplify(surplus).is_positive,
        f"mu_L = 1/(1 + w) gains {sp.simplify(surplus)}",
    )
    bounds = ("lower limit of K^2 D_EM", "mu([-L, L]) <= 1 only helps")
    d.conclude("that is at least L^2/(3 mu([-L, L])) >= L^2/3", uses=bounds)
    d.decided(
        "no 2^(-2b) law",
        sp.limit(claim["liminf"].subs(SHARE, 1), L, sp.oo) == sp.oo,
        "L -> oo",
        uses=bounds,
    )
    d.conclude("K^2 D_EM(K) -> oo if f > 0 almost everywhere on the line", uses=("no 2^(-2b) law",))


def _dyadic(d: Derivation, claim: Claim) -> None:
    """Without any density: order K^(-1-eps) along K = 2^b forces bounded support."""
    c, eps = sp.symbols("C epsilon", positive=True)
    b = sp.Symbol("b", integer=True, nonnegative=True)
    rate = c * 2 ** (-b * (1 + eps))  # assumed bound of D_EM(2^b)
    d.argue(
        "levels of 2^b and 2^(b+1) are near",
        "Let nu_b be the optimal measure with 2^b equal masses, y_b its top atom. W2(nu_b, nu_(b+1)) <= "
        "sqrt(D_EM(2^b)) + sqrt(D_EM(2^(b+1))) <= 2 sqrt(C 2^(-b(1+eps))). On the top 2^-(b+1) of the mass "
        "the two quantile functions are y_b and y_(b+1), so 2^-(b+1) (y_(b+1) - y_b)^2 <= 4 C 2^(-b(1+eps)).",
        uses=("finite variance",),
    )
    jump = sp.sqrt(4 * rate * 2 ** (b + 1))
    ratio = sp.simplify(sp.powsimp(jump.subs(b, b + 1) / jump))
    d.identity("the jumps are geometric", ratio, 2 ** (-eps * claim["dyadic"]))
    d.decided(
        "with a ratio below 1",
        sp.expand_log(sp.log(ratio), force=True).is_negative,
        f"ln {ratio} < 0",
        uses=("the jumps are geometric",),
    )
    d.argue(
        "the support is bounded",
        "So y_b converges. y_b is the mean of the top 2^-b of the law, at least its quantile of level 1 - "
        "2^-b, so the quantiles stay bounded; likewise below. Conversely, on unbounded support D_EM(2^b) is "
        "not O(2^(-b(1+eps))).",
        uses=("levels of 2^b and 2^(b+1) are near", "with a ratio below 1", "unbounded support"),
    )
    d.conclude("D_EM(2^b) is not O(2^(-b (1 + eps)))", uses=("the support is bounded",))
    order = 2 ** (-b * (1 + eps))
    d.identity("eps = 1 is the order K^-2", sp.expand_log(sp.log(order.subs(eps, 1), 4)), -b)
    d.conclude("sup_K K^2 D_EM(K) = oo", uses=("the support is bounded", "eps = 1 is the order K^-2"))


def _unbounded_is_not_divergent(d: Derivation, claim: Claim) -> None:
    """P(X >= i) = 2^(-3^i), i = 1, 2, ..; K = 2^(3^i): every cell but the top one holds a single point."""
    j = sp.Symbol("j", integer=True, positive=True)
    excess = 3**j - 1 - 2 * j  # 3^(i+j) - 3^i >= 2 j 3^i iff this is not negative
    d.decided("3^j - 1 >= 2j: start", bool(excess.subs(j, 1) >= 0), f"{excess.subs(j, 1)} >= 0 at j = 1")
    kept = sp.expand(excess.subs(j, j + 1) - 3 * excess)
    d.decided("3^j - 1 >= 2j: induction", kept.is_nonnegative, f"the next is three times this plus {kept}")
    d.argue(
        "only the top cell errs",
        "The probabilities 2^(-3^j), j <= i, are multiples of 1/K = 2^(-3^i), so the points below i fill "
        "whole cells. In the top cell X = i + Y with P(Y >= j) = 2^(3^i - 3^(i+j)) <= K^(-2j), and its "
        "variance is at most E Y^2 = sum over j >= 1 of (2j - 1) P(Y >= j).",
        uses=("3^j - 1 >= 2j*",),
    )
    num_levels = sp.Symbol("K", positive=True)
    rest = sp.Symbol("r", positive=True)  # K^2 = 1 + r
    second = sp.summation((2 * j - 1) / (1 + rest) ** j, (j, 1, sp.oo))
    d.identity("E Y^2 at most", sp.simplify(second), (2 + rest) / rest**2)
    at_most = (num_levels**2 + 1) / (num_levels**2 - 1) ** 2
    scaled = sp.limit(num_levels * at_most, num_levels, sp.oo)  # K^2 (1/K) E Y^2
    d.identity(
        "limit of K^2 D_EM along K = 2^(3^i)",
        scaled,
        claim["discrete"],
        uses=("only the top cell errs", "E Y^2 at most"),
    )
    d.conclude(
        "For P(X >= i) = 2^(-3^i), i = 1, 2, .., lim inf K^2 D_EM(K) = 0",
        uses=("limit of K^2 D_EM along K = 2^(3^i)",),
    )
    at_nine = (num_levels * at_most).subs(num_levels, 2**9)
    d.decided("4^9 D_EM(2^9)", bool(at_nine < sp.Rational(1, 500)), f"at most {sp.N(at_nine, 6)}")
    # The top cell of K = 2^8 is half of it at X = 1 and half at X >= 2.
    share = 2**8 * sp.Rational(1, 2**9)
    at_eight = 2**8 * share * (1 - share)
    d.decided("4^8 D_EM(2^8)", bool(at_eight >= 64), f"at least {at_eight}: points >= 1 apart")
    d.conclude(
        "4^b D_EM(2^b) is at least 64 at b = 8 and below .002 at b = 9",
        uses=("4^8 D_EM(2^8)", "4^9 D_EM(2^9)", "only the top cell errs", "E Y^2 at most"),
    )


def _against_half(order: sp.Expr) -> bool:
    """D_EM K^(3/2) has no bound."""
    return sp.limit(order * K ** sp.Rational(3, 2), K, sp.oo) == sp.oo


def _spread(gap: sp.Expr) -> bool:
    """The law uniform on gap < |x| < 2, q' = 1/f = 2 (2 - gap): is q'^2/12 at least L^2/3 for L = 2?"""
    return bool((2 * (2 - gap)) ** 2 / sp.Integer(12) >= sp.Rational(4, 3))


def _low_power_diverges(density: sp.Expr) -> bool:
    """alpha = 1/10 is outside the interval for nu = 3."""
    return sp.integrate(sp.powdenest(density ** sp.Rational(1, 10), force=True), (X, 1, sp.oo)) == sp.oo


def _ends(nu: int, which: int) -> float:
    return finite_alpha_interval(make("student-t", df=float(nu)))[which]


def _certificates() -> dict[str, Certificate]:
    certificates: dict[str, Certificate] = {}
    for nu in (3, 5):
        low, high = Enclosure.of(1) / (nu + 1), Enclosure.of(nu) / (2 * (nu + 1))
        certificates[f"lower end nu = {nu}"] = Certificate(lambda e=low: e, lambda n=nu: _ends(n, 0))
        certificates[f"upper end nu = {nu}"] = Certificate(lambda e=high: e, lambda n=nu: _ends(n, 1))
    return certificates


LEMMA = Lemma(
    id="T4",
    title="where B(alpha) is finite; equal mass has no 2^(-2b) law on unbounded support",
    statement=(
        "(i) If f > 0 on a set of infinite length, B(alpha) is infinite outside 0 < alpha < 1/2. (ii) If f "
        "lies between two positive multiples of |x|^-(nu+1) far out on one side and f is at most such a "
        "multiple on the other, B(alpha) is finite iff 1/(nu+1) < alpha < nu/(2(nu+1)), an interval that is "
        "non-empty iff nu > 2, and 1/3 lies in it then. (iii) The integral of 1/f over A is at least "
        "|A|^2/mu(A), so B(1) = oo on infinite length. (iv) lim inf K^2 "
        "D_EM(K) >= (1/12) integral over (0, 1) of (dF^-1/du)^2; if f > 0 almost everywhere on [-L, L], "
        "that is at least L^2/(3 mu([-L, L])) >= L^2/3. So K^2 D_EM(K) -> oo if f > 0 almost everywhere on "
        "the line. (v) For any law of unbounded support and any eps > "
        "0, D_EM(2^b) is not O(2^(-b (1 + eps))); so sup_K K^2 D_EM(K) = oo. (vi) Unbounded support alone "
        "gives no more. For P(X >= i) = 2^(-3^i), i = 1, 2, .., lim inf K^2 D_EM(K) = 0: 4^b D_EM(2^b) "
        "is at least 64 at b = 8 and below .002 at b = 9."
    ),
    assumptions=(
        Assumption(
            "finite variance",
            "finite variance, in (iv) and (v)",
            Counterexample(
                "P(X > x) = x^-nu, nu = 2: D_EM is infinite at every K", finite_moment(2), holds=3, broken=2
            ),
        ),
        Assumption(
            "infinite length",
            "infinite length in (i) and (iii), which is more than unbounded support",
            Counterexample(
                "f ~ x^-2 on (1, 10): the integral of 1/f is finite",
                lambda end: sp.integrate(X**2, (X, 1, end)) == sp.oo,
                holds=sp.oo,
                broken=sp.Integer(10),
            ),
        ),
        Assumption(
            "power tails",
            "in (ii): f lies between two positive multiples of |x|^-(nu+1) far out",
            Counterexample(
                "exp(-x) in place of x^-4: alpha = 1/10 < 1/4 is in the domain",
                _low_power_diverges,
                holds=X**-4,
                broken=sp.exp(-X),
            ),
        ),
        Assumption(
            "f > 0 on [-L, L]",
            "f > 0 almost everywhere on [-L, L] in the second part of (iv); no continuity",
            Counterexample(
                "the uniform law on 1/10 < |x| < 2, L = 2",
                _spread,
                holds=sp.Integer(0),
                broken=sp.Rational(1, 10),
            ),
        ),
        Assumption(
            "unbounded support",
            "unbounded support in (v)",
            Counterexample(
                "the uniform law: D_EM = 1/(3K^2) is O(K^(-3/2))",
                _against_half,
                holds=2 / K,  # Laplace, T5a and T5f
                broken=1 / (3 * K**2),
            ),
        ),
    ),
    claim={
        "unbounded domain": sp.Tuple(0, HALF),
        "low": 1 / (NU + 1),
        "high": NU / (2 * (NU + 1)),
        "least index": sp.Integer(2),
        "divisor": sp.Integer(12),
        "liminf": L**2 / (3 * SHARE),
        "dyadic": HALF,
        "discrete": sp.Integer(0),
    },
    derive=_derive,
    mutants=(
        Mutant("finite up to alpha = 1", {"unbounded domain": sp.Tuple(0, 1)}, "domain on infinite length"),
        Mutant("lower end 1/nu", {"low": 1 / NU}, "lower end for tails of index nu"),
        Mutant("upper end nu/(nu+1)", {"high": NU / (NU + 1)}, "upper end for tails of index nu"),
        Mutant("non-empty iff nu > 1", {"least index": sp.Integer(1)}, "non-empty iff"),
        Mutant("lower limit L^2/mu", {"liminf": L**2 / SHARE}, "lower limit of K^2 D_EM"),
        Mutant(
            "the variance of a cell is h^2/3", {"divisor": sp.Integer(3)}, "variance of a line over a cell"
        ),
        Mutant(
            "K^2 D_EM diverges for every law of unbounded support",
            {"discrete": sp.oo},
            "limit of K^2 D_EM along K = 2^(3^i)",
        ),
        Mutant("jumps shrink by 2^-eps", {"dyadic": sp.Integer(1)}, "the jumps are geometric"),
    ),
    reference="(v): Bencheikh and Jourdain 2020 (arXiv:2012.09729), in W_rho; theory of the toolkit, T4",
    constants=_certificates(),
    document="theory/t4-no-square-law.md",
)
