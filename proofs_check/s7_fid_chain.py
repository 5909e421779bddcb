"""Section 7: from errors of samples to a Frechet distance, and the whole chain."""

import math

import sympy as sp
from flint import arb

from fmq_theory.certify.enclosure import Enclosure, precision
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.instances import finite_moment
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

M1, M2 = sp.symbols("m_1 m_2", real=True)
S1, S2 = sp.symbols("s_1 s_2", positive=True)
COV = sp.Symbol("cov", real=True)
SLACK = sp.Symbol("slack", nonnegative=True)
L, L_PHI, L_THETA, COST, C_PD, BITS = sp.symbols("L L_phi L_theta sum_n_D C b", positive=True)
SAMPLES = 3


def _derive(d: Derivation, claim: Claim) -> None:
    _one_dimension(d, claim)
    _all_dimensions(d)
    _paired(d, claim)
    _triangle(d)
    _chain(d, claim)
    _degradation(d, claim)


def _one_dimension(d: Derivation, claim: Claim) -> None:
    """Any coupling of laws with these moments, and the Gaussians' own optimal one."""
    x, y = sp.symbols("x y", real=True)

    def mean(square: sp.Expr) -> sp.Expr:
        """E of a quadratic in the centred x and y."""
        poly = sp.Poly(sp.expand(square), x, y)
        value = {(2, 0): S1**2, (0, 2): S2**2, (1, 1): COV, (0, 0): 1, (1, 0): 0, (0, 1): 0}
        return sum(c * value[power] for power, c in poly.terms())

    cost = mean((M1 + x - M2 - y) ** 2)
    gap = sp.expand(cost - claim["gaussian 1-D"])
    # E(x/s_1 - y/s_2)^2 >= 0 says 1 - cov/(s_1 s_2) >= 0.
    d.identity("cost above the Gaussian value", gap, S1 * S2 * sp.expand(mean((x / S1 - y / S2) ** 2)))
    z = sp.Symbol("z", real=True)
    normal = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
    quantiles = (M1 + S1 * z - M2 - S2 * z) ** 2
    d.identity(
        "Gaussians: W2^2 by quantile functions (T1)",
        sp.integrate(sp.expand(quantiles) * normal, (z, -sp.oo, sp.oo)),
        claim["gaussian 1-D"],
    )
    d.conclude(
        "In one dimension it is (m_1 - m_2)^2 + (s_1 - s_2)^2",
        uses=("cost above the Gaussian value", "Gaussians: W2^2 by quantile functions (T1)"),
    )


def _all_dimensions(d: Derivation) -> None:
    """P = A^(1/2), G = (P B P)^(1/2), M = P^-1 G P^-1, as matrices: the letters do not commute."""
    p, g = sp.symbols("P G", commutative=False)
    first, second = p * p, p**-1 * g * g * p**-1  # A, and B from G^2 = P B P
    m = p**-1 * g * p**-1
    d.decided("G^2 = P B P", p * second * p == g * g, "B = P^-1 G^2 P^-1")
    d.decided("M A M = B", m * first * m == second, "x -> m_2 + M(x - m_1) carries one Gaussian to the other")
    d.decided("M A is similar to G", m * first == p**-1 * g * p, "P^-1 G P: tr(M A) = tr G")
    inverse = p * g**-1 * p
    d.decided("M^-1", inverse * m == 1, f"{inverse}")
    d.decided("M^-1 B is similar to G", inverse * second == p * g * p**-1, "P G P^-1: tr(M^-1 B) = tr G")
    d.decided(
        "A B is similar to G^2",
        first * second == p * (g * g) * p**-1,
        "so tr sqrt(AB), as FID is coded, is tr G",
    )
    d.argue(
        "Gelbrich's bound in d dimensions",
        "For centred x, y with covariances A, B and C = E[x y^T]: 0 <= E|M^(1/2) x - M^(-1/2) y|^2 = tr(M A) "
        "+ tr(M^-1 B) - 2 tr C = 2 tr G - 2 tr C. So E|x - y|^2 >= tr A + tr B - 2 tr G for every coupling, "
        "and the map x -> M x reaches it for Gaussians. Means add |m_1 - m_2|^2. Singular A: by continuity, "
        "A + eps I.",
        uses=("G^2 = P B P", "M A M = B", "M^-1*", "M A is*", "finite second moments"),
    )
    d.conclude(
        "FID of two laws (W2^2 of Gaussians with their moments) is at most their W2^2 (Gelbrich)",
        uses=("Gelbrich's bound in d dimensions", "A B is similar to G^2"),
    )


