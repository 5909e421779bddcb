"""The flow-matching field of a Gaussian mixture, with its exact Jacobian."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Self

import torch
from torch import Tensor

from fmq_theory.errors import FlowError, SourceError
from fmq_theory.flow import mixture_bounds
from fmq_theory.flow.jacobian_ball import JacobianBall
from fmq_theory.flow.linear_algebra import cholesky, eigenvalues, inverse, symmetric, transposed
from fmq_theory.flow.mixture_parts import Components

__all__ = ["MixtureField", "checked_parameters", "factor_of", "require_floor"]

SMALLEST_FLOOR = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class MixtureField:
    r"""v(x, t) = E[data - noise | x_t = x] for data ~ sum of w_k N(m_k, S_k), noise ~ N(0, I).

    Given component k, x_t = t data + (1 - t) noise ~ N(t m_k, C_k), C_k = (1 - t)^2 I + t^2 S_k, and the
    conditional mean is affine: v_k(x) = m_k + A_k (x - t m_k) with A_k = (t S_k - (1 - t) I) C_k^-1. Over
    the components v = sum r_k v_k with the responsibilities r_k(x) = softmax of log(w_k p_k(x)). From
    grad r_k = r_k (g_k - gbar), g_k = grad log p_k,

        J(x, t) = sum r_k A_k + sum r_k (v_k - vbar)(g_k - gbar)^T.

    Since t v_k = x + (1 - t) g_k, the second sum is (1 - t)/t Cov_r(g) = t/(1 - t) Cov_r(v): J is
    symmetric, and the covariance only adds to its eigenvalues. S_k = F_k F_k^T + floor I, so that every
    quantized factor is a covariance.

    Attributes:
        logits: log w_k up to a constant, ``[K]``.
        means: ``[K, d]``.
        factors: F_k, ``[K, d, d]``.
        floor: added to every covariance; positive, and no parameter.

    Raises:
        SourceError: shapes that do not fit, or a floor that is not positive.
    """

    logits: Tensor
    means: Tensor
    factors: Tensor
    floor: float

    def __post_init__(self) -> None:
        count, dimension = tuple(self.means.shape) if self.means.ndim == 2 else (0, 0)
        fits = self.logits.shape == (count,) and self.factors.shape == (count, dimension, dimension)
        if count == 0 or dimension == 0 or not fits:
            raise SourceError(
                "a Gaussian mixture",
                f"logits {tuple(self.logits.shape)}, means {tuple(self.means.shape)} and factors "
                f"{tuple(self.factors.shape)} do not fit",
                "pass [K], [K, d] and [K, d, d]",
            )
        require_floor(self.floor)

    @classmethod
    def of(cls, weights: Tensor, means: Tensor, covariances: Tensor, floor: float = 1e-3) -> "MixtureField":
        """The field of these weights ``[K]``, means ``[K, d]`` and covariances ``[K, d, d]``, in float64.

        Raises:
            SourceError: a weight is not positive, or a covariance is below ``floor``.
        """
        weights = weights.detach().double()
        if not bool((weights > 0).all() and weights.isfinite().all()):
            raise SourceError(
                "weights of a mixture", "one is not positive and finite", "leave out empty components"
            )
        factors = torch.stack([factor_of(matrix, floor) for matrix in covariances.detach().double()])
        return cls(weights.log(), means.detach().double(), factors, floor)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return (self.means.shape[1],)

    @property
    def dtype(self) -> torch.dtype:
        return self.means.dtype

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        return MappingProxyType({"logits": self.logits, "means": self.means, "factors": self.factors})

    @property
    def covariances(self) -> Tensor:
        """S_k, ``[K, d, d]``."""
        identity = torch.eye(self.means.shape[1], dtype=self.dtype)
        return self.factors @ transposed(self.factors) + self.floor * identity

    def with_parameters(self, parameters: Mapping[str, Tensor]) -> Self:
        return replace(self, **checked_parameters(self.parameters, parameters))

    def select(self, index: Tensor) -> "MixtureField":
        """The field itself: it has no condition."""
        del index
        return self

    def velocity(self, x: Tensor, t: float) -> Tensor:
        parts = self.components(x, t)
        return torch.einsum("bk,bkd->bd", parts.responsibility, parts.velocity)

    def jacobian(self, x: Tensor, t: float) -> Tensor:
        """J(x, t), ``[batch, d, d]``, exact up to rounding, and symmetric."""
        parts = self.components(x, t)
        r = parts.responsibility
        mean_velocity = torch.einsum("bk,bkd->bd", r, parts.velocity)
        mean_score = torch.einsum("bk,bkd->bd", r, parts.score)
        spread = torch.einsum(
            "bk,bki,bkj->bij", r, parts.velocity - mean_velocity[:, None], parts.score - mean_score[:, None]
        )
        return torch.einsum("bk,kij->bij", r, parts.slope) + symmetric(spread)

    def jacobian_ball(self, center: Tensor, radius: Tensor, t: float) -> JacobianBall:
        """Proven bounds over balls; the proof is in ``mixture_bounds``."""
        return mixture_bounds.jacobian_ball(self, center, radius, t)

    def theta_lipschitz(self, quantized: "MixtureField", x: Tensor, t: float) -> Tensor:
        """A proven L_theta between the two sets of parameters; the proof is in ``mixture_bounds``."""
        return mixture_bounds.theta_lipschitz(self, quantized, x, t)

    def components(self, x: Tensor, t: float) -> Components:
        """Responsibilities, velocities and scores of the components at ``x`` ``[batch, d]``."""
        identity = torch.eye(self.means.shape[1], dtype=self.dtype)
        covariances = self.covariances
        spread = (1.0 - t) ** 2 * identity + t * t * covariances
        precision = symmetric(inverse(spread))
        slope = symmetric((t * covariances - (1.0 - t) * identity) @ precision)
        offset = x[:, None, :] - t * self.means
        score = -torch.einsum("kij,bkj->bki", precision, offset)
        log_density = (
            self.logits + 0.5 * torch.einsum("bki,bki->bk", offset, score) - 0.5 * torch.logdet(spread)
        )
        velocity = self.means - torch.einsum("kij,bkj->bki", t * covariances - (1.0 - t) * identity, score)
        return Components(
            torch.softmax(log_density, dim=1),
            log_density,
            velocity,
            score,
            slope,
            precision,
        )


def checked_parameters(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``given``, if its names and shapes are those of ``own``.

    Raises:
        FlowError: they are not.
    """
    for name, tensor in given.items():
        if name not in own:
            raise FlowError(
                f"weights {name!r}", "the field has none of that name", f"take one of {list(own)}"
            )
        if own[name].shape != tensor.shape:
            raise FlowError(
                f"weights {name!r}",
                f"shape {tuple(tensor.shape)} in place of {tuple(own[name].shape)}",
                "keep the shape",
            )
    return dict(given)


def require_floor(floor: float) -> None:
    """Refuses a lower bound of covariances that is not positive.

    Raises:
        SourceError: with the least one.
    """
    if not SMALLEST_FLOOR <= floor < float("inf"):
        raise SourceError(
            f"floor = {floor}",
            "covariances need a positive lower bound, or the field is infinite at t = 1",
            f"pass at least {SMALLEST_FLOOR:g}",
        )


def factor_of(covariance: Tensor, floor: float) -> Tensor:
    """Lower triangular F with F F^T + floor I = covariance ``[d, d]``.

    Raises:
        SourceError: the covariance is not symmetric, or has an eigenvalue of at most ``floor``.
    """
    if covariance.ndim != 2 or not torch.allclose(covariance, transposed(covariance)):
        raise SourceError(
            f"covariance of shape {tuple(covariance.shape)}", "it is not symmetric", "pass a covariance"
        )
    smallest = float(eigenvalues(covariance)[0])
    if not smallest > floor:
        raise SourceError(
            f"covariance with an eigenvalue {smallest:.3g}",
            f"it is not above the floor {floor:.3g}",
            "pass a smaller floor, or add to the diagonal",
        )
    return cholesky(covariance - floor * torch.eye(len(covariance), dtype=covariance.dtype))
