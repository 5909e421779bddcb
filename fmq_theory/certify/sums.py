"""The infinite sums of the equal-mass theory (theory T5a-T5d), with proven remainders.

Cell j of an exponential tail has variance v_j, of a regularly varying tail of index nu variance
s_j(nu), in units that theory.md section 3 gives:

    v_j     = 1 - j(j+1) ln^2(1 + 1/j),                v_0 = 1,
    s_j(nu) = int_j^{j+1} u^{-2/nu} du - (int_j^{j+1} u^{-1/nu} du)^2.

**Remainder of sum v_j.** Put h = 1/(2j+1). Then j(j+1) = (1 - h^2)/(4h^2) and ln(1 + 1/j) = 2 atanh h,
so v_j = 1 - (1 - h^2)(atanh(h)/h)^2. The Taylor series atanh^2 h = sum_{m>=1} (O_m/m) h^{2m} with
O_m = 1 + 1/3 + ... + 1/(2m-1) gives

    v_j = sum_{m>=1} d_m h^{2m},   d_m = a_{m-1} - a_m,   a_m = O_{m+1}/(m+1).

a_m is the mean of the first m+1 terms of the decreasing sequence 1/(2k-1); so a_m decreases, d_m > 0,
and sum_{m>M} d_m = a_M because a_m -> 0. All terms are positive, the order of summation is free, and

    sum_{j>=N} v_j = sum_{m=1}^{M} d_m Z_m + R,   Z_m = sum_{j>=N} (2j+1)^{-2m} = 4^{-m} zeta(2m, N + 1/2),
    0 <= R <= a_M Z_{M+1},

because h^{2m} <= h^{2(M+1)} for m > M. N >= 1 makes Z_m finite and small.

**Remainder of sum s_j.** With a = 1/nu, c = j + 1/2 and u = c(1 + sh), s uniform on [-1, 1],

    s_j = c^{-2a} sum_{m>=1} e_m h^{2m},
    e_m = C(-2a, 2m)/(2m+1) - sum_{i+k=m} C(-a, 2i) C(-a, 2k) / ((2i+1)(2k+1)).

(m = 0 cancels.) For 0 < p <= 1, 0 <= C(-p, 2m) <= 1, and nu > 2 makes 2a < 1. So the first part lies in
[0, 1], and so does the second: it is at most sum 1/((2i+1)(2k+1)) = O_{m+1}/(m+1) <= 1. Hence |e_m| <= 1 and

    sum_{j>=N} s_j = sum_{m=1}^{M} e_m 4^{-m} zeta(2m + 2a, N + 1/2) + R,
    |R| <= 4^{-(M+1)} zeta(2M + 2 + 2a, N + 1/2) / (1 - (2N+1)^{-2}).

**An integral for S_inf.** By partial fractions 1 - j(j+1)/((j+x)(j+y)) = (g(x) - g(y))/(y - x) with
g(x) = x(1-x)/(j+x); integrating over the unit square (as a principal value, symmetric in x and y)
v_j = 2 int_0^1 w(x)/(j+x) dx with w(x) = x(1-x) ln((1-x)/x), for j = 0 too. w is odd about 1/2, so
int w = 0 and sum_{j<N} 1/(j+x) may be replaced by psi(N+x) - psi(x) - ln N; letting N grow, and
averaging with x -> 1-x, psi(1-x) - psi(x) = pi cot(pi x),

    S_inf = pi int_0^1 x(1-x) cot(pi x) ln((1-x)/x) dx
          = 3/2 - 4 sum_{k>=1} zeta(2k) (1/(2k+1)^2 - 1/(2k+2)^2).

The second line puts pi x cot(pi x) = 1 - 2 sum zeta(2k) x^{2k} into -2 pi int x(1-x) cot(pi x) ln x.
Both are exact. No form without an integral or a series is known to us. Integer-relation searches (PSLQ, 120
digits, coefficients up to 10^6) of S_inf and of pi S_inf found nothing in three sets of constants:
{1, pi^2, zeta(3)/pi^2, zeta'(2)/pi^2, gamma, ln 2pi}; {1, pi^2, gamma, ln 2pi, gamma^2, (ln 2pi)^2,
gamma ln 2pi, ln A (Glaisher), gamma_1 (Stieltjes)}; {1, zeta(3)/pi^2, zeta'(3)/pi^2, zeta'(2)/pi^2, gamma,
ln 2pi, ln 2}. That is no proof that there is none.
"""