def _paired(d: Derivation, claim: Claim) -> None:
    """n = 3 paired features in one dimension, in full."""
    a, b = sp.symbols(f"a_1:{SAMPLES + 1}", real=True), sp.symbols(f"b_1:{SAMPLES + 1}", real=True)
    n = sp.Integer(SAMPLES)
    mean_a, mean_b = sum(a) / n, sum(b) / n
    square = sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / n
    var_a, var_b = (sum((p - m) ** 2 for p in v) / n for v, m in ((a, mean_a), (b, mean_b)))
    cov = sum((p - mean_a) * (q - mean_b) for p, q in zip(a, b, strict=True)) / n
    without_roots = square - (mean_a - mean_b) ** 2 - var_a - var_b  # FID has + 2 s_a s_b to subtract here
    d.example("mean square less FID is 2(s_a s_b - cov)", sp.expand(without_roots), sp.expand(-2 * cov))
    lagrange = sum(
        ((a[i] - mean_a) * (b[j] - mean_b) - (a[j] - mean_a) * (b[i] - mean_b)) ** 2
        for i in range(SAMPLES)
        for j in range(i)
    )
    d.example(
        "s_a^2 s_b^2 - cov^2 is a sum of squares",
        sp.expand(var_a * var_b - cov**2),
        sp.expand(lagrange / n**2),
    )
    d.argue(
        "any n and dimension",
        "The pairs (phi(xhat_i), phi(x_i)) with mass 1/n are a coupling of the two empirical laws, whose "
        "moments are the sample means and the 1/n covariances. So FID <= W2^2 <= mean square, by Gelbrich.",
        uses=("Gelbrich's bound in d dimensions", "paired"),
    )
    # b = c a with mean 0 and mean square 1: the equality case. Covariances with another divisor:
    c = sp.Symbol("c", nonnegative=True)
    size = sp.Symbol("n", positive=True)
    larger = 1 / (size - claim["divisor"]) * size  # 1/(n - divisor) in place of 1/n
    frechet = larger * (1 - c) ** 2
    surplus = sp.simplify(((1 - c) ** 2 - frechet).subs({c: 1 + SLACK, size: SAMPLES}))
    d.decided(
        "paired inequality on b = c a",
        surplus.is_nonnegative,
        f"mean square - FID = {surplus}",
        uses=("paired",),
    )
    d.conclude(
        "sqrt FID(q,fp) <= rms |phi(xhat) - phi(x)|, exactly; with 1/(n - 1) this is false",
        uses=("any n and dimension", "paired inequality on b = c a"),
    )


def _triangle(d: Derivation) -> None:
    """1-D: (m, s) in the half-plane with the Euclidean distance. In general: W2 of Gaussians."""
    u1, u2, w1, w2 = sp.symbols("u_1 u_2 w_1 w_2", real=True)
    inner = u1 * w1 + u2 * w2
    minkowski = (u1**2 + u2**2) * (w1**2 + w2**2) - inner**2
    d.example("Cauchy-Schwarz in the (mean, deviation) plane", minkowski, (u1 * w2 - u2 * w1) ** 2)
    d.argue(
        "triangle inequality",
        "In d dimensions let (X, Y) and (Y, Z) be optimal couplings of Gaussians with the moments of two "
        "pairs, glued along Y (X and Z independent given Y). Minkowski in L2: rms|X - Z| <= rms|X - Y| + "
        "rms|Y - Z|, and the left side is at least the root of FID of the third pair.",
        uses=("Gelbrich's bound in d dimensions",),
    )
    far, near, between = sp.symbols("q_data fp_data q_fp", nonnegative=True)
    # The triangle inequality twice: both factors are not negative.
    first, second = sp.symbols("spare_1 spare_2", nonnegative=True)
    product = (between + near - far) * (between + far - near)
    d.decided("both factors", (first * second).is_nonnegative, f"{first * second} >= 0")
    d.identity(
        "(sqrt FID(q,data) - sqrt FID(fp,data))^2 <= FID(q,fp)",
        between**2 - (far - near) ** 2,
        sp.expand(product),
        uses=("triangle inequality", "both factors"),
    )
    d.conclude(
        "|sqrt FID(q,data) - sqrt FID(fp,data)| <= sqrt FID(q,fp)",
        uses=("(sqrt FID(q,data) - sqrt FID(fp,data))^2 <= FID(q,fp)",),
    )


