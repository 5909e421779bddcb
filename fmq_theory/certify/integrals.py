"""Certified integrals over finite and infinite intervals.

Arb's adaptive Gauss-Legendre quadrature encloses an integral over a finite segment rigorously
(Johansson 2018). It says nothing about what was cut off. Here the cut is explicit: whoever asks for
an integral over a half-line passes a proven bound of the head and of the tail, and both enter the
result as balls.

One substitution serves every law of this package. With x = e^u,

    int_0^inf g(x) dx = int_{-inf}^{inf} g(e^u) e^u du,

a power singularity x^(k-1) at 0 and a power tail x^(-q) at infinity both become exponential decay in
u, and the integrand stays analytic in a strip around the real line. The head is (0, e^-U), the tail
(e^V, inf).

Reference: Johansson, Numerical integration in arbitrary-precision ball arithmetic, 2018
(arXiv:1802.07942), Theorem 1 for the error bound of each segment.
"""

from collections.abc import Callable

from flint import acb, arb, ctx

from fmq_theory.errors import CertificationError

__all__ = ["BoundFunction", "Integrand", "integrate", "integrate_half_line", "integrate_with_tails"]

Integrand = Callable[[acb, bool], acb]
"""func(z, analytic); where ``analytic`` is set it returns a non-finite ball unless it is analytic on z."""

BoundFunction = Callable[[arb], arb]
"""Proven upper bound of |integral| beyond (tail) or below (head) a point."""


def integrate(func: Integrand, low: arb | int, high: arb | int, *, eval_limit: int = 200_000) -> arb:
    """Enclosure of the integral of a real function over [low, high], both finite.

    Args:
        func: the integrand, from a complex ball to a complex ball; its second argument says whether it must
            be analytic on the ball, and not finite otherwise.
        low: left end of the interval.
        high: right end of the interval.
        eval_limit: evaluations of the integrand at the most.

    Returns:
        A ball that holds the integral.

    Raises:
        CertificationError: the quadrature reached no finite enclosure.

    Reference:
        Johansson 2018, theorem 1 (arXiv:1802.07942).
    """
    low, high = arb(low), arb(high)
    if not (low.is_finite() and high.is_finite()):
        raise CertificationError(
            "integral over an infinite interval",
            "Arb encloses only finite segments",
            "use integrate_half_line with bounds for the head and the tail",
        )
    value = acb.integral(func, acb(low), acb(high), eval_limit=eval_limit).real
    if not value.is_finite():
        raise CertificationError(
            "certified integral",
            "the integrand has a singularity in the interval, or the quadrature gave up",
            "split at the singularity and bound its neighbourhood",
        )
    return value


def integrate_with_tails(func: Integrand, low: arb, high: arb, head: arb, tail: arb) -> arb:
    """Integral over a larger interval, given |what lies below low| <= head, |above high| <= tail.

    Args:
        func: the integrand, as ``integrate`` takes it.
        low: where the head ends and the quadrature begins.
        high: where the quadrature ends and the tail begins.
        head: proven bound of the absolute value of the integral below ``low``.
        tail: proven bound of the absolute value of the integral above ``high``.

    Returns:
        A ball that holds the whole integral.

    Raises:
        CertificationError: a bound is negative or not finite.
    """
    for name, bound in (("head", head), ("tail", tail)):
        if not (bound.is_finite() and bound >= 0):
            raise CertificationError(
                f"bound of the {name}",
                f"{bound.str(5)} is not a finite non-negative number",
                "prove a bound first",
            )
    cut = head + tail
    return integrate(func, low, high) + (-cut).union(cut)


def integrate_half_line(
    func_of_log: Integrand,
    *,
    head_bound: BoundFunction,
    tail_bound: BoundFunction,
    tolerance: arb | None = None,
) -> arb:
    """int_0^inf g(x) dx for ``func_of_log(u) = g(e^u) e^u``.

    The cuts e^-U and e^V are moved outwards (U and V doubled) until both bounds are below
    ``tolerance``, 2^-prec unless given; the bounds themselves enter the result, so a loose
    tolerance only widens it.

    Args:
        func_of_log: the integrand after the substitution x = e^u.
        head_bound: eps -> bound of |int_0^eps g|.
        tail_bound: L -> bound of |int_L^inf g|.
        tolerance: wanted size of each bound.

    Raises:
        CertificationError: a bound does not shrink: the integral may not converge.
    """
    goal = arb(2) ** (-ctx.prec) if tolerance is None else tolerance
    low = _cut(lambda u: head_bound((-u).exp()), goal, "head")
    high = _cut(lambda u: tail_bound(u.exp()), goal, "tail")
    return integrate_with_tails(
        func_of_log, -low, high, head_bound((-low).exp()).upper(), tail_bound(high.exp()).upper()
    )


def _cut(bound: BoundFunction, goal: arb, name: str) -> arb:
    reach = arb(1)
    while not bound(reach) <= goal:
        reach = reach * arb(1.5)
        if reach > 100_000:
            raise CertificationError(
                f"integral over a half-line: {name}",
                "its bound does not fall below the tolerance",
                "check that the integral converges, or pass a sharper bound",
            )
    return reach.mid()
