"""Mean squared error of a codebook on a source, exactly."""

import contextlib
import math

import numpy as np

from fmq_theory.codebook import Codebook
from fmq_theory.kernels.squared_error import mean_of, scaled_squared_errors
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.source import Source

__all__ = ["distortion"]

# Moments in double-double are good to about 2**-95 of the largest square.
_CANCELLED = 2.0**-50
_LEAST = 2.0**-900


def distortion(codebook: Codebook, source: Source) -> float:
    """D = E (X - Q(X))**2 = sum_k E[(X - levels[k])**2; cell k], no sampling.

    Each term is a partial moment about its own level, so nothing cancels. Where that leaves less than 2**-50
    of the largest square of data, or comes near an end of float64, their weights are visited one by one. By
    T1 of the theory this is also W2**2 between the source and its quantized image.

    Args:
        codebook: Q, of any scheme.
        source: the law of X, or data.

    Returns:
        In squared units of the source; ``inf`` where the source has an infinite second moment, or D exceeds
        float64. Of data never zero unless every weight is a level.

    Reference:
        theory.md, section 1, T1.

    Examples:
        >>> from fmq_theory import metrics, quantizers, sources
        >>> gaussian = sources.make("gaussian")
        >>> codebook = quantizers.get_scheme("lloyd_max").design(gaussian, 2)
        >>> round(metrics.distortion(codebook, gaussian), 12)  # 1 - 2 / pi
        0.363380227632
    """
    edges = codebook.edges()
    cells = source.partial_moments(edges[:-1], edges[1:], about=codebook.levels).second
    found = math.inf
    if all(map(math.isfinite, cells)):  # fsum raises OverflowError only for finite terms
        with contextlib.suppress(OverflowError):
            found = math.fsum(cells)
    return _visited(codebook, source, found) if isinstance(source, Empirical) else found


def _visited(codebook: Codebook, source: Empirical, found: float) -> float:
    """The distortion of data from their weights, where the moments of cells do not give it."""
    data = source.data
    farthest = max(abs(float(data.z_at(0))), abs(float(data.z_at(-1))))
    with np.errstate(over="ignore", under="ignore"):
        square = float(np.ldexp(farthest * farthest, 2 * data.exponent))
    if _LEAST < found < math.inf and found > _CANCELLED * square:
        return found
    x = data.at(np.arange(data.num_points))
    mass = data.mass[np.newaxis] if data.has_mass else None
    codes = codebook.encode(x)
    errors = scaled_squared_errors(x[np.newaxis], codes[np.newaxis], codebook.levels.copy()[np.newaxis], mass)
    return mean_of(errors.total(), source.total_mass)