def _chain(d: Derivation, claim: Claim) -> None:
    weights = sp.sqrt(COST)  # |theta_q - theta|, by T1: the square is the sum of n_l D_l
    velocity = L_THETA * weights
    s = sp.Symbol("s", nonnegative=True)
    sample = sp.integrate(velocity * sp.exp(L * (1 - s)), (s, 0, 1))  # G0
    feature = L_PHI * sample
    d.argue(
        "Lipschitz steps",
        "T1 gives |theta_q - theta|^2 = sum of n_l D_l; delta <= L_theta |theta_q - theta|; S6a gives |e_1| "
        "for every noise, so for its root mean square; |phi(xhat) - phi(x)| <= L_phi |e_1|.",
        uses=("Lipschitz",),
    )
    d.identity("chain", feature**2, claim["chain"], uses=("Lipschitz steps", "any n and dimension"))
    d.conclude("FID(q,fp) <= L_phi^2 L_theta^2 ((e^L - 1)/L)^2 sum over layers of n_l D_l", uses=("chain",))
    slope = sp.diff(sp.log(feature.subs(COST, C_PD * 4**-BITS) ** 2, 2), BITS)
    d.identity("order with D_l ~ C 2^(-2b)", sp.simplify(slope), claim["slope"], uses=("chain",))
    d.conclude("of the order 2^(-2b) where D_l is", uses=("order with D_l ~ C 2^(-2b)",))
    equal_mass = sp.diff(sp.log(feature.subs(COST, C_PD * 2**-BITS) ** 2, 2), BITS)
    d.example(
        "order with equal mass on Laplace weights, D_l ~ C 2^-b (T5a)",
        sp.simplify(equal_mass),
        sp.Integer(-1),
    )
    d.deliver(
        "chain/(sum of n_l D_l) at L = L_phi = L_theta = 1",
        claim["chain"].subs({L: 1, L_PHI: 1, L_THETA: 1, COST: 1}),
    )


def _degradation(d: Derivation, claim: Claim) -> None:
    """FID(q, data) - FID(fp, data) is another quantity: it is of first order in sqrt FID(q, fp)."""
    root, change = sp.symbols("f r", positive=True)  # sqrt FID(fp, data), sqrt FID(q, fp)
    bound = sp.expand((root + change) ** 2 - root**2)
    d.identity("degradation at most", bound, change * (2 * root + change), uses=("triangle inequality",))
    # Data N(0, 1), full precision N(f, 1), quantized N(f + r, 1).
    frechet = claim["gaussian 1-D"].subs({S1: 1, S2: 1})
    reached = frechet.subs({M1: root + change, M2: 0}) - frechet.subs({M1: root, M2: 0})
    d.identity("it is reached by three Gaussians", sp.expand(reached), bound)
    halves = sp.limit(sp.diff(sp.log(bound.subs(change, 2**-BITS), 2), BITS), BITS, sp.oo)
    d.identity("degradation: order in bits with FID(fp,data) > 0", halves, claim["degradation slope"])
    d.conclude(
        "is at most r (2 sqrt FID(fp,data) + r), r = sqrt FID(q,fp), which is reached",
        uses=("degradation at most", "it is reached by three Gaussians"),
    )
    without = sp.simplify(sp.diff(sp.log(bound.subs(root, 0).subs(change, 2**-BITS), 2), BITS))
    d.identity("degradation: order with FID(fp,data) = 0", without, claim["slope"])
    d.conclude(
        "unless FID(fp,data) = 0 the chain bounds it by the order 2^-b only", uses=("degradation: order*",)
    )


