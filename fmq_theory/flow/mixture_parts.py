"""What the proofs about a Gaussian mixture's field need of it: parameters, components, Jacobian."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor

__all__ = ["Components", "Mixture"]


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """What the field is made of at points x and a time t; K components, d dimensions.

    Attributes:
        responsibility: r_k(x) = P(component k | x_t = x), ``[batch, K]``.
        log_density: log(w_k p_k(x)) up to a constant, ``[batch, K]``.
        velocity: v_k(x) = m_k + A_k (x - t m_k), ``[batch, K, d]``.
        score: g_k(x) = -C_k^-1 (x - t m_k), the gradient of log p_k, ``[batch, K, d]``.
        slope: A_k = (t S_k - (1 - t) I) C_k^-1, ``[K, d, d]``.
        precision: C_k^-1, C_k = (1 - t)^2 I + t^2 S_k, ``[K, d, d]``.
    """

    responsibility: Tensor
    log_density: Tensor
    velocity: Tensor
    score: Tensor
    slope: Tensor
    precision: Tensor


class Mixture(Protocol):
    """A mixture of K Gaussian components in d dimensions with covariances S_k = F_k F_k^T + floor I."""

    @property
    def logits(self) -> Tensor:
        """Log w_k up to a constant, ``[K]``."""
        ...

    @property
    def means(self) -> Tensor:
        """m_k, ``[K, d]``."""
        ...

    @property
    def factors(self) -> Tensor:
        """F_k, ``[K, d, d]``."""
        ...

    @property
    def floor(self) -> float:
        """What is added to every covariance."""
        ...

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """Logits, means and factors by these names."""
        ...

    def with_parameters(self, parameters: Mapping[str, Tensor]) -> Self:
        """The same mixture with other parameters."""
        ...

    def components(self, x: Tensor, t: float) -> Components:
        """What the field is made of at ``x``, ``[batch, d]``."""
        ...

    def jacobian(self, x: Tensor, t: float) -> Tensor:
        """J(x, t), ``[batch, d, d]``."""
        ...
