"""Mean squared error of a codebook on a source, exactly."""

import math

from fmq_theory.codebook import Codebook
from fmq_theory.sources.source import Source

__all__ = ["distortion"]


def distortion(codebook: Codebook, source: Source) -> float:
    """D = E (X - Q(X))**2 = sum_k E[(X - levels[k])**2; cell k], no sampling.

    Each term is a partial moment about its own level, so nothing cancels. By T1 of the theory this
    is also W2**2 between the source and its quantized image.

    Returns:
        In squared units of the source; ``inf`` where the source has an infinite second moment.

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
    # Infinite terms are taken out first: fsum raises OverflowError only for finite ones.
    if not all(map(math.isfinite, cells)):
        return math.inf
    try:
        return math.fsum(cells)
    except OverflowError:
        return math.inf
