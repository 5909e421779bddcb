r"""How much one step of a sampler may amplify the error: three bounds of its Jacobian along the segment.

One step of a two-stage method is Psi(x) = x + h (b_1 v(x, t) + b_2 v(z, t + c h)), z = x + c h v(x, t), with
(c, b_1, b_2) = (0, 1, 0) for Euler, (1/2, 0, 1) for midpoint and (1, 1/2, 1/2) for Heun. Its Jacobian is

    D Psi(x) = I + h B,    B = b_1 J_1 + b_2 J_2 (I + c h J_1),    J_1 = J(x, t), J_2 = J(z, t + c h).

The mean value theorem gives |Psi(y) - Psi(x)| <= sup ||D Psi|| |y - x| over the segment from x to y. With
L_i >= ||J_i|| and mu_i >= mu_2(J_i) there,

    g4 = ||I + h B||  <=  g2 = sqrt(1 + 2 h beta + h^2 l^2)  <=  g1 = 1 + h l,
    l = b_1 L_1 + b_2 L_2 (1 + c h L_1) >= ||B||,   beta = b_1 mu_1 + b_2 (mu_2 + c h L_1 L_2) >= mu_2(B),

because |(I + hB) e|^2 = |e|^2 + 2h <e, Be> + h^2 |Be|^2, and beta <= l. The product of 1 + h mu, without the
square of h, is no bound: a rotation breaks it.

The segment is cut into pieces, and a piece lies in the ball around its middle.

* A ``CertifiedField`` bounds L_i, mu_i and the variation of J over the ball, and over the ball that the
  second stage z reaches, of radius (1 + c h L_1) times the first: all three factors are proven.
* Otherwise they are taken at the middles alone. A supremum over a sample of points is an estimate. From
  products (Lanczos) it is a lower estimate even there; what is then known to be too low, by the order of
  the three, is raised to its neighbour.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fmq_theory.errors import FlowError
from fmq_theory.flow.closed_forms import CertifiedField
from fmq_theory.flow.constants import DENSE_LIMIT, dense_jacobian, logarithmic_norm, spectral_norm
from fmq_theory.flow.differentiation import products
from fmq_theory.flow.field import VelocityField
from fmq_theory.flow.krylov import lanczos, random_start
from fmq_theory.flow.linear_algebra import eigenvalues, lengths, spectral_norms, symmetric
from fmq_theory.flow.samplers import Sampler

__all__ = ["Effort", "Route", "StepGrowth", "route_of", "stage_of", "step_growth"]

Route = Literal["certified", "dense", "krylov"]

_MATRIX_ROWS = 256

_STAGES = {"euler": (0.0, 1.0, 0.0), "midpoint": (0.5, 0.0, 1.0), "heun": (1.0, 0.5, 0.5)}
"""(c, b_1, b_2) by sampler."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work goes into the constants.

    Attributes:
        pieces: of each segment; the constants are taken in every one.
        iterations: Lanczos steps for a constant; only for samples of more than 64 numbers.
        rows: samples times pieces that are differentiated at once; bounds the memory. On a U-Net for 32 x 32
            images 64 rows take 2.7 GB. Whole Jacobians of small samples take at least 256.
        theta_samples: samples at which L_theta is estimated.
        theta_times: times at which it is estimated.
        seed: of the random starts.
    """

    pieces: int = 3
    iterations: int = 10
    rows: int = 32
    theta_samples: int = 2
    theta_times: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        least = min(self.pieces, self.iterations, self.rows, self.theta_samples, self.theta_times)
        if least < 1:
            raise FlowError("the effort for constants", "a count is below 1", "pass positive numbers")


@dataclass(frozen=True, slots=True, eq=False)
class StepGrowth:
    """What one step does to an error, at most; all ``[batch]``, float64.

    Attributes:
        factors: g1, g2, g4, each the largest over the pieces.
        lipschitz: largest L_i over pieces and stages.
        log_norm: largest mu_i over pieces and stages.
        residual: largest Lanczos residual among them; 0 where nothing was iterated.
    """

    factors: dict[str, Tensor]
    lipschitz: Tensor
    log_norm: Tensor
    residual: Tensor


def route_of(field: VelocityField) -> Route:
    """Proven bounds, whole Jacobians, or products with them: the best there is for the field."""
    if isinstance(field, CertifiedField):
        return "certified"
    numbers = 1
    for length in field.sample_shape:
        numbers *= length
    return "dense" if numbers <= DENSE_LIMIT else "krylov"


def stage_of(sampler: Sampler) -> tuple[float, float, float]:
    """(c, b_1, b_2) of the module's text.

    Raises:
        FlowError: the sampler is not one of the three.
    """
    if sampler.name not in _STAGES:
        raise FlowError(
            f"sampler {sampler.name!r}",
            "the bounds know the stages of euler, midpoint and heun alone",
            f"choose one of {', '.join(_STAGES)}",
        )
    return _STAGES[sampler.name]


def step_growth(
    field: VelocityField,
    sampler: Sampler,
    ends: tuple[Tensor, Tensor],
    t: float,
    h: float,
    effort: Effort,
    generator: torch.Generator,
) -> StepGrowth:
    """The factors of a step of ``field`` from time t, over the segments between the ``ends``."""
    route = route_of(field)
    first, last = ends
    batch, pieces = len(first), effort.pieces
    gap = last - first
    # Every row is a sample at the middle of one piece of its segment.
    shares = ((torch.arange(pieces, dtype=torch.float64) + 0.5) / pieces).repeat_interleave(batch)
    index = torch.arange(batch).repeat(pieces)
    radius = (lengths(gap) / (2 * pieces)).repeat(pieces)
    found: list[tuple[Tensor, ...]] = []
    rows = effort.rows if route == "krylov" else max(_MATRIX_ROWS, effort.rows)
    for start in range(0, len(index), rows):
        part = slice(start, min(len(index), start + rows))
        chosen = field.select(index[part])
        share = shares[part].to(gap).reshape(-1, *([1] * (gap.ndim - 1)))
        point = first[index[part]] + share * gap[index[part]]
        if route == "krylov":
            found.append(_by_products(chosen, sampler, point, t, h, effort, generator))
        else:
            found.append(_by_matrices(chosen, sampler, point, radius[part], t, h))
    g1, g2, g4, lipschitz, log_norm, residual = (
        torch.cat(column).reshape(pieces, batch).amax(dim=0) for column in zip(*found, strict=True)
    )
    return StepGrowth({"g1": g1, "g2": g2, "g4": g4}, lipschitz, log_norm, residual)


def _by_matrices(
    field: VelocityField, sampler: Sampler, point: Tensor, radius: Tensor, t: float, h: float
) -> tuple[Tensor, ...]:
    """The factors from whole Jacobians, with proven bounds of their variation where the field has them."""
    c, b1, b2 = stage_of(sampler)
    identity = torch.eye(point[0].numel(), dtype=torch.float64)
    j1, s1, l1, m1 = _stage(field, point, radius, t)
    if b2:
        middle = point + c * h * field.velocity(point, t)
        n1 = spectral_norms(j1)
        j2, s2, l2, m2 = _stage(field, middle, (1.0 + c * h * (n1 + s1)) * radius, t + c * h)
        n2 = spectral_norms(j2)
        whole = b1 * j1 + b2 * j2 @ (identity + c * h * j1)
        slack = b1 * s1 + b2 * (s2 * (1.0 + c * h * (n1 + s1)) + c * h * n2 * s1)
    else:
        whole, slack, l2, m2 = j1, s1, l1, m1
    g1, g2 = _from_constants((c, b1, b2), h, (l1, m1), (l2, m2))
    g4 = torch.minimum(spectral_norms(identity + h * whole) + h * slack, g2)
    lipschitz, log_norm = torch.maximum(l1, l2), torch.maximum(m1, m2)
    return g1, g2, g4, lipschitz, log_norm, torch.zeros_like(g1)


def _stage(field: VelocityField, point: Tensor, radius: Tensor, t: float) -> tuple[Tensor, ...]:
    """J at the point, and over the ball: its variation, norm, logarithmic norm."""
    if isinstance(field, CertifiedField):
        ball = field.jacobian_ball(point, radius, t)
        return ball.jacobian, ball.variation, ball.norm, ball.log_norm
    jacobian = dense_jacobian(field, point, t)
    norm = spectral_norms(jacobian)
    log_norm = eigenvalues(symmetric(jacobian))[:, -1]
    return jacobian, torch.zeros_like(norm), norm, log_norm


def _by_products(
    field: VelocityField,
    sampler: Sampler,
    point: Tensor,
    t: float,
    h: float,
    effort: Effort,
    generator: torch.Generator,
) -> tuple[Tensor, ...]:
    """The factors from products with Jacobians."""
    c, b1, b2 = stage_of(sampler)
    stages = [(point, t)]
    if b2:
        stages.append((point + c * h * field.velocity(point, t), t + c * h))
    found: list[tuple[Tensor, Tensor]] = []
    residuals: list[Tensor] = []
    for x, time in stages:
        at = products(lambda z, time=time: field.velocity(z, time), x)
        norm = spectral_norm(at, x, effort.iterations, generator)
        log_norm = logarithmic_norm(at, x, effort.iterations, generator)
        found.append((torch.maximum(norm.value, log_norm.value.abs()), log_norm.value))
        residuals += [norm.residual, log_norm.residual]
    g1, g2 = _from_constants((c, b1, b2), h, found[0], found[-1])
    step = products(lambda z: sampler.step(field.velocity, z, t, h), point)

    def gain(v: Tensor) -> Tensor:
        # ((D Psi)^T D Psi - I)/h has a spectrum whose width does not shrink with h.
        return (step.backward(step.forward(v)) - v) / h

    gained = lanczos(gain, random_start(point, generator), effort.iterations).largest
    g4 = (1.0 + h * gained).clamp(min=0.0).sqrt()
    g2 = torch.maximum(g2, g4)
    g1 = torch.maximum(g1, g2)
    lipschitz = torch.maximum(found[0][0], found[-1][0])
    log_norm = torch.maximum(found[0][1], found[-1][1])
    return g1, g2, g4, lipschitz, log_norm, torch.stack(residuals).amax(dim=0)


def _from_constants(
    stage: tuple[float, float, float], h: float, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """g1 and g2 from (L_1, mu_1) and (L_2, mu_2)."""
    c, b1, b2 = stage
    (l1, m1), (l2, m2) = first, second
    size = b1 * l1 + b2 * l2 * (1.0 + c * h * l1)
    rate = b1 * m1 + b2 * (m2 + c * h * l1 * l2)
    g1 = 1.0 + h * size
    g2 = (1.0 + 2.0 * h * rate + (h * size).square()).clamp(min=0.0).sqrt()
    return g1, torch.minimum(g1, g2)
