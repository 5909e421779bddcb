"""Rates: what the codes of a quantizer cost at best, and what no code of a rate can beat."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fmq_theory.codebook import Codebook
from fmq_theory.sources.source import Source

__all__ = ["cell_masses", "index_entropy", "shannon_lower_bound"]


def cell_masses(codebook: Codebook, source: Source) -> NDArray[np.float64]:
    """p_k = P(X in cell k), shape ``[K]``.

    Args:
        codebook: of K levels.
        source: the law, or data.

    Returns:
        Probabilities that add up to 1, shape ``[K]``.
    """
    edges = codebook.edges()
    return source.partial_moments(edges[:-1], edges[1:], about=codebook.levels).mass


def index_entropy(codebook: Codebook, source: Source) -> float:
    """H = -sum_k p_k log2 p_k, in bits a weight: the rate of the codes under an ideal entropy coder.

    Args:
        codebook: of K levels.
        source: the law, or data.

    Returns:
        From 0 to log2 K.

    Reference:
        chou1989entropy, whose rate it is.

    Examples:
        >>> from fmq_theory import metrics, quantizers, sources
        >>> laplace = sources.make("laplace")
        >>> for name in ("equal_mass", "lloyd_max"):
        ...     codebook = quantizers.get_scheme(name).design(laplace, 8)
        ...     print(f"{name}: {metrics.index_entropy(codebook, laplace):.4f} of 3 bits")
        equal_mass: 3.0000 of 3 bits
        lloyd_max: 2.5654 of 3 bits
    """
    return math.fsum(special.entr(cell_masses(codebook, source))) / math.log(2.0)


def shannon_lower_bound(source: Source, rate_bits: float) -> float:
    """D(R) >= exp(2 h) / (2 pi e) * 2**(-2 R), h the differential entropy in nats.

    It holds for every quantizer and code of rate R bits a weight, of any block length.

    Args:
        source: a law with a density.
        rate_bits: R, in bits a weight.

    Returns:
        In squared units of the source.

    Raises:
        SourceError: the source has no density.

    Reference:
        Shannon 1959; Cover and Thomas, Elements of Information Theory, 2nd ed., exercise 10.8.

    Examples:
        >>> from fmq_theory import metrics, sources
        >>> metrics.shannon_lower_bound(sources.make("gaussian"), 2.0)  # 2^(-2 * 2), attained
        0.0625
    """
    return math.exp(2.0 * source.differential_entropy() - 2.0 * rate_bits * math.log(2.0)) / (
        2.0 * math.pi * math.e
    )
