"""What is known of a field's Jacobian over a ball."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["JacobianBall"]


@dataclass(frozen=True, slots=True, eq=False)
class JacobianBall:
    """J(x, t) for all |x - center| <= radius; a batch of balls, one time.

    Attributes:
        jacobian: at the centers, ``[batch, d, d]``.
        variation: upper bound of ||J(x) - J(center)||, ``[batch]``.
        norm: upper bound of ||J(x)||, ``[batch]``.
        log_norm: upper bound of mu_2 = the largest eigenvalue of (J(x) + J(x)^T)/2, ``[batch]``.
    """

    jacobian: Tensor
    variation: Tensor
    norm: Tensor
    log_norm: Tensor
