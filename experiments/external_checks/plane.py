"""The error of a grid of points in the plane: numeric, not certified."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["planar_distortion"]


def planar_distortion(points: NDArray[np.float64], nodes: int) -> float:
    """E min_k |X - p_k|^2 / 2 for X ~ N(0, I) in the plane: numeric, not certified.

    On a line of constant x_1, |x - p_k|^2 - |x|^2 is linear in x_2, so the nearest point changes where the
    lower envelope of lines does, and the integral over x_2 is a closed form in the normal law's partial
    moments. The trapezoidal rule over x_1 in [-9, 9] does the rest.
    """
    lines = np.linspace(-9.0, 9.0, nodes)
    weights = np.exp(-(lines**2) / 2) / math.sqrt(2 * math.pi) * (lines[1] - lines[0])
    total = 2.0
    for x, weight in zip(lines, weights, strict=True):
        total += weight * _mean_of_envelope(
            -2 * points[:, 1], np.sum(points**2, axis=1) - 2 * x * points[:, 0]
        )
    return total / 2


def _mean_of_envelope(slopes: NDArray[np.float64], heights: NDArray[np.float64]) -> float:
    """E min_k (slope_k Y + height_k), Y ~ N(0, 1)."""
    order = np.lexsort((heights, -slopes))  # from the left the steepest line is the lowest
    hull: list[int] = []
    starts: list[float] = []
    for k in order:
        start = -math.inf
        while hull:
            top = hull[-1]
            if slopes[top] == slopes[k]:
                break
            start = float((heights[k] - heights[top]) / (slopes[top] - slopes[k]))
            if start > starts[-1]:
                break
            hull.pop()
            starts.pop()
            start = -math.inf
        if hull and slopes[hull[-1]] == slopes[k]:
            continue  # the same slope and not lower
        hull.append(int(k))
        starts.append(start)
    edges = np.array([*starts, math.inf])
    mass = np.diff(ndtr(edges))
    density = np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi)
    return float(heights[hull] @ mass - slopes[hull] @ np.diff(density))
