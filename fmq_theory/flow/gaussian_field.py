"""The flow-matching field of one Gaussian: affine, with a flow in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor

from fmq_theory.errors import SourceError
from fmq_theory.flow.jacobian_ball import JacobianBall
from fmq_theory.flow.linear_algebra import eigensystem, eigenvalues, solve, symmetric, transposed
from fmq_theory.flow.mixture_bounds import theta_lipschitz
from fmq_theory.flow.mixture_field import MixtureField, checked_parameters, factor_of, require_floor

__all__ = ["GaussianField"]


@dataclass(frozen=True, slots=True, eq=False)
class GaussianField:
    """v(x, t) = m + A_t (x - t m) for data ~ N(m, S), noise ~ N(0, I).

    A_t = (t S - (1 - t) I) C_t^-1 with C_t = (1 - t)^2 I + t^2 S. All these matrices commute, so

    * the flow from x_0 is x_t = t m + C_t^(1/2) x_0, because d/dt C_t^(1/2) = A_t C_t^(1/2);
    * A_t is symmetric with eigenvalues a(t, s) = (t s - (1 - t)) / ((1 - t)^2 + t^2 s), s those of S;
      a grows with s (da/ds = t (1 - t) / c^2), so mu_2(t) = a(t, s_max) and
      L_x(t) = max(|a(t, s_min)|, |a(t, s_max)|), at every x.

    S = F F^T + floor I.

    Attributes:
        mean: ``[d]``.
        factor: F, ``[d, d]``.
        floor: added to the covariance; positive, and no parameter.

    Raises:
        SourceError: shapes that do not fit, or a floor that is not positive.

    Examples:
        For N(3, 4) the flow takes noise x_0 to 3 + 2 x_0, and its slope goes from -1 at t = 0 to 1 at t = 1:

        >>> import torch
        >>> from fmq_theory.flow.closed_forms import GaussianField
        >>> field = GaussianField.of(torch.tensor([3.0]), torch.tensor([[4.0]]))
        >>> round(field.flow(torch.ones(1, 1, dtype=torch.float64), 1.0).item(), 6)
        5.0
        >>> round(field.logarithmic_norm(1.0), 6), round(field.lipschitz(0.0), 6)
        (1.0, 1.0)
    """

    mean: Tensor
    factor: Tensor
    floor: float

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.factor.shape != (len(self.mean), len(self.mean)) or not len(self.mean):
            raise SourceError(
                "a Gaussian",
                f"mean {tuple(self.mean.shape)} and factor {tuple(self.factor.shape)} do not fit",
                "pass [d] and [d, d]",
            )
        require_floor(self.floor)

    @classmethod
    def of(cls, mean: Tensor, covariance: Tensor, floor: float = 1e-3) -> "GaussianField":
        """The field of N(mean, covariance), in float64.

        Raises:
            SourceError: the covariance is not symmetric or has an eigenvalue of at most ``floor``.
        """
        return cls(mean.detach().double(), factor_of(covariance.detach().double(), floor), floor)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return (len(self.mean),)

    @property
    def dtype(self) -> torch.dtype:
        return self.mean.dtype

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        return MappingProxyType({"mean": self.mean, "factor": self.factor})

    @property
    def covariance(self) -> Tensor:
        """S, ``[d, d]``."""
        return self.factor @ transposed(self.factor) + self.floor * self._identity()

    def with_parameters(self, parameters: Mapping[str, Tensor]) -> "GaussianField":
        return replace(self, **checked_parameters(self.parameters, parameters))

    def select(self, index: Tensor) -> "GaussianField":
        """The field itself: it has no condition."""
        del index
        return self

    def velocity(self, x: Tensor, t: float) -> Tensor:
        return self.mean + torch.einsum("ij,bj->bi", self.slope(t), x - t * self.mean)

    def slope(self, t: float) -> Tensor:
        """A_t, ``[d, d]``."""
        identity, covariance = self._identity(), self.covariance
        spread = (1.0 - t) ** 2 * identity + t * t * covariance
        return symmetric(solve(spread, t * covariance - (1.0 - t) * identity))

    def jacobian(self, x: Tensor, t: float) -> Tensor:
        """J(x, t) = A_t, ``[batch, d, d]``."""
        return self.slope(t).expand(len(x), -1, -1)

    def lipschitz(self, t: float) -> float:
        """L_x(t) = the norm of A_t: exact up to rounding, at every x."""
        return float(self._rates(t).abs().max())

    def logarithmic_norm(self, t: float) -> float:
        """mu_2(t) = the largest eigenvalue of A_t: exact up to rounding, at every x."""
        return float(self._rates(t).max())

    def jacobian_ball(self, center: Tensor, radius: Tensor, t: float) -> JacobianBall:
        """The Jacobian over balls: constant."""
        rates = self._rates(t)
        zero = torch.zeros_like(radius)
        return JacobianBall(
            self.jacobian(center, t), zero, zero + float(rates.abs().max()), zero + float(rates.max())
        )

    def theta_lipschitz(self, quantized: "GaussianField", x: Tensor, t: float) -> Tensor:
        """L_theta between the two sets of parameters at ``x``, ``[batch]``: that of a mixture of one."""
        return theta_lipschitz(self.as_mixture(), quantized.as_mixture(), x, t)

    def flow(self, noise: Tensor, t: float) -> Tensor:
        """x_t = t m + C_t^(1/2) x_0, ``[batch, d]``."""
        values, vectors = eigensystem(self.covariance)
        scale = torch.sqrt((1.0 - t) ** 2 + t * t * values)
        return t * self.mean + torch.einsum("ij,bj->bi", (vectors * scale) @ transposed(vectors), noise)

    def as_mixture(self) -> MixtureField:
        """The same law as a mixture of one component."""
        logits = torch.zeros(1, dtype=self.dtype)
        return MixtureField(logits, self.mean[None], self.factor[None], self.floor)

    def _rates(self, t: float) -> Tensor:
        values = eigenvalues(self.covariance)
        return (t * values - (1.0 - t)) / ((1.0 - t) ** 2 + t * t * values)

    def _identity(self) -> Tensor:
        return torch.eye(len(self.mean), dtype=self.dtype)
