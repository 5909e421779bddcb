"""The integrated tails of a law, tabulated: the special functions that expected distortions need."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fmq_theory.sources.source import Source

__all__ = ["StopLoss"]

FloatArray = NDArray[np.float64]

_STEP = 0.02  # in ln(distance), at most; quintic interpolation then errs by about 1e-12 of the scale
_SMALLEST = 1e-14  # least tabulated distance from the centre, in scales; nearer, the function is constant


@dataclass(frozen=True, slots=True, eq=False)
class StopLoss:
    """B(x) = E[(X - x)+] for x >= c and E[(x - X)+] for x < c; C(x) the same of squares; by interpolation.

    On the upper side B' = -P(X > x) and C' = -2 B, and mirrored below. On each side of the centre c the
    table is equally spaced in ln|x - c|, so it follows power tails as well as a density with a kink or a
    pole at c.

    Attributes:
        centre: c, the median.
        smallest: least tabulated |x - c|.
        steps: width of the intervals in ln|x - c|, for x < c and for x >= c.
        pieces: how many intervals the table has for x < c; the others are for x >= c.
        coefficients: of the polynomial for B on each interval, shape ``[6, intervals]``: a power after
            another, so that each is read as it lies.
        square_coefficients: of that for C.
        mean: E X - c.
        variance: E (X - c)**2.
    """

    centre: float
    smallest: float
    steps: tuple[float, float]
    pieces: int
    coefficients: FloatArray
    square_coefficients: FloatArray
    mean: float
    variance: float

    @classmethod
    def of(cls, source: Source, low: float, high: float) -> "StopLoss":
        """The table for arguments in [``low``, ``high``]."""
        centre = float(source.ppf(0.5))
        smallest = _SMALLEST * float(source.ppf(0.75) - source.ppf(0.25))
        first: list[FloatArray] = []
        second: list[FloatArray] = []
        steps: list[float] = []
        for sign, end in ((-1.0, low), (1.0, high)):
            reach = max(sign * (end - centre), 2.0 * smallest)
            # The last point is the end itself: for a bounded law nothing is smooth beyond.
            pieces = int(np.ceil(np.log(reach / smallest) / _STEP))
            step = float(np.log(reach / smallest)) / pieces
            distance = smallest * np.exp(step * np.arange(pieces + 1))
            x = np.clip(centre + sign * distance, min(low, centre), max(high, centre))
            ends = (x, np.inf) if sign > 0.0 else (-np.inf, x)
            beyond = source.partial_moments(*ends, about=x)
            value = sign * beyond.first
            first.append(_pieces(step, distance, value, -beyond.mass, source.pdf(x)))
            steps.append(step)
            second.append(_pieces(step, distance, beyond.second, -2.0 * value, 2.0 * beyond.mass))
        whole = source.partial_moments(-np.inf, np.inf, about=centre)
        return cls(
            centre,
            smallest,
            (steps[0], steps[1]),
            first[0].shape[1],
            np.concatenate(first, axis=1),
            np.concatenate(second, axis=1),
            float(whole.first),
            float(whole.second),
        )

    def __call__(self, x: FloatArray) -> FloatArray:
        """B(x), of the shape of ``x``."""
        return self._interpolated(x, self.coefficients)

    def below(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """E[(x - X)+] and E[(x - X)+**2]."""
        return self._one_sided(x, -1.0)

    def above(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """E[(X - x)+] and E[(X - x)+**2]."""
        return self._one_sided(x, 1.0)

    def _one_sided(self, x: FloatArray, sign: float) -> tuple[FloatArray, FloatArray]:
        first, second = self(x), self._interpolated(x, self.square_coefficients)
        # Across the centre the tables hold the other side: a+ = a + (-a)+ and (a+)^2 = a^2 - ((-a)+)^2.
        offset = x - self.centre
        across = sign * offset < 0.0
        squared = self.variance - 2.0 * offset * self.mean + offset**2
        return (
            np.where(across, first + sign * (self.mean - offset), first),
            np.where(across, squared - second, second),
        )

    def _interpolated(self, x: FloatArray, coefficients: FloatArray) -> FloatArray:
        offset = (x - self.centre).ravel()
        above = offset >= 0.0
        step = np.where(above, self.steps[1], self.steps[0])
        position = np.log(np.maximum(np.abs(offset), self.smallest) / self.smallest) / step
        last = np.where(above, coefficients.shape[1] - self.pieces - 1, self.pieces - 1)
        interval = np.minimum(position.astype(np.int64), last)
        t = position - interval
        interval += np.where(above, self.pieces, 0)
        found = coefficients[5].take(interval)
        for power in (4, 3, 2, 1, 0):
            found *= t
            found += coefficients[power].take(interval)
        return found.reshape(x.shape)


def _pieces(
    step: float, distance: FloatArray, value: FloatArray, slope: FloatArray, curvature: FloatArray
) -> FloatArray:
    """Polynomials in ln(distance), from derivatives with respect to the distance."""
    first = step * distance * slope
    return _quintic(value, first, step * first + (step * distance) ** 2 * curvature)


def _quintic(value: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Coefficients, lowest power first, that match value and two derivatives at both ends of each piece."""
    p, v, a = value[:-1], first[:-1], second[:-1]
    rise, v1, a1 = value[1:] - p, first[1:], second[1:]
    return np.stack(
        (
            p,
            v,
            0.5 * a,
            10.0 * rise - 6.0 * v - 4.0 * v1 - 1.5 * a + 0.5 * a1,
            -15.0 * rise + 8.0 * v + 7.0 * v1 + 1.5 * a - a1,
            6.0 * rise - 3.0 * (v + v1) - 0.5 * (a - a1),
        ),
    )
