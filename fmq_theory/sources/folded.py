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
# Width over distance from the centre, and ratio of densities, up to which one panel is exact.
SMOOTH_WIDTH = 2.0
SMOOTH_RATIO = np.exp(12.0)
# A cell is steep where z r(z) exceeds this; below it the closed form loses less than two digits.
STEEP_RATE = 6.0
# Decay lengths after which the tail is below rounding, the panels that cover them, and the fall of
# the density over them that shows the tail to be light enough for this.
STEEP_LENGTHS = 50.0
STEEP_PANELS = 6
STEEP_FALL = np.exp(-40.0)
# Differences of outer moments are taken where less than this lies outside.
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

    @abc.abstractmethod
    def _std_absolute_moment(self, order: int) -> float:
        """E|Z|**order over both sides; ``inf`` where infinite."""

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
            width: far - near, shape ``[m]``, likewise.

        Returns:
            Three arrays of shape ``[m]``.
        """
        result = np.zeros((3, near.size))
        with np.errstate(all="ignore"):
            smooth = (near < far) & (width <= SMOOTH_WIDTH * near)
            at = np.flatnonzero(smooth)
            floor = np.minimum(self._std_pdf(near[at]), self._std_pdf(far[at]))
            smooth[at] = self._std_sup(near[at], far[at]) <= SMOOTH_RATIO * floor
            at = np.flatnonzero(smooth)
            result[:, at] = self._quadrature(near[at], offset[at], width[at])

            at = np.flatnonzero((near < far) & (near > 0.0) & np.isfinite(near) & ~smooth)
            start = near[at]
            rate = self._std_hazard(start)
            fall = self._std_pdf(start + STEEP_LENGTHS / rate) / self._std_pdf(start)
            chosen = (start * rate >= STEEP_RATE) & (fall <= STEEP_FALL)
            at, rate = at[chosen], rate[chosen]
            panel = np.minimum(width[at], STEEP_LENGTHS / rate) / STEEP_PANELS
            for j in range(STEEP_PANELS):
                result[:, at] += self._quadrature(near[at] + j * panel, offset[at] + j * panel, panel)

            closed = (near < far) & ~smooth
            closed[at] = False
            at = np.flatnonzero(closed)
            result[:, at] = self._closed_form(near[at], far[at], about[at])
        return result[0], result[1], result[2]

    def _quadrature(self, near: FloatArray, offset: FloatArray, width: FloatArray) -> FloatArray:
        """The 16-point rule on each cell, shape ``[3, m]``."""
        step = 0.5 * width[:, None] * (1.0 + NODES)
        weighted = 0.5 * width[:, None] * WEIGHTS * self._std_pdf(near[:, None] + step)
        deviation = offset[:, None] + step
        return np.stack([(weighted * deviation**p).sum(axis=1) for p in range(3)])

    def _closed_form(self, near: FloatArray, far: FloatArray, about: FloatArray) -> FloatArray:
        """Differences of inner or outer moments, shifted to ``about``; shape ``[3, m]``."""
        whole = np.array([[0.5 * self._std_absolute_moment(p)] for p in range(3)])
        # Past `last` nothing is left: not even z * z * sf(z), which would come out as inf * 0.
        inner, outer = np.empty((2, 3, 2, near.size))
        for j, edge in enumerate((near, far)):
            last = np.isinf(edge) | (self._std_sf(np.where(np.isinf(edge), 0.0, edge)) <= 0.0)
            z = np.where(last, 0.0, edge)
            inner[:, j] = np.where(last, whole, np.stack(self._std_inner(z)))
            outer[:, j] = np.where(last, 0.0, np.stack(self._std_outer(z)))
        from_outer = np.isfinite(outer[:, 0]) & (outer[0, 0] <= OUTER_MASS)
        chosen: FloatArray = np.where(from_outer, outer[:, 0] - outer[:, 1], inner[:, 1] - inner[:, 0])
        mass, first, second = chosen[0], chosen[1], chosen[2]
        shifted = first - about * mass
        # An infinite second moment stays infinite, whatever the (perhaps infinite) first one does.
        finite = np.isfinite(second)
        squared: FloatArray = second - 2.0 * about * first + about * about * mass
        return np.stack((mass, shifted, np.where(finite, np.maximum(squared, 0.0), second)))
