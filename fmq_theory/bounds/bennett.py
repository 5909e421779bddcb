"""One formula for every companding quantizer: Bennett's integral on the power family f^alpha.

B(alpha) = (1/12) I(alpha)^2 I(1 - 2 alpha),  I(beta) = integral of f^beta,

is the limit of K^2 D(K) for the compander with point density f^alpha / I(alpha): alpha = 0 is uniform
on the support, 1/3 Panter-Dite and Lloyd-Max, 1 equal mass. By Hölder's inequality B is minimal at 1/3.
"""

import math

from fmq_theory.bounds.bound import Bound
from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical

__all__ = [
    "OPTIMAL_ALPHA",
    "bennett_constant",
    "bennett_high_rate",
    "companding_order",
    "finite_alpha_interval",
    "panter_dite_constant",
    "panter_dite_high_rate",
]

OPTIMAL_ALPHA = 1.0 / 3.0

_REFERENCE = "Bennett 1948; Gray & Neuhoff 1998, eq. (28)"
_PANTER_DITE = "Panter & Dite 1951; Zador 1982; Bucklew & Wise 1982"


def finite_alpha_interval(source: Source) -> tuple[float, float]:
    """The open interval of alpha on which B(alpha) is finite (T4), from the tail alone.

    At the ends of an unbounded support I(beta) is finite iff beta > 0 (exponential-type tails) or
    beta > 1 / (nu + 1) (sf ~ x^-nu, f ~ x^-(nu+1)). Asking this of alpha and of 1 - 2 alpha gives
    (0, 1/2) and (1 / (nu+1), nu / (2 (nu+1))); the latter is empty for nu <= 2. A density that
    vanishes or blows up like |x|^(a-1), a > 0, inside the support does not narrow these intervals:
    alpha (a-1) > -1 and (1 - 2 alpha)(a-1) > -1 hold for every alpha in (0, 1/2). A bounded support
    with density bounded away from 0 and inf puts no limit: (-inf, inf).

    Args:
        source: the law; only ``source.tail`` is read.

    Returns:
        (low, high); low >= high if the interval is empty.

    Reference:
        T4 (docs/theory/t4-no-square-law.md).

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> bounds.finite_alpha_interval(sources.make("student-t", df=4))  # 1/(df+1), df/(2(df+1))
        (0.2, 0.4)
    """
    tail = source.tail
    if tail.kind == "bounded":
        return (-math.inf, math.inf)
    if tail.kind == "exponential":
        return (0.0, 0.5)
    return (1.0 / (tail.index + 1.0), tail.index / (2.0 * (tail.index + 1.0)))


def bennett_constant(source: Source, alpha: float) -> float:
    """B(alpha) = (1/12) I(alpha)^2 I(1 - 2 alpha), I(beta) the integral of f^beta; ``inf`` where it diverges.

    Args:
        source: the law, or data, whose density is read off spacings.
        alpha: exponent of the point density f^alpha, without unit: 1/3 is Panter and Dite's, 1 equal mass.

    Returns:
        The limit of K^2 D(K), in squared units of the source; ``inf`` outside ``finite_alpha_interval``.

    Reference:
        bennett1948spectra; gray1998quantization, eq. (28); T3 and T4.

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> laplace = sources.make("laplace")
        >>> alphas = (1 / 3, 0.25, 1.0)  # the optimum, another compander, equal mass
        >>> [round(bounds.bennett_constant(laplace, alpha), 6) for alpha in alphas]
        [9.0, 10.666667, inf]
    """
    low, high = finite_alpha_interval(source)
    if not low < alpha < high:
        return math.inf
    first = source.density_power_integral(alpha)
    return first * first * source.density_power_integral(1.0 - 2.0 * alpha) / 12.0


