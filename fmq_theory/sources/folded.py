"""Moments over cells of a standard law folded about its centre, to full relative accuracy.

The moments about a level c inside a cell follow from the moments about the centre,
second_c = second - 2 c first + c^2 mass, but three large numbers then cancel to a small one: the
relative error grows like (c / width)^2. So three rules share the cells of [0, inf):

* smooth cells, no wider than twice their distance from the centre: 16-point Gauss-Legendre on
  (z - c)^p f(z). A singularity at the centre lies on the Bernstein ellipse of parameter 3.7, so the
  rule's relative error is near 3.7^-32 = 6e-19; z - c is never formed by a subtraction that cancels.
* steep cells, over which f falls so fast that only a few decay lengths 1 / r(z) matter: the same
  rule on panels of a few decay lengths each.
* all others by the closed form, differences being taken on the side, inner or outer, that loses least.
"""

import abc

import numpy as np
from numpy.typing import NDArray

__all__ = ["FoldedLaw", "Moments"]

FloatArray = NDArray[np.float64]
Moments = tuple[FloatArray, FloatArray, FloatArray]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
# Width over distance from the centre, ratio of densities, and change of ln f over 1/64 of the cell at
# either end, up to which one panel is exact.
SMOOTH_WIDTH = 2.0
SMOOTH_RATIO = np.exp(12.0)
SMOOTH_SLOPE = 0.5
# A cell is steep where z r(z) exceeds this; below it the closed form loses less than two digits.
STEEP_RATE = 6.0
# The panels of a steep cell: how many, the decay lengths each spans unless the density falls by more
# than PANEL_RATIO over it, and the share of the second moment that may lie beyond the last.
STEEP_PANELS = 8
PANEL_LENGTHS = 8.0
PANEL_RATIO = np.exp(13.0)
STEEP_REMAINDER = 1e-15
# Outer moments are accurate where no more than this lies outside.
OUTER_MASS = 0.25