from fractions import Fraction

from flint import acb, arb

from fmq_theory.certify.enclosure import Enclosure, Exact, ball, exact, precision
from fmq_theory.certify.integrals import integrate
from fmq_theory.errors import CertificationError

__all__ = [
    "exponential_partial_sum",
    "exponential_sum",
    "exponential_sum_by_integral",
    "regular_sum",
]


def exponential_partial_sum(num_terms: int, *, digits: int = 30) -> Enclosure:
    """S_N = sum_{j<N} v_j: (K/sigma^2) D_EM of a Laplace source with K = 2N levels (theory T5a).

    Args:
        num_terms: N >= 0.
        digits: wanted decimal places.

    Returns:
        S_N, without unit.

    Raises:
        CertificationError: a negative number of terms.

    Reference:
        T5a (docs/theory/t5-equal-mass-rates.md).
    """
    if num_terms < 0:
        raise CertificationError(f"S_N with N = {num_terms}", "a sum has no negative length", "choose N >= 0")
    # v_j ~ 1/(12 j^2) is a difference of near-equal numbers: spend 2 log2(N) guard bits.
    with precision(_bits(digits) + 4 * num_terms.bit_length()):
        return Enclosure.of(_exponential_head(num_terms))


def exponential_sum(*, digits: int = 30, start: int = 24, order: int | None = None) -> Enclosure:
    """S_inf = sum v_j = 1.0803270... with the remainder proven in the module's docstring.

    Args:
        digits: wanted decimal places.
        start: N, the terms summed one by one.
        order: M, the terms of the remainder's expansion; chosen from ``digits`` if None.

    Reference:
        T5b and T5c, whose constant it is (docs/theory/t5-equal-mass-rates.md).

    Examples:
        >>> from fmq_theory import certify
        >>> found = certify.exponential_sum(digits=20)
        >>> float(found.lower), float(found.upper - found.lower) < 1e-20
        (1.0803270395149802, True)
    """
    _require_start(start)
    terms = _order(digits, start) if order is None else order
    with precision(_bits(digits) + 64):
        total, odd_sum, a_before = _exponential_head(start), Fraction(1), Fraction(1)
        for m in range(1, terms + 1):
            odd_sum += Fraction(1, 2 * m + 1)
            a = odd_sum / (m + 1)
            total += ball(a_before - a) * _odd_zeta(arb(2 * m), start)
            a_before = a
        tail = ball(a_before) * _odd_zeta(arb(2 * terms + 2), start)
        return Enclosure.of(total + arb(0).union(tail))


def exponential_sum_by_integral(*, digits: int = 30) -> Enclosure:
    """S_inf by the integral of the module's docstring: an independent second route.

    By symmetry it is twice the integral over (0, 1/2]; x = e^u makes the logarithm at 0 harmless. The head
    (0, eps) is bounded: there 0 <= pi x cot(pi x) <= 1 and 0 <= ln((1-x)/x) <= -ln x, so its share
    lies between 0 and 2 eps (1 - ln eps).

    Args:
        digits: wanted decimal places.

    Returns:
        S_inf, without unit.

    Reference:
        T5b and T5c, whose constant it is (docs/theory/t5-equal-mass-rates.md).
    """
    with precision(_bits(digits) + 32):
        eps_log = -arb(digits + 6) * arb(10).log()

        def integrand(u: acb, analytic: bool) -> acb:
            x = u.exp()
            log_ratio = (1 - x).log(analytic=analytic) - u
            return 2 * acb.pi() * x * x * (1 - x) * (acb.pi() * x).cot() * log_ratio

        body = integrate(integrand, eps_log, -(arb(2).log()))
        head = 2 * eps_log.exp() * (1 - eps_log)
        return Enclosure.of(body + arb(0).union(head))


