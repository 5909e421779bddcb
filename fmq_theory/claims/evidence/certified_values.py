"""Enclosures that several claims share, computed once a process.

The seven reference laws stand for their families. Everything is on the law's natural scale: each claim
compares quantities that scale alike.
"""

from fractions import Fraction
from functools import cache

from fmq_theory.certify import (
    Enclosure,
    Law,
    equal_mass_distortion,
    exact,
    law,
    law_variance,
    optimal_uniform,
    panter_dite_constant,
    stationary_codebook,
    tail_cell_bound,
)
from fmq_theory.certify.scaled import ScaledLaw

__all__ = [
    "BITS",
    "DIGITS",
    "LAWS",
    "LOG_CONCAVE",
    "UNBOUNDED",
    "best_uniform",
    "constant",
    "equal_mass",
    "named",
    "optimum",
    "per_square",
    "tail_cells",
    "variance",
]

BITS = tuple(range(1, 9))
DIGITS = 30

LAWS: dict[str, tuple[str, dict[str, str]]] = {
    "gaussian": ("gaussian", {}),
    "laplace": ("laplace", {}),
    "logistic": ("logistic", {}),
    "student-t(4)": ("student-t", {"df": "4"}),
    "generalized-gaussian(3/2)": ("generalized-gaussian", {"beta": "3/2"}),
    "gamma(1/2)": ("gamma", {"shape": "1/2"}),
    "uniform": ("uniform", {}),
}
UNBOUNDED = tuple(name for name in LAWS if name != "uniform")
LOG_CONCAVE = ("gaussian", "laplace", "logistic", "generalized-gaussian(3/2)", "uniform")


@cache
def named(name: str) -> Law:
    """One of ``LAWS``, or ``student-t(NU)``."""
    if name in LAWS:
        return law(*LAWS[name])
    family, _, parameter = name.removesuffix(")").partition("(")
    return law(family, {"df": parameter})


@cache
def variance(name: str) -> Enclosure:
    """sigma^2."""
    return law_variance(named(name), digits=DIGITS)


@cache
def constant(name: str) -> Enclosure:
    """C_PD."""
    return panter_dite_constant(named(name), digits=DIGITS)


@cache
def optimum(name: str, bits: int) -> Enclosure:
    """Encloses the least distortion of 2^bits levels.

    The proven codebook's distortion, where it is the only stationary one; else from Shannon's bound, which
    no quantizer of so many levels beats, up to the distortion of the proven codebook.
    """
    found = stationary_codebook(named(name), 2**bits, digits=DIGITS).distortion
    if named(name).uniqueness is not None:
        return found
    unit = ScaledLaw(named(name), exact(1))
    floor = unit.shannon_bound(bits) * variance(name)
    return Enclosure(floor.lower, found.upper)


@cache
def equal_mass(name: str, bits: int) -> Enclosure:
    """D_EM(2^bits)."""
    return equal_mass_distortion(named(name), 2**bits, digits=DIGITS)


@cache
def tail_cells(name: str, bits: int) -> Enclosure:
    """The lower bound T5f of D_EM(2^bits)."""
    return tail_cell_bound(named(name), 2**bits, digits=DIGITS)


@cache
def best_uniform(name: str, bits: int) -> Enclosure:
    """D of the best step of a uniform quantizer with 2^bits levels, centred on 0."""
    return optimal_uniform(named(name), 2**bits, digits=DIGITS).distortion


def per_square(value: Enclosure, bits: int) -> Enclosure:
    """value / 4^bits."""
    return value * Fraction(1, 4**bits)
