"""Fields whose velocity, Jacobian and constants are known in closed form."""

from typing import Protocol, Self, runtime_checkable

from torch import Tensor

from fmq_theory.flow.field import VelocityField
from fmq_theory.flow.gaussian_field import GaussianField
from fmq_theory.flow.jacobian_ball import JacobianBall
from fmq_theory.flow.mixture_field import MixtureField

__all__ = ["CertifiedField", "GaussianField", "JacobianBall", "MixtureField"]


@runtime_checkable
class CertifiedField(VelocityField, Protocol):
    """A field with proven bounds, exact up to rounding: what makes a rung of the ladder a certificate."""

    def jacobian_ball(self, center: Tensor, radius: Tensor, t: float) -> JacobianBall:
        """Bounds of J over balls with ``center`` ``[batch, *sample_shape]`` and ``radius`` ``[batch]``."""
        ...

    def theta_lipschitz(self, quantized: Self, x: Tensor, t: float) -> Tensor:
        """Bound of |v_q(x, t) - v(x, t)| / |theta_q - theta|, ``[batch]``; v_q is of the same kind."""
        ...
