"""What equal-count spacings of data tell about their density."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from fmq_theory.errors import SourceError
from fmq_theory.kernels.interpolation import interpolated
from fmq_theory.sources.source import FloatArray

__all__ = ["PiecewiseLinearLaw", "Spacings", "escort_cumulative", "num_buckets"]


def num_buckets(size: float) -> int:
    """m = ceil(n**(2/3)) buckets of equal count, at most n - 1: the spacings that estimates rest on."""
    return max(1, min(math.ceil(size ** (2.0 / 3.0)), math.ceil(size) - 1))


@dataclass(frozen=True, slots=True, eq=False)
class PiecewiseLinearLaw:
    """A law known by its cdf at some points and linear between them.

    Attributes:
        edges: non-decreasing, shape ``[m + 1]``.
        cumulative: the cdf there, from 0 to 1, shape ``[m + 1]``.
    """

    edges: FloatArray
    cumulative: FloatArray

    def ppf(self, q: ArrayLike) -> FloatArray:
        """Quantile function on [0, 1]."""
        q = np.asarray(q, dtype=np.float64)
        order = np.argsort(q, axis=None)
        found = np.empty(q.size)
        found[order] = interpolated(self.cumulative[None], self.edges[None], q.ravel()[order])[0]
        return found.reshape(q.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Spacings:
    """Buckets of equal count k between order statistics; f is about 1 / (m w_j) on bucket j.

    Attributes:
        edges: non-decreasing, shape ``[m + 1]``, w_j its differences.
        count: k, observations a bucket; need not be whole for weighted data.
    """

    edges: FloatArray
    count: float

    def density_power_integral(self, beta: float) -> float:
        """Estimate of I(beta), the integral of f**beta.

        sum_j (1/m) (1 / (m w_j))**(beta-1), with its bias removed: n f w_j is a sum of k unit
        exponentials, so the mean of its power 1 - beta is Gamma(k + 1 - beta) / Gamma(k) and not
        k**(1 - beta). It is an estimate: within a bucket f is taken as constant, which is poor in
        the outermost buckets of a heavy tail. ``inf`` for beta > 1 where weights are tied.

        Raises:
            SourceError: beta >= k + 1, where the estimate has no finite mean.

        Reference: Hall 1984, "Limit theorems for sums of general functions of m-spacings".
        """
        if beta >= self.count + 1.0:
            raise SourceError(
                f"data: integral of f**{beta:g}",
                f"the power is too large for {self.count:g} weights a bucket",
                "pass more weights or a smaller power",
            )
        with np.errstate(divide="ignore", over="ignore"):  # inf is what leaves float64
            scaled = np.diff(self.edges) * (self.edges.size - 1)
            plain = float((scaled ** (1.0 - beta)).mean())
        log_bias = gammaln(self.count + 1.0 - beta) - gammaln(self.count) - (1.0 - beta) * np.log(self.count)
        return plain / float(np.exp(log_bias))

    def escort(self, alpha: float) -> PiecewiseLinearLaw:
        """The law with density f**alpha / I(alpha): mass of bucket j proportional to w_j**(1-alpha).

        alpha = 1 gives every bucket the same mass, alpha = 0 is uniform on the range.

        Raises:
            SourceError: alpha > 1 and tied weights make a spacing zero.
        """
        return PiecewiseLinearLaw(self.edges, escort_cumulative(self.edges, alpha))


def escort_cumulative(edges: FloatArray, alpha: float) -> FloatArray:
    """The cdf at the edges of the law whose bucket masses are proportional to width**(1 - alpha).

    Args:
        edges: non-decreasing along the last axis, not all equal, shape ``[..., m + 1]``.
        alpha: the power of the density.

    Raises:
        SourceError: alpha > 1 and tied weights make a spacing zero.
    """
    widths = np.diff(edges, axis=-1)
    if alpha > 1.0 and float(widths.min()) == 0.0:
        raise SourceError(
            f"data: density to the power {alpha:g}", "tied weights make it infinite", "choose alpha <= 1"
        )
    # Scaled by the width of the largest mass, so that no power overflows.
    scale = widths.max(axis=-1, keepdims=True) if alpha <= 1.0 else widths.min(axis=-1, keepdims=True)
    cumulative = np.zeros(edges.shape)
    np.cumsum((widths / scale) ** (1.0 - alpha), axis=-1, out=cumulative[..., 1:])
    return cumulative / cumulative[..., -1:]
