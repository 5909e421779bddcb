"""The levels of least distortion for a law with a density: global start, then Newton's method."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, eigh_tridiagonal, solveh_banded

from fmq_theory.errors import ConvergenceError
from fmq_theory.kernels.kmeans1d.solve import optimum_of_sums
from fmq_theory.kernels.sums.cells import cell_means
from fmq_theory.kernels.sums.prefix import prefix_from_moments
from fmq_theory.sources.source import FloatArray, Source

__all__ = ["optimal_levels"]

BUCKETS_PER_LEVEL = 64
LEAST_BUCKETS = 4096
# Lighter tails than this are lost in a double-double sum of masses; they form one bucket.
LIGHTEST_TAIL = 1e-28
# Distance of a level from its cell's mean, relative to the root mean square distance of the cell's mass.
TOLERANCE = 1e-12
MAX_STEPS = 500
HALVINGS = 8
SHIFTS = (0.0, 1e-8, 1e-6, 1e-4, 1e-2)


class State(NamedTuple):
    """Levels with the moments of their nearest-level cells about them."""

    levels: FloatArray
    thresholds: FloatArray
    mass: FloatArray
    first: FloatArray
    second: FloatArray

    @property
    def distortion(self) -> float:
        return float(self.second.sum())

    @property
    def residual(self) -> float:
        """Largest |mean - level| / rms distance over the cells, less what rounding explains."""
        reach = np.abs(self.levels) + np.abs(np.concatenate((self.thresholds, self.levels[-1:])))
        rounding = 4.0 * np.finfo(np.float64).eps * reach * self.mass
        excess = np.maximum(np.abs(self.first) - rounding, 0.0)
        return float((excess / np.sqrt(self.mass * self.second)).max())


def optimal_levels(law: Source, num_levels: int) -> FloatArray:
    """Levels c_1 < ... < c_K of least distortion, shape ``[K]``.

    The optimum on a fine grid picks the basin, and Newton's method finds its bottom. A symmetric law
    gets the symmetric solution if that is a minimum and the grid's optimum is near it: then the
    Jacobian may be singular across the symmetry (Laplace, even K), where the method would crawl. The
    symmetric solution may also be a saddle (Gamma, even K; Kabal 1984): then the grid's optimum leads on.

    Args:
        law: of mean 0 and variance 1.
        num_levels: K >= 1.

    Raises:
        ConvergenceError: no convergence, as for a law whose density and moments disagree.

    Reference: Max 1960; Lloyd 1982; Kabal 1984.
    """
    start = grid_optimum(law, num_levels)
    if asymmetry(start) < 0.5 and is_symmetric(law, start):
        balanced = minimise(law, symmetric_part(start), symmetric=True)
        if balanced.residual <= TOLERANCE and is_minimum(law, balanced):
            return balanced.levels
    state = minimise(law, start, symmetric=False)
    if not is_minimum(law, state):
        state = minimise(law, beside_saddle(law, state), symmetric=False)
    if not (state.residual <= TOLERANCE and is_minimum(law, state)):
        raise ConvergenceError(
            f"Lloyd-Max codebook of {law} with {num_levels} levels",
            f"the residual is {state.residual:.1e} after {MAX_STEPS} steps",
            "choose fewer levels or a law with lighter tails",
        )
    return state.levels


def is_symmetric(law: Source, x: FloatArray) -> bool:
    """Whether P(X <= -x) = P(X > x) at the given points."""
    return bool(np.allclose(law.cdf(-x), law.sf(x), rtol=1e-12, atol=1e-300))


def symmetric_part(levels: FloatArray) -> FloatArray:
    """The mean of the levels and their mirror image."""
    return 0.5 * (levels - levels[::-1])


def asymmetry(levels: FloatArray) -> float:
    """Largest distance between a level and its mirror image, in units of its distance to the next."""
    if levels.size == 1:
        return 0.0
    gaps = np.diff(levels)
    nearest = np.minimum(np.append(gaps, np.inf), np.append(np.inf, gaps))
    return float((np.abs(levels + levels[::-1]) / nearest).max())


def grid_optimum(law: Source, num_levels: int) -> FloatArray:
    """The optimum with thresholds on a fine grid: a global search, to the accuracy of the grid."""
    num_buckets = max(LEAST_BUCKETS, BUCKETS_PER_LEVEL * num_levels)
    interior = np.arange(1, num_buckets) / num_buckets
    # The optimum's own point density is proportional to f**(1/3).
    edges = law.escort(1.0 / 3.0).ppf(interior)
    edges = np.unique(np.clip(edges, law.ppf(LIGHTEST_TAIL), law.isf(LIGHTEST_TAIL)))
    edges = np.concatenate(([-np.inf], edges, [np.inf]))
    mass, first, second = law.partial_moments(edges[:-1], edges[1:])
    filled = mass > 0.0
    prefix = prefix_from_moments(mass[filled], first[filled], second[filled])
    boundaries, _, _ = optimum_of_sums(prefix, num_levels)
    return cell_means(prefix, boundaries)


def evaluate(law: Source, levels: FloatArray) -> State:
    """The state of sorted levels."""
    thresholds = 0.5 * (levels[:-1] + levels[1:])
    edges = np.concatenate(([-np.inf], thresholds, [np.inf]))
    return State(levels, thresholds, *law.partial_moments(edges[:-1], edges[1:], about=levels))


def minimise(law: Source, levels: FloatArray, *, symmetric: bool) -> State:
    """Newton's method on the gradient of the distortion, among symmetric levels only if asked.

    A step is accepted if the distortion does not rise. The Jacobian is shifted where it is not positive
    definite; where that does not help, a Lloyd iteration (levels to the cells' means) is made, which never
    raises it.
    """
    state = evaluate(law, levels)
    for _ in range(MAX_STEPS):
        if state.residual <= TOLERANCE:
            break
        state = accepted_step(law, state, symmetric)
    return state


def accepted_step(law: Source, state: State, symmetric: bool) -> State:
    """The state after one accepted step."""
    steps = (newton_step(law, state, symmetric=symmetric, shift=shift) for shift in SHIFTS)
    step = next((step for step in steps if step is not None), None)
    if step is not None:
        for halving in range(HALVINGS):
            levels = state.levels + 0.5**halving * step
            if (np.diff(levels) > 0.0).all():
                candidate = evaluate(law, levels)
                if candidate.distortion <= state.distortion * (1.0 + 1e-14):
                    return candidate
    lloyd_step = state.first / state.mass
    return evaluate(law, state.levels + (symmetric_part(lloyd_step) if symmetric else lloyd_step))


def is_minimum(law: Source, state: State) -> bool:
    """Whether the Jacobian is positive semidefinite, rounding apart."""
    return newton_step(law, state, shift=1e-9) is not None


def beside_saddle(law: Source, state: State) -> FloatArray:
    """Levels of lower distortion along the direction in which a stationary point is no minimum."""
    jacobian = scaled_jacobian(law, state)
    gaps = np.diff(state.levels)
    if jacobian is None:
        # The density is infinite at a threshold, so that moving it away gains: all levels move together.
        direction, reach = np.ones_like(state.levels), 0.5 * float(gaps.min())
    else:
        diagonal, beside = jacobian
        vector = eigh_tridiagonal(diagonal, beside, select="i", select_range=(0, 0))[1][:, 0]
        direction = vector / np.sqrt(state.mass)
        # The longest step that keeps the order, and fractions of it, to both sides.
        reach = 0.9 * float((gaps / np.abs(np.diff(direction))).min())
    tries = [evaluate(law, state.levels + s * reach * 0.5**h * direction) for h in range(30) for s in (1, -1)]
    return min(tries, key=lambda candidate: candidate.distortion).levels


def newton_step(
    law: Source, state: State, *, symmetric: bool = False, shift: float = 0.0
) -> FloatArray | None:
    """The step to the zero of the linearised gradient; None unless the Jacobian is positive definite.

    ``shift`` is added to the diagonal, in units of 2 M0_k.
    """
    if state.levels.size == 1:
        return state.first / state.mass
    jacobian = scaled_jacobian(law, state, symmetric=symmetric)
    if jacobian is None:
        return None
    diagonal, beside = jacobian
    root = np.sqrt(state.mass)
    try:
        banded = np.stack((np.append(0.0, beside), diagonal + shift))
        step = solveh_banded(banded, state.first / root) / root
    except LinAlgError:
        return None
    return symmetric_part(step) if symmetric else step


def scaled_jacobian(
    law: Source, state: State, *, symmetric: bool = False
) -> tuple[FloatArray, FloatArray] | None:
    """Diagonal ``[K]`` and off-diagonal ``[K - 1]`` of S J S / 2, S = diag(M0)**(-1/2).

    The gradient is g_k = 2 (c_k M0_k - M1_k), M_p the moments of cell k, and its Jacobian J is
    tridiagonal: with f_k the density at the threshold between c_k and c_(k+1),
        dg_k/dc_k = 2 M0_k - (c_k - c_(k-1)) f_(k-1) / 2 - (c_(k+1) - c_k) f_k / 2,
        dg_k/dc_(k+1) = -(c_(k+1) - c_k) f_k / 2.
    The masses span many orders of magnitude, hence the scaling. None if the density is infinite at a
    threshold. Among symmetric levels the threshold in the middle of an even number does not move.
    """
    coupling = 0.25 * np.diff(state.levels) * law.pdf(state.thresholds)
    if symmetric and coupling.size % 2 == 1:
        coupling[coupling.size // 2] = 0.0
    if not np.isfinite(coupling).all():
        return None
    diagonal = state.mass.copy()
    diagonal[:-1] -= coupling
    diagonal[1:] -= coupling
    root = np.sqrt(state.mass)
    return diagonal / state.mass, -coupling / (root[:-1] * root[1:])
