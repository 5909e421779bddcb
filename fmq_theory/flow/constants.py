r"""Constants of a velocity field at points (x, t): L_x = ||J||, mu_2 = lambda_max((J + J^T)/2), L_theta.

Two routes. ``dense_jacobian`` makes the whole Jacobian of each sample by one Jacobian-vector product a
dimension; its norm and eigenvalues are then exact up to rounding. For larger samples Lanczos works on
J^T J and (J + J^T)/2 by products; see ``krylov`` for what its numbers certify: they are lower estimates.
No sample of a batch sees another one, so one product of the batch is one product a sample.

L_theta of a sample is the norm of dv/dtheta, from all weights (or those of one tensor) to one sample. It
is the root of the largest eigenvalue of (dv/dtheta)(dv/dtheta)^T, which acts on samples.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fmq_theory.flow.differentiation import Products, joint_products
from fmq_theory.flow.field import VelocityField
from fmq_theory.flow.krylov import Spectrum, lanczos, random_start

__all__ = [
    "DENSE_LIMIT",
    "NormEstimate",
    "dense_jacobian",
    "logarithmic_norm",
    "spectral_norm",
    "theta_lipschitz_hat",
]

DENSE_LIMIT = 64
"""Up to this many numbers a sample, whole Jacobians are made."""

_MOST_ROWS = 1024
"""Rows of one product while whole Jacobians are made: bounds the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class NormEstimate:
    """A norm or eigenvalue of each sample, ``[batch]``, float64.

    Attributes:
        value: lower estimate of the constant.
        residual: half-width of an interval around ``value`` that holds some singular value (or
            eigenvalue), not necessarily the largest.
        upper: bound from above that fails with probability 1e-3 a sample over the random start.
    """

    value: Tensor
    residual: Tensor
    upper: Tensor


def spectral_norm(at: Products, like: Tensor, iterations: int, generator: torch.Generator) -> NormEstimate:
    """||J|| of each row: root of the largest eigenvalue of J^T J."""
    found = lanczos(lambda v: at.backward(at.forward(v)), random_start(like, generator), iterations)
    return _rooted(found)


def logarithmic_norm(at: Products, like: Tensor, iterations: int, generator: torch.Generator) -> NormEstimate:
    """mu_2 = lambda_max((J + J^T)/2) of each row; negative where the field contracts."""
    found = lanczos(
        lambda v: 0.5 * (at.forward(v) + at.backward(v)), random_start(like, generator), iterations
    )
    return NormEstimate(found.largest, found.largest_residual, found.upper())


def dense_jacobian(field: VelocityField, x: Tensor, t: float) -> Tensor:
    """J of each sample ``[batch, ...]``, as ``[batch, d, d]`` float64, d numbers a sample."""
    batch, dimension = len(x), x[0].numel()
    rows = max(1, _MOST_ROWS // dimension)
    found = [_dense(field, x[i : i + rows], t, i) for i in range(0, batch, rows)]
    return torch.cat(found) if found else torch.zeros(0, dimension, dimension, dtype=torch.float64)


def _dense(field: VelocityField, x: Tensor, t: float, first: int) -> Tensor:
    batch, dimension = len(x), x[0].numel()
    # Every sample d times, each time with another unit cotangent: one backward pass for all rows of J.
    chosen = field.select(torch.arange(first, first + batch).repeat_interleave(dimension))
    with torch.enable_grad():
        points = x.detach().repeat_interleave(dimension, dim=0).requires_grad_(True)
        value = chosen.velocity(points, t)
        units = torch.eye(dimension, dtype=x.dtype, device=x.device).repeat(batch, 1).reshape(points.shape)
        if not value.requires_grad:
            return torch.zeros(batch, dimension, dimension, dtype=torch.float64)
        rows = torch.autograd.grad(value, points, units, materialize_grads=True)[0]
    return rows.double().reshape(batch, dimension, dimension).cpu()


def theta_lipschitz_hat(
    field: VelocityField,
    x: Tensor,
    t: float,
    names: Iterable[str],
    iterations: int = 8,
    *,
    generator: torch.Generator,
) -> NormEstimate:
    """||dv/dtheta|| of each sample in ``x``, theta the tensors ``names`` taken together; lower estimates.

    One sample after another, because each has its own direction in the weights.
    """
    chosen = list(names)
    found: list[NormEstimate] = []
    for row in range(len(x)):
        one, point = field.select(torch.tensor([row])), x[row : row + 1]

        def velocity(weights: Sequence[Tensor], one: VelocityField = one, point: Tensor = point) -> Tensor:
            return one.with_parameters(dict(zip(chosen, weights, strict=True))).velocity(point, t)

        at = joint_products(velocity, [field.parameters[name] for name in chosen])
        found.append(
            _rooted(
                lanczos(
                    lambda u, at=at: at.forward(at.backward(u)), random_start(point, generator), iterations
                )
            )
        )
    return NormEstimate(
        torch.cat([each.value for each in found]),
        torch.cat([each.residual for each in found]),
        torch.cat([each.upper for each in found]),
    )


def _rooted(found: Spectrum) -> NormEstimate:
    """From J^T J to J: an eigenvalue within r of s^2 is a singular value within r/s of s."""
    value = found.largest.clamp(min=0.0).sqrt()
    residual = torch.minimum(found.largest_residual.sqrt(), found.largest_residual / value.clamp(min=1e-300))
    return NormEstimate(value, residual, found.upper().clamp(min=0.0).sqrt())