def companding_order(source: Source, alpha: float) -> float | None:
    """The order p of the compander with point density f^alpha: D = O(K^-p) up to logarithms.

    Where B(alpha) is finite p = 2. Beyond it the outermost cell decides. Its threshold T solves
    (integral of f^alpha beyond T) = I(alpha) / K. For exponential-type tails f(T) ~ K^(-1/alpha), so p =
    1/alpha (1 for equal mass). For f ~ x^-(nu+1), T ~ K^(1/(alpha(nu+1) - 1)) and the cell costs T^-(nu-2):
    p = (nu-2) / (alpha(nu+1) - 1), which is 1 - 2/nu for equal mass.

    Args:
        source: the law; only ``source.tail`` is read.
        alpha: exponent of the point density f^alpha, without unit.

    Returns:
        p; None where there is no such compander, I(alpha) = inf, or no finite distortion (nu <= 2).

    Reference:
        T3, T4 and T5c to T5e (docs/theory/t5-equal-mass-rates.md).

    Examples:
        Of equal mass, alpha = 1, and of Panter and Dite's compander, alpha = 1/3:

        >>> from fmq_theory import bounds, sources
        >>> for law in (sources.Uniform(), sources.Gaussian(), sources.StudentT(df=4.0)):
        ...     print(law.name, bounds.companding_order(law, 1.0), bounds.companding_order(law, 1.0 / 3.0))
        uniform 2.0 2.0
        gaussian 1.0 2.0
        student-t 0.5 2.0
    """
    tail = source.tail
    if tail.kind == "bounded":
        return 2.0
    if tail.kind == "exponential":
        return min(2.0, 1.0 / alpha) if alpha > 0 else None
    excess = alpha * (tail.index + 1.0) - 1.0
    if excess <= 0 or tail.index <= 2:
        return None
    return min(2.0, (tail.index - 2.0) / excess)


def bennett_high_rate(source: Source, alpha: float, num_levels: int) -> Bound:
    """D ~ B(alpha) / K^2 for the power compander; infinite, with the true order, where B is infinite.

    For data the density is read off spacings and the result is an estimate for the unknown law.

    Args:
        source: the law, or data.
        alpha: exponent of the point density f^alpha, without unit.
        num_levels: K >= 1.

    Returns:
        Kind ``asymptotic`` for a law, ``estimate`` for data; the value in squared units of the source.

    Reference:
        bennett1948spectra; gray1998quantization, eq. (28).
    """
    constant = bennett_constant(source, alpha)
    order = companding_order(source, alpha)
    if isinstance(source, Empirical):
        assumptions = ("density estimated from spacings of the data", "fewer levels than spacings")
        return Bound(constant / num_levels**2, "estimate", 2.0, assumptions, _REFERENCE)
    if math.isfinite(constant):
        assumptions = (
            "many levels",
            f"point density f^{alpha:.4g}",
            "each level is its cell's mean or midpoint",
        )
        return Bound(constant / num_levels**2, "asymptotic", 2.0, assumptions, _REFERENCE)
    if order is None:
        reason = "no compander: the integral of f^alpha, or the variance, is infinite"
    else:
        low, high = finite_alpha_interval(source)
        reason = f"B(alpha) is infinite: alpha = {alpha:.4g} is outside ({low:.4g}, {high:.4g})"
    return Bound(math.inf, "asymptotic", order, (reason,), _REFERENCE)


def panter_dite_constant(source: Source) -> float:
    """C_PD = B(1/3) = (1/12) I(1/3)^3; ``inf`` where the variance is infinite (nu <= 2).

    Args:
        source: the law, or data, whose density is read off spacings.

    Returns:
        C_PD, in squared units of the source.

    Reference:
        panter1951quantization; zador1982asymptotic; T3 (docs/theory/t3-companding.md).

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> round(bounds.panter_dite_constant(sources.make("gaussian")), 12)  # sqrt(3) pi / 2
        2.720699046351
        >>> bounds.panter_dite_constant(sources.make("student-t", df=2))
        inf
    """
    return bennett_constant(source, OPTIMAL_ALPHA)


def panter_dite_high_rate(source: Source, num_levels: int) -> Bound:
    """D_LM ~ C_PD / K^2: the optimum over all K-level quantizers, so also W2^2-optimal (T2a, T3).

    Holds if E|X|^(2+d) is finite for some d > 0, which every family here with finite variance satisfies.

    Args:
        source: the law, or data, for which the value is an estimate.
        num_levels: K >= 1.

    Returns:
        C_PD / K^2, in squared units of the source.

    Reference:
        panter1951quantization; zador1982asymptotic; bucklew1982multidimensional.

    Examples:
        At six bits the optimum for the Gaussian is 3 % below it:

        >>> from fmq_theory import bounds, metrics, quantizers, sources
        >>> law = sources.Gaussian()
        >>> exact = metrics.distortion(quantizers.LloydMax().design(law, 64), law)
        >>> round(exact / bounds.panter_dite_high_rate(law, 64).value, 2)
        0.97
    """
    bound = bennett_high_rate(source, OPTIMAL_ALPHA, num_levels)
    return Bound(bound.value, bound.kind, bound.order, bound.assumptions, _PANTER_DITE)
