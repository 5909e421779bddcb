"""S9: equal mass designed on n weights and measured on these weights."""

import sympy as sp

from fmq_theory.bounds import equal_mass_distortion, equal_mass_on_own_weights
from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.sources import make
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

A, W, D, X, U = sp.symbols("a w d x u", positive=True)
I, M, R, N, K, C = sp.symbols("i m r n K c", positive=True)  # r ranks above the cell's upper neighbour
_INDEPENDENT = "independent"


def _derive(d: Derivation, claim: Claim) -> None:
    _conditioning(d, claim)
    _order_statistics(d, claim)
    _uniform(d, claim)
    _crossover(d, claim)


def _conditioning(d: Derivation, claim: Claim) -> None:
    """Given its two neighbours, a cell of m weights is a sample of the law between them."""
    d.argue(
        "given the neighbours, the weights between are a sample of the law between them",
        "The joint density of X_(i) = u, of the m weights between in any order and of X_(i+m+1) = v is a "
        "constant times F(u)^(i-1) f(u) f(v) (1-F(v))^(n-i-m-1) times the product of f(x_j) over u < x_j < "
        "v. As a function of the x_j it is a product of one and the same function of each: they are "
        "independent with density f/(F(v) - F(u)) on (u, v). At an end of the sample the factor of the "
        "missing neighbour is not there.",
        uses=(_INDEPENDENT,),
    )
    mean, second = sp.symbols("mu s", real=True)  # of one weight between the neighbours
    of_mean = (second + (M - 1) * mean**2) / M  # E of the squared mean: m equal indices of m^2, the rest not
    spread = sp.expand(M * second - M * of_mean)
    d.identity(
        "sum of squares of m independent weights",
        spread,
        claim["weights"] * (second - mean**2),
        uses=("given the neighbours, the weights between are a sample of the law between them",),
    )
    d.conclude(
        "E sum (X - mean)^2 = (m - 1) E Var(X | u < X < v)", uses=("sum of squares of m independent weights",)
    )


def _order_statistics(d: Derivation, claim: Claim) -> None:
    """(F(u), F(v)) is a Beta variable and, of what is left above it, a share that is another, independent."""
    size = I + M + R + 1  # n
    joint = sp.gamma(size + 1) / (sp.gamma(I) * sp.gamma(M + 1) * sp.gamma(R + 1))
    joint *= A ** (I - 1) * ((1 - A) * W) ** M * ((1 - A) * (1 - W)) ** R * (1 - A)  # db = (1 - a) dw
    below, gap = claim["below"], claim["gap"]
    product = _beta(A, *below) * _beta(W, *gap)
    ratio = sp.powsimp(sp.expand_power_base(joint / product, force=True), force=True)
    ratio = sp.gammasimp(sp.simplify(ratio))
    d.identity(
        "the two neighbours in uniform coordinates: a product of Beta densities",
        ratio,
        sp.Integer(1),
        uses=(_INDEPENDENT,),
    )
    d.conclude(
        "F(u) and (F(v) - F(u))/(1 - F(u)) are independent, Beta(i, n + 1 - i) and Beta(m + 1, n - i - m)",
        uses=("the two neighbours in uniform coordinates: a product of Beta densities",),
    )


def _beta(x: sp.Expr, p: sp.Expr, q: sp.Expr) -> sp.Expr:
    return sp.gamma(p + q) / (sp.gamma(p) * sp.gamma(q)) * x ** (p - 1) * (1 - x) ** (q - 1)


def _square(p: sp.Expr, q: sp.Expr) -> sp.Expr:
    """E U^2 of Beta(p, q)."""
    return sp.beta(p + 2, q).rewrite(sp.gamma) / sp.beta(p, q).rewrite(sp.gamma)


def _uniform(d: Derivation, claim: Claim) -> None:
    start, length = sp.Symbol("start", real=True), sp.Symbol("length", positive=True)
    mean = sp.integrate(X, (X, start, start + length)) / length
    spread = sp.integrate((X - mean) ** 2, (X, start, start + length)) / length
    d.identity("uniform: variance between the neighbours", sp.expand(spread), length**2 / 12)
    n = I + M + R + 1
    (i, above), (gap, rest) = claim["below"], claim["gap"]
    square = _square(above, i) * _square(gap, rest)  # E (1 - a)^2 E w^2
    d.identity(
        "E of the squared distance of the neighbours",
        square,
        (M + 1) * (M + 2) / ((n + 1) * (n + 2)),
        uses=("the two neighbours in uniform coordinates: a product of Beta densities",),
    )
    cell = claim["weights"] * square / 12
    d.identity(
        "uniform: a cell's sum of squares",
        cell,
        claim["cell"].subs(N, n),
        uses=(
            "uniform: variance between the neighbours",
            "E of the squared distance of the neighbours",
            "sum of squares of m independent weights",
        ),
    )
    pairs = sp.summation((M - D) * D * (D + 1), (D, 1, M - 1)) / (M * (N + 1) * (N + 2))
    d.example("the same by pairs of order statistics, d ranks apart", sp.factor(pairs), claim["cell"])
    d.conclude(
        "for the uniform law on (0, 1) it is (m^2 - 1)(m + 2)/(12 (n + 1)(n + 2))",
        uses=("uniform: a cell's sum of squares",),
    )
    own = claim["cell"] / M  # K cells of m = n/K weights, over n weights
    law = 1 / (12 * (N / M) ** 2)
    excess = sp.limit(M * (sp.limit(own / law, N, sp.oo) - 1), M, sp.oo)
    d.identity(
        "excess over the law's own codebook, times m",
        excess,
        claim["excess"],
        uses=("uniform: a cell's sum of squares",),
    )
    d.conclude(
        "exceeds the law's 1/(12 K^2) by the factor 1 + 2/m to first order",
        uses=("excess over the law's own codebook, times m",),
    )
    d.deliver("D_n/D_law uniform, K = 256, m = 4", (own / law).subs({N: 1024, M: 4}))


