"""What log-concavity of a density gives: uniqueness of the optimal codebook, and a bound of its tail."""

from fractions import Fraction

from flint import arb

from fmq_theory.certify.enclosure import ball

__all__ = ["FLEISCHER", "KIEFFER", "log_concave_tail"]

FLEISCHER = "(log f)'' < 0 everywhere: Fleischer 1964, theorem 1"
KIEFFER = (
    "log f is concave, not strictly everywhere: Trushkin 1982 and Kieffer 1983, theorem 1 (squared error)"
)


def log_concave_tail(density: arb, power: Fraction, score: arb) -> arb:
    """Log f concave beyond L gives f(t) <= f(L) e^{-h(t-L)}, h = -f'(L)/f(L): f(L)^p/(p h) bounds it."""
    return density ** ball(power) / (ball(power) * score) if score > 0 else arb.nan()
