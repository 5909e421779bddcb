"""Squared 2-Wasserstein distance on the line, by the project's own kernel."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook
from fmq_theory.errors import WeightsError
from fmq_theory.kernels.wasserstein import w2_squared_sorted
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.weights import as_weights

__all__ = ["SortedPair", "codebook_pair", "sample_to_codebook_w2_squared", "sorted_pair", "w2_squared"]

FloatArray = NDArray[np.float64]

_SAFE_EXPONENT = 400  # squares of numbers below 2**400, and their sums, stay within float64


class SortedPair(NamedTuple):
    """Two discrete measures ready for a sweep: positions in order and masses above zero.

    Positions are in units of ``2**exponent``; nonzero only for numbers whose squares leave float64.
    """

    x: FloatArray
    x_mass: FloatArray
    y: FloatArray
    y_mass: FloatArray
    exponent: int


def w2_squared(a: object, b: object, a_weights: object = None, b_weights: object = None) -> float:
    """W2**2 between sum_i p_i delta(a_i) and sum_j q_j delta(b_j), p and q normalised to one.

    On the line the optimal coupling is the comonotone one, so W2**2 is the integral over q in (0, 1)
    of the squared gap between the two quantile functions: one sweep over both sorted samples. Only
    differences of positions enter, so a common offset costs no accuracy.

    Args:
        a: numbers of any shape; array-like or torch tensor, float16 to float64.
        b: likewise; of any size.
        a_weights: masses, of the shape of ``a``, not negative; equal if None.
        b_weights: likewise for ``b``.

    Returns:
        In the square of the units of ``a`` and ``b``.

    Raises:
        WeightsError: an array is empty or not finite, or masses are negative, all zero or of another
            shape.

    Reference:
        Santambrogio, Optimal Transport for Applied Mathematicians, proposition 2.17.
    """
    return w2_of_pair(sorted_pair(a, b, a_weights, b_weights))


def sample_to_codebook_w2_squared(sample: Empirical, codebook: Codebook) -> float:
    """W2**2 between data and the data after quantization; by T1 it equals the distortion."""
    return w2_of_pair(codebook_pair(sample, codebook))


def w2_of_pair(pair: SortedPair) -> float:
    """The kernel on a prepared pair, in original units."""
    return rescaled(w2_squared_sorted(pair.x, pair.x_mass, pair.y, pair.y_mass), pair.exponent)


def rescaled(squared: float, exponent: int) -> float:
    """``squared`` * 4**``exponent``, ``inf`` beyond float64."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(squared, 2 * exponent))


def sorted_pair(a: object, b: object, a_weights: object, b_weights: object) -> SortedPair:
    """Checks, sorts and scales two weighted samples; see `w2_squared`."""
    x, x_mass = _sorted(a, a_weights, "a")
    y, y_mass = _sorted(b, b_weights, "b")
    return _scaled(x, x_mass, y, y_mass)


def codebook_pair(sample: Empirical, codebook: Codebook) -> SortedPair:
    """The data, and the levels with the mass of the data in each cell; empty cells are left out."""
    starts = np.concatenate(([0], np.searchsorted(sample.values, codebook.thresholds)))
    taken = np.flatnonzero(np.diff(starts, append=sample.values.size))
    masses = np.add.reduceat(sample.multiplicity, starts[taken])
    return _scaled(sample.values, sample.multiplicity, codebook.levels[taken], masses)


def _scaled(x: FloatArray, x_mass: FloatArray, y: FloatArray, y_mass: FloatArray) -> SortedPair:
    exponent = int(np.frexp(max(-x[0], x[-1], -y[0], y[-1]))[1])
    if abs(exponent) <= _SAFE_EXPONENT:
        return SortedPair(x, x_mass, y, y_mass, 0)
    return SortedPair(np.ldexp(x, -exponent), x_mass, np.ldexp(y, -exponent), y_mass, exponent)


def _sorted(values: object, weights: object, name: str) -> tuple[FloatArray, FloatArray]:
    x = as_weights(values, name).ravel()
    if weights is None:
        return np.sort(x), np.ones(x.size)
    mass = as_weights(weights, f"{name}_weights").ravel()
    if mass.size != x.size:
        raise WeightsError(
            f"{name}_weights",
            f"{mass.size} masses do not fit {x.size} numbers",
            f"pass one for each of {name}",
        )
    if (mass < 0.0).any():
        raise WeightsError(f"{name}_weights", "a mass is negative", "pass masses of at least zero")
    if not (mass > 0.0).any():
        raise WeightsError(f"{name}_weights", "every mass is zero", "pass at least one positive mass")
    # The largest mass becomes 1 up to a factor 2, so that sums and products stay within float64.
    mass = np.ldexp(mass, -int(np.frexp(mass.max())[1]))
    order = np.argsort(x, kind="stable")
    order = order[mass[order] > 0.0]
    return x[order], mass[order]