def regular_sum(index: Exact, *, digits: int = 30, start: int = 24, order: int | None = None) -> Enclosure:
    """S_nu of theory T5d for a tail index nu > 2, with the remainder proven above.

    Args:
        index: nu > 2, exact.
        digits: wanted decimal places.
        start: N, the terms summed one by one.
        order: M, the terms of the remainder's expansion; chosen from ``digits`` and ``start`` if None.

    Returns:
        S_nu, without unit.

    Raises:
        CertificationError: nu <= 2, where the variance and S_nu are infinite.

    Reference:
        T5d (docs/theory/t5-equal-mass-rates.md).
    """
    nu = exact(index)
    if nu <= 2:
        raise CertificationError(
            f"S_nu with nu = {nu}", "the sum diverges when the variance is infinite", "choose nu > 2"
        )
    _require_start(start)
    terms = _order(digits, start) if order is None else order
    with precision(_bits(digits) + 64):
        a = 1 / nu
        total = _regular_head(a, start)
        single = _binomials(-a, terms)
        double = _binomials(-2 * a, terms)
        for m in range(1, terms + 1):
            product = sum((single[i] * single[m - i] for i in range(m + 1)), Fraction(0))
            total += ball(double[m] - product) * _regular_zeta(2 * m, a, start)
        geometric = 1 - ball(Fraction(1, (2 * start + 1) ** 2))
        tail = _regular_zeta(2 * terms + 2, a, start) / geometric
        return Enclosure.of(total + (-tail).union(tail))


def _bits(digits: int) -> int:
    if digits < 1:
        raise CertificationError(f"{digits} digits", "nothing is asked for", "ask for at least one digit")
    return int(digits * 3.33) + 32


def _order(digits: int, start: int) -> int:
    # The remainder is about (2N+1)^(-2M-2); floats only choose how hard to work, they prove nothing.
    return max(4, int(digits * 3.33 / (2 * (2 * start + 1).bit_length() - 2)) + 2)


def _require_start(start: int) -> None:
    if start < 1:
        raise CertificationError(
            f"start = {start}",
            "the expansion of the remainder needs N >= 1",
            "sum at least one term directly",
        )


def _exponential_head(num_terms: int) -> arb:
    total = arb(1 if num_terms else 0)
    for j in range(1, num_terms):
        total += 1 - j * (j + 1) * (arb(1) / j).log1p() ** 2
    return total


def _regular_head(a: Fraction, num_terms: int) -> arb:
    def antiderivative(j: int, power: Fraction) -> arb:
        return arb(j) ** ball(1 - power) / ball(1 - power) if j else arb(0)

    total = arb(0)
    for j in range(num_terms):
        first = antiderivative(j + 1, a) - antiderivative(j, a)
        second = antiderivative(j + 1, 2 * a) - antiderivative(j, 2 * a)
        total += second - first * first
    return total


def _odd_zeta(s: arb, start: int) -> arb:
    """sum_{j>=N} (2j+1)^{-s}."""
    return arb(2) ** (-s) * s.zeta(ball(Fraction(2 * start + 1, 2)))


def _regular_zeta(even: int, a: Fraction, start: int) -> arb:
    """sum_{j>=N} (2j+1)^{-even} (j + 1/2)^{-2a}."""
    return arb(2) ** (-even) * ball(even + 2 * a).zeta(ball(Fraction(2 * start + 1, 2)))


def _binomials(p: Fraction, terms: int) -> list[Fraction]:
    """C(p, 2m)/(2m+1) for m = 0..terms."""
    values, binomial = [Fraction(1)], Fraction(1)
    for n in range(1, 2 * terms + 1):
        binomial *= (p - n + 1) / n
        if n % 2 == 0:
            values.append(binomial / (n + 1))
    return values