def _crossover(d: Derivation, claim: Claim) -> None:
    """On n uniform weights the n - 2 between the extremes are uniform, so each errs by step^2/12."""
    range_squared = _square(N - 1, sp.Integer(2))  # the spacing of n - 1 ranks
    d.identity(
        "E of the squared range", range_squared, N * (N - 1) / ((N + 1) * (N + 2)),
        uses=("the two neighbours in uniform coordinates: a product of Beta densities",),
    )  # fmt: skip
    step = sp.gammasimp(range_squared) / (K - 1) ** 2 / 12
    uniform = (N - 2) / N * step
    ratio = (claim["cell"] / M / uniform).subs(M, N / K)
    root = sp.Symbol("root", positive=True)  # n = root^2, K = c root
    slope = sp.limit(sp.simplify(root * (ratio.subs({N: root**2, K: C * root}) - 1)), root, sp.oo)
    d.identity(
        "rho_EM - 1 at K = c sqrt(n), times sqrt(n)", slope, 2 * C - 2 / C,
        uses=("E of the squared range", "uniform: a cell's sum of squares", "given the neighbours, *"),
    )  # fmt: skip
    crossing = sp.solve(sp.Eq(slope, 0), C)
    d.decided(
        "it is 0 at one c",
        crossing == [claim["crossover"]],
        f"c = {crossing}",
        uses=("rho_EM - 1 at K = c sqrt(n), times sqrt(n)",),
    )
    d.conclude("the ratio to min-max uniform passes 1 at K ~ sqrt(n)", uses=("it is 0 at one c",))


def _on_three_weights(law: str) -> bool:
    """E of the sum of squares of X_(2), X_(3) among three weights, against E Var(X | X > X_(1))."""
    if law == "U(0, 1)":
        return bool(sp.Rational(2, 4 * 5) / 2 == sp.simplify(_square(sp.Integer(3), sp.Integer(1))) / 12)
    # Two atoms: only 0, 0, 1 has unequal weights in the cell (probability 3/8, sum of squares 1/2); above an
    # atom at 0 there is only the other.
    return sp.Rational(3, 8) / 2 == 0


def _float() -> float:
    law = make("uniform")
    return equal_mass_on_own_weights(law, 256, 1024).value / equal_mass_distortion(law, 256)


LEMMA = Lemma(
    id="S9",
    title="equal mass designed on n weights, measured on them: (m - 1) E Var between a cell's neighbours",
    statement=(
        "Let n independent weights of a continuous law be sorted, and let a cell hold the m weights "
        "between the order statistics X_(i) = u and X_(i+m+1) = v (none, and infinite, at an end). Then E "
        "sum (X - mean)^2 = (m - 1) E Var(X | u < X < v) over the cell, F(u) and (F(v) - F(u))/(1 - F(u)) "
        "are independent, Beta(i, n + 1 - i) and Beta(m + 1, n - i - m), and for the uniform law on (0, 1) "
        "it is (m^2 - 1)(m + 2)/(12 (n + 1)(n + 2)). So equal mass with m = n/K weights a level exceeds "
        "the law's 1/(12 K^2) by the factor 1 + 2/m to first order, and the ratio to min-max uniform "
        "passes 1 at K ~ sqrt(n)."
    ),
    assumptions=(
        Assumption(
            _INDEPENDENT,
            "the weights are independent, of one law without atoms and of finite variance",
            Counterexample(
                "two atoms of equal mass, n = 3, the cell of the two largest",
                _on_three_weights,
                "U(0, 1)",
                "atoms",
            ),
        ),
    ),
    claim={
        "weights": M - 1,
        "below": sp.Tuple(I, M + R + 2),
        "gap": sp.Tuple(M + 1, R + 1),
        "cell": (M**2 - 1) * (M + 2) / (12 * (N + 1) * (N + 2)),
        "excess": sp.Integer(2),
        "crossover": sp.Integer(1),
    },
    derive=_derive,
    mutants=(
        Mutant("m for m - 1", {"weights": M}, "sum of squares of m independent weights"),
        Mutant(
            "the neighbours m ranks apart",
            {"gap": sp.Tuple(M, R + 2)},
            "the two neighbours in uniform coordinates: a product of Beta densities",
        ),
        Mutant("the law's own value", {"cell": M**3 / (12 * N**2)}, "uniform: a cell's sum of squares"),
        Mutant("excess 1/m", {"excess": sp.Integer(1)}, "excess over the law's own codebook, times m"),
        Mutant("crossing at K = n/2", {"crossover": sp.oo}, "it is 0 at one c"),
    ),
    reference="David and Nagaraja 2003, section 2.2 and theorem 2.5; theory of the toolkit, 10.2",
    constants={
        "D_n/D_law uniform, K = 256, m = 4": Certificate(
            lambda: Enclosure.of(str(sp.Rational(15 * 6 * 1024**2, 64 * 1025 * 1026))),
            _float,
            float_digits=12,
        )
    },
    document="theory/s9-codebooks-designed-on-n-weights.md",
)