def _paired_inequality(divisor: int) -> bool:
    """Features a = (-1, 0, 1), b = 2a: FID with variances over n - divisor against the mean square."""
    deviation = sp.sqrt(sp.Rational(2, 3 - divisor))
    return bool(deviation**2 <= sp.Rational(2, 3))


def _feature_bound(constant: sp.Expr) -> bool:
    """phi(x) = 2x at distance 1: is its difference at most the constant?"""
    return bool(constant >= 2)


def _enclosed() -> Enclosure:
    with precision(180):
        return Enclosure.of(arb(1).expm1() ** 2)


LEMMA = Lemma(
    id="S7",
    title="from samples to FID: Gelbrich, the paired inequality, the chain",
    statement=(
        "FID of two laws (W2^2 of Gaussians with their moments) is at most their W2^2 (Gelbrich). In one "
        "dimension it is (m_1 - m_2)^2 + (s_1 - s_2)^2. For n "
        "paired samples and 1/n covariances sqrt FID(q,fp) <= rms |phi(xhat) - phi(x)|, exactly; with 1/(n - "
        "1) this is false. |sqrt FID(q,data) - sqrt FID(fp,data)| <= sqrt FID(q,fp). The chain: FID(q,fp) <= "
        "L_phi^2 L_theta^2 ((e^L - 1)/L)^2 sum over layers of n_l D_l, of the order 2^(-2b) where D_l is. "
        "The degradation FID(q,data) - FID(fp,data) is at most r (2 sqrt FID(fp,data) + r), r = sqrt "
        "FID(q,fp), which is reached: unless FID(fp,data) = 0 the chain bounds it by the order 2^-b only."
    ),
    assumptions=(
        Assumption(
            "finite second moments",
            "finite second moments",
            Counterexample("nu = 2: the variance is infinite", finite_moment(2), holds=3, broken=2),
        ),
        Assumption(
            "paired",
            "the paired inequality: the same noise for both, 1/n covariances on both sides",
            Counterexample("covariances with n - 1 on b = 2a", _paired_inequality, holds=0, broken=1),
        ),
        Assumption(
            "Lipschitz",
            "L_phi, L_theta and L hold where S6a needs them",
            Counterexample(
                "L_phi below the slope of phi = 2x",
                _feature_bound,
                holds=sp.Integer(2),
                broken=sp.Rational(19, 10),
            ),
        ),
    ),
    claim={
        "gaussian 1-D": (M1 - M2) ** 2 + (S1 - S2) ** 2,
        "divisor": sp.Integer(0),
        "chain": L_PHI**2 * L_THETA**2 * ((sp.exp(L) - 1) / L) ** 2 * COST,
        "slope": sp.Integer(-2),
        "degradation slope": sp.Integer(-1),
    },
    derive=_derive,
    mutants=(
        Mutant(
            "variances subtracted in place of deviations",
            {"gaussian 1-D": (M1 - M2) ** 2 + S1**2 - S2**2},
            "cost above the Gaussian value",
        ),
        Mutant(
            "missing assumption: covariances with n - 1",
            {"divisor": sp.Integer(1)},
            "paired inequality on b = c a",
        ),
        Mutant(
            "the Lipschitz constants are not squared",
            {"chain": L_PHI * L_THETA * (sp.exp(L) - 1) / L * COST},
            "chain",
        ),
        Mutant("2^(-b) in place of 2^(-2b)", {"slope": sp.Integer(-1)}, "order with D_l ~ C 2^(-2b)"),
        Mutant(
            "the degradation is of the order 2^(-2b) whatever FID(fp,data)",
            {"degradation slope": sp.Integer(-2)},
            "degradation: order in bits with FID(fp,data) > 0",
        ),
    ),
    reference="Gelbrich 1990; Dowson and Landau 1982; Villani 2009; theory of the toolkit, section 7",
    constants={
        "chain/(sum of n_l D_l) at L = L_phi = L_theta = 1": Certificate(
            _enclosed, lambda: math.expm1(1.0) ** 2
        )
    },
    document="theory/s7-from-samples-to-fid.md",
)