class FoldedLaw(abc.ABC):
    """A standard law, symmetric about zero, seen on z >= 0.

    The hooks take finite z >= 0 of shape ``[m]`` and may overflow or divide by zero silently: their
    callers have switched numpy's warnings off.
    """

    __slots__ = ()

    @abc.abstractmethod
    def _std_pdf(self, z: FloatArray) -> FloatArray:
        """f(z)."""

    @abc.abstractmethod
    def _std_sf(self, z: FloatArray) -> FloatArray:
        """P(Z > z)."""

    @abc.abstractmethod
    def _std_inner(self, z: FloatArray) -> Moments:
        """E[Z**p; 0 < Z < z], p = 0, 1, 2, to full relative accuracy for all z."""

    @abc.abstractmethod
    def _std_outer(self, z: FloatArray) -> Moments:
        """E[Z**p; Z > z], p = 0, 1, 2, accurate where sf(z) <= 1/4; ``inf`` where infinite."""

    def _std_sides(self, z: FloatArray) -> tuple[FloatArray, Moments, Moments]:
        """sf(z), and the moments inside and outside of z. Override where they share what takes long."""
        return self._std_sf(z), self._std_inner(z), self._std_outer(z)

    @abc.abstractmethod
    def _std_absolute_moment(self, order: float) -> float:
        """E|Z|**order over both sides, for order 0 and real orders >= 1; ``inf`` where infinite."""

    def _std_mode(self) -> float:
        """Where f is largest on [0, inf)."""
        return 0.0

    def _std_hazard(self, z: FloatArray) -> FloatArray:
        """f(z) / sf(z). Override where sf underflows before f / sf stops to matter."""
        return self._std_pdf(z) / self._std_sf(z)

    def _std_sup(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """sup of f over [low, high], 0 <= low <= high."""
        return self._std_pdf(np.clip(self._std_mode(), low, high))

    def _cell_moments(
        self, near: FloatArray, far: FloatArray, about: FloatArray, offset: FloatArray, width: FloatArray
    ) -> Moments:
        """E[(Z - about)**p; near < Z < far] for p = 0, 1, 2.

        Args:
            near: inner edges, shape ``[m]``, 0 <= near.
            far: outer edges, shape ``[m]``, near <= far <= inf.
            about: points about which moments are taken, shape ``[m]``, finite.
            offset: near - about, shape ``[m]``, free of the rounding of its two terms.
            width: far - near, shape ``[m]``, free of the rounding of its two terms.

        Returns:
            Three arrays of shape ``[m]``.
        """
        result = np.zeros((3, near.size))
        with np.errstate(all="ignore"):
            smooth = (near < far) & (width <= SMOOTH_WIDTH * near)
            at = np.flatnonzero(smooth)
            smooth[at] = self._is_smooth(near[at], far[at])
            at = np.flatnonzero(smooth)
            if at.size:
                result[:, at] = self._quadrature(near[at], offset[at], width[at])

            at = np.flatnonzero((near < far) & (near > 0.0) & np.isfinite(near) & ~smooth)
            at = at[near[at] * self._std_hazard(near[at]) >= STEEP_RATE] if at.size else at
            if at.size:  # most laws have no such cell, and panels of none take a hundred calls
                steps = self._panels(near[at])
                light = steps[:, -1] < np.inf
                at, steps = at[light], np.minimum(steps[light], width[at[light], None])
                start, length = steps[:, :-1], np.diff(steps, axis=1)
                panels = (near[at, None] + start, offset[at, None] + start, length)
                parts = self._quadrature(*(panel.ravel() for panel in panels))
                result[:, at] = parts.reshape(3, -1, STEEP_PANELS).sum(axis=2)

            closed = (near < far) & ~smooth
            closed[at] = False
            at = np.flatnonzero(closed)
            if at.size:
                result[:, at] = self._closed_form(near[at], far[at], about[at])
        return result[0], result[1], result[2]

    def _is_smooth(self, near: FloatArray, far: FloatArray) -> NDArray[np.bool_]:
        """Whether ln f varies little over a cell, and nowhere much faster than on average."""
        end = (far - near) / 64.0
        at_near, at_far = self._std_pdf(near), self._std_pdf(far)
        slopes = np.log(self._std_pdf(near + end) / at_near), np.log(self._std_pdf(far - end) / at_far)
        moderate = (np.abs(slopes[0]) <= SMOOTH_SLOPE) & (np.abs(slopes[1]) <= SMOOTH_SLOPE)
        return moderate & (self._std_sup(near, far) <= SMOOTH_RATIO * np.minimum(at_near, at_far))

    def _panels(self, near: FloatArray) -> FloatArray:
        """Offsets from ``near`` of the panels' edges, shape ``[m, STEEP_PANELS + 1]``.

        Each panel spans a few decay lengths 1 / r of where it starts, and less where f falls faster than
        that. The last edge is ``inf`` where the tail is so heavy that something is left beyond.
        """
        steps = np.zeros((near.size, STEEP_PANELS + 1))
        for j in range(STEEP_PANELS):
            start = near + steps[:, j]
            length = PANEL_LENGTHS / self._std_hazard(start)
            floor = self._std_pdf(start) / PANEL_RATIO
            for _ in range(20):
                at_stop = self._std_pdf(start + length)
                before_stop = self._std_pdf(start + length * (63.0 / 64.0))
                too_long = (at_stop < floor) | (before_stop > np.exp(SMOOTH_SLOPE) * at_stop)
                if not too_long.any():
                    break
                length = np.where(too_long, 0.7 * length, length)
            steps[:, j + 1] = steps[:, j] + length
        lengths = steps[:, -1] * self._std_hazard(near)
        beyond = self._std_pdf(near + steps[:, -1]) / self._std_pdf(near) * lengths**3
        steps[~(beyond <= STEEP_REMAINDER), -1] = np.inf  # nan where f has underflowed
        return steps

    def _quadrature(self, near: FloatArray, offset: FloatArray, width: FloatArray) -> FloatArray:
        """The 16-point rule on each cell, shape ``[3, m]``."""
        step = 0.5 * width[:, None] * (1.0 + NODES)
        weighted = 0.5 * width[:, None] * WEIGHTS * self._std_pdf(near[:, None] + step)
        deviation = offset[:, None] + step
        return np.stack([(weighted * deviation**p).sum(axis=1) for p in range(3)])

    def _closed_form(self, near: FloatArray, far: FloatArray, about: FloatArray) -> FloatArray:
        """Differences of inner or outer moments, shifted to ``about``; shape ``[3, m]``."""
        whole = np.array([[0.5 * self._std_absolute_moment(p)] for p in range(3)])
        inner, outer = np.empty((2, 3, 2, near.size))
        for j, edge in enumerate((near, far)):
            z = np.where(np.isinf(edge), 0.0, edge)
            # Where sf underflows, so do the moments beyond, but z * z * sf(z) may come out as inf * 0.
            sf, within, beyond = self._std_sides(z)
            last = np.isinf(edge) | ((sf <= 0.0) & np.isfinite(whole))
            inner[:, j] = np.where(last, whole, np.stack(within))
            outer[:, j] = np.where(last, 0.0, np.stack(beyond))
        # The smaller numbers lose less in their difference; an infinite outer moment is never chosen.
        from_outer = (outer[0, 0] <= OUTER_MASS) & (outer[:, 0] <= inner[:, 1]) & np.isfinite(outer[:, 0])
        difference: FloatArray = np.where(np.isinf(inner[:, 1]), np.inf, inner[:, 1] - inner[:, 0])
        chosen: FloatArray = np.where(from_outer, outer[:, 0] - outer[:, 1], difference)
        mass, first, second = chosen[0], chosen[1], chosen[2]
        shifted = first - about * mass
        # An infinite second moment stays infinite, whatever the (perhaps infinite) first one does.
        finite = np.isfinite(second)
        squared: FloatArray = second - 2.0 * about * first + about * about * mass
        return np.stack((mass, shifted, np.where(finite, np.maximum(squared, 0.0), second)))
