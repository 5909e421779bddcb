"""Extreme eigenvalues of symmetric operators that are known by their products alone, a batch at a time.

Every row of a batch has its own operator; one product serves all rows. What the numbers certify:

* A Ritz value is a Rayleigh quotient, so theta <= lambda_max, up to rounding: a *lower* estimate.
* With the residual r = |A q - theta q| some eigenvalue lies within r of theta. That need not be the
  largest one, so theta + r is no upper bound.
* The start is uniform on the sphere, so Kuczynski and Woźniakowski's theorem for k Lanczos steps in
  dimension n, P(lambda_max - theta > eps (lambda_max - lambda_min)) <= 1.648 sqrt(n) e^(-sqrt(eps) (2k - 1)),
  gives an upper bound that fails with a known probability (``Spectrum.upper``).

Reference: Kuczynski and Woźniakowski 1992, SIAM J. Matrix Anal. Appl. 13(4), theorem 4.2; Parlett 1998, 4.5.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fmq_theory.errors import FlowError
from fmq_theory.flow.linear_algebra import eigensystem

__all__ = ["Operator", "Spectrum", "lanczos", "random_start"]

Operator = Callable[[Tensor], Tensor]
"""A symmetric matrix a row: shape ``[batch, ...]`` to the same shape, linear, no row depends on another."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Ritz values of a batch of symmetric operators; all ``[batch]``, float64.

    Attributes:
        largest: lower estimate of the largest eigenvalue.
        largest_residual: some eigenvalue lies this close to ``largest``.
        smallest: upper estimate of the smallest eigenvalue.
        smallest_residual: some eigenvalue lies this close to ``smallest``.
        products: how many products with the operator were made.
        dimension: n.
    """

    largest: Tensor
    largest_residual: Tensor
    smallest: Tensor
    smallest_residual: Tensor
    products: int
    dimension: int

    def upper(self, failure: float = 1e-3) -> Tensor:
        """Upper bound of the largest eigenvalue that fails with probability at most ``failure``, a row.

        Both ends are used with failure/2: lambda_max - lambda_min <= (largest - smallest)/(1 - 2 eps).
        Infinite where too few products were made. For ``lanczos`` from ``random_start`` only.
        """
        if self.products >= self.dimension:
            return self.largest.clone()
        root = math.log(2.0 * 1.648 * math.sqrt(self.dimension) / failure) / (2 * self.products - 1)
        share = root * root
        if share >= 0.5:
            return torch.full_like(self.largest, math.inf)
        return self.largest + share / (1.0 - 2.0 * share) * (self.largest - self.smallest)


def random_start(like: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform on the unit sphere, one a row, of the shape of ``like``."""
    drawn = torch.randn(like.shape, dtype=torch.float64, generator=generator)
    return _scaled(drawn, 1.0 / _norms(drawn)).to(like.dtype).to(like.device)


def lanczos(operator: Operator, start: Tensor, iterations: int) -> Spectrum:
    """Both ends of the spectrum from the Krylov space of ``start``, with full reorthogonalisation.

    Memory: ``iterations`` vectors. A row whose Krylov space is exhausted keeps what it has found.

    Raises:
        FlowError: a product is not finite.
    """
    dimension = start[0].numel()
    steps = max(1, min(iterations, dimension))
    vector = _scaled(start, 1.0 / _norms(start))
    basis: list[Tensor] = []
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    alive = torch.ones(len(start), dtype=torch.bool)
    tiny = 64 * torch.finfo(start.dtype).eps
    reach = torch.zeros(len(start), dtype=torch.float64)
    for _ in range(steps):
        basis.append(vector)
        image = _checked(operator(vector))
        alpha = _dots(vector, image)
        # A dead row repeats its first Rayleigh quotient, which lies inside the spectrum.
        diagonal.append(torch.where(alive, alpha, diagonal[0] if diagonal else alpha))
        for _twice in range(2):
            for earlier in basis:
                image = image - _scaled(earlier, _dots(earlier, image))
        beta = _norms(image)
        reach = torch.maximum(reach, alpha.abs() + beta)
        alive = alive & (beta > tiny * reach)
        beside.append(torch.where(alive, beta, torch.zeros_like(beta)))
        vector = torch.where(
            _wide(alive, image), _scaled(image, 1.0 / beta.clamp(min=1e-300)), torch.zeros_like(image)
        )
    small = torch.diag_embed(torch.stack(diagonal, dim=1))
    if steps > 1:
        off = torch.stack(beside[:-1], dim=1)
        small = small + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    values, vectors = eigensystem(small)
    residuals = beside[-1][:, None] * vectors[:, -1].abs()
    return Spectrum(values[:, -1], residuals[:, -1], values[:, 0], residuals[:, 0], steps, dimension)


def _checked(image: Tensor) -> Tensor:
    if not bool(image.isfinite().all()):
        raise FlowError(
            "product with a Jacobian", "it is not finite", "check the velocity at this time and state"
        )
    return image


def _dots(left: Tensor, right: Tensor) -> Tensor:
    """Inner products a row, in float64."""
    return (left.double() * right.double()).flatten(1).sum(dim=1).cpu()


def _norms(rows: Tensor) -> Tensor:
    return _dots(rows, rows).sqrt()


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """One value a row, shaped to broadcast over ``like``."""
    return values.to(like.device).reshape(-1, *([1] * (like.ndim - 1)))


def _scaled(rows: Tensor, factors: Tensor) -> Tensor:
    return (rows.double() * _wide(factors, rows)).to(rows.dtype)
