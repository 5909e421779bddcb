"""torch.linalg for batches of matrices ``[..., d, d]`` and of samples, with types."""

from typing import Any, cast

import torch
from torch import Tensor

__all__ = [
    "cholesky",
    "eigensystem",
    "eigenvalues",
    "inverse",
    "lengths",
    "root_mean_square",
    "singular_values",
    "solve",
    "spectral_norms",
    "symmetric",
    "transposed",
]

_LINALG = cast(Any, torch.linalg)  # it declares no types


def transposed(matrices: Tensor) -> Tensor:
    """Each matrix transposed."""
    return matrices.transpose(-1, -2)


def symmetric(matrices: Tensor) -> Tensor:
    """(M + M^T)/2."""
    return 0.5 * (matrices + transposed(matrices))


def eigenvalues(matrices: Tensor) -> Tensor:
    """Of symmetric matrices, ascending, ``[..., d]``."""
    return cast(Tensor, _LINALG.eigvalsh(matrices))


def eigensystem(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and eigenvectors (columns) of symmetric matrices."""
    values, vectors = _LINALG.eigh(matrices)
    return cast(Tensor, values), cast(Tensor, vectors)


def singular_values(matrices: Tensor) -> Tensor:
    """Descending, ``[..., d]``."""
    return cast(Tensor, _LINALG.svdvals(matrices))


def spectral_norms(matrices: Tensor) -> Tensor:
    """Largest singular values, ``[...]``."""
    return singular_values(matrices)[..., 0]


def inverse(matrices: Tensor) -> Tensor:
    """M^-1."""
    return cast(Tensor, _LINALG.inv(matrices))


def solve(matrices: Tensor, right: Tensor) -> Tensor:
    """M^-1 right, ``[..., d, k]``."""
    return cast(Tensor, _LINALG.solve(matrices, right))


def cholesky(matrices: Tensor) -> Tensor:
    """Lower triangular L with L L^T = M."""
    return cast(Tensor, _LINALG.cholesky(matrices))


def lengths(rows: Tensor, lead: int = 1) -> Tensor:
    """Euclidean norms over all but the first ``lead`` dimensions, in float64, on the CPU."""
    flat = rows.double().reshape(*rows.shape[:lead], -1)
    return (flat * flat).sum(dim=lead).sqrt().cpu()


def root_mean_square(values: Tensor) -> float:
    """sqrt(mean of x^2) over all numbers of a tensor, in its type."""
    return float(values.square().mean().sqrt())
