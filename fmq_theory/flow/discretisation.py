"""What a sampler misses of the flow, apart from what quantization does to it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fmq_theory.brief import brief_repr
from fmq_theory.errors import FlowError
from fmq_theory.flow.field import VelocityField
from fmq_theory.flow.linear_algebra import root_mean_square
from fmq_theory.flow.samplers import Sampler, Trajectory, get_sampler, sample

__all__ = ["Convergence", "check_convergence", "local_errors"]


def local_errors(field: VelocityField, trajectory: Trajectory, sampler: str | Sampler = "heun") -> Tensor:
    """Estimates of ||Psi_h(x_k) - Phi_h(x_k)||, the error that each step makes, not what it inherits.

    From each state x_k of the trajectory one step of size h is compared with two of size h/2. For a
    method of order p the first errs by C h^(p+1) and the others together by 2 C (h/2)^(p+1), so the
    error of the first is their difference over 1 - 2^-p, up to higher order in h.

    Args:
        field: that of the trajectory.
        trajectory: as ``sample`` returns it.
        sampler: that of the trajectory.

    Returns:
        Euclidean norms, shape ``[steps, batch]``.

    Reference:
        Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, section II.4.
    """
    method = get_sampler(sampler)
    found: list[Tensor] = []
    times = [float(t) for t in trajectory.times]
    for k in range(trajectory.steps):
        x, t, h = trajectory.states[k], times[k], times[k + 1] - times[k]
        once = method.step(field.velocity, x, t, h)
        half = method.step(field.velocity, x, t, 0.5 * h)
        twice = method.step(field.velocity, half, t + 0.5 * h, 0.5 * h)
        difference = (once - twice).reshape(len(x), -1)
        found.append(difference.square().sum(dim=1).sqrt() / (1.0 - 2.0**-method.order))
    return torch.stack(found)


@dataclass(frozen=True, slots=True)
class Convergence:
    """Whether the steps of a sampler resolve the flow.

    Attributes:
        sampler: its name.
        steps: S.
        error_rms_hat: estimate of the error at t = 1 with S steps, root mean square over coordinates
            and samples; inf if the states left the floating point numbers.
        samples_rms: root mean square of the samples, the scale of the error.
        tolerance: largest ratio of the two that passes.
    """

    sampler: str
    steps: int
    error_rms_hat: float
    samples_rms: float
    tolerance: float

    __repr__ = brief_repr

    @property
    def converged(self) -> bool:
        """The error is at most ``tolerance`` times the size of the samples."""
        return self.error_rms_hat <= self.tolerance * self.samples_rms

    def __str__(self) -> str:
        size = f"{self.error_rms_hat:.3g} (samples: {self.samples_rms:.3g}, root mean square)"
        if self.converged:
            return f"{self.sampler} with {self.steps} steps: discretisation error about {size}"
        return (
            f"{self.sampler} with {self.steps} steps has not converged: S and 2S steps differ by an "
            f"estimated error of {size}; the field is stiff at this step, take more steps"
        )


def check_convergence(
    field: VelocityField,
    noise: Tensor,
    steps: int,
    sampler: str | Sampler = "heun",
    *,
    tolerance: float = 0.05,
) -> Convergence:
    """Compare S steps with 2S from the same noise.

    The error with S steps is their difference over 1 - 2^-p (Richardson), p the order, if the steps
    are small enough for the order to show; if not, the difference is large and the check fails.

    Args:
        field: v.
        noise: x at t = 0, shape ``[batch, *sample_shape]``.
        steps: S, at least 1.
        sampler: a name, or a sampler.
        tolerance: the largest error, relative to the samples, that counts as converged.

    Raises:
        FlowError: the field is not finite even with 2S steps, or as ``sample`` raises.

    Examples:
        >>> import torch
        >>> from fmq_theory import flow
        >>> from fmq_theory.flow.closed_forms import GaussianField
        >>> field = GaussianField.of(torch.zeros(1), torch.tensor([[4.0]]))
        >>> [flow.check_convergence(field, torch.ones(1, 1), steps).converged for steps in (2, 32)]
        [False, True]
    """
    method = get_sampler(sampler)
    fine = sample(field, noise, 2 * steps, method).end.double()
    scale = root_mean_square(fine)
    try:
        coarse = sample(field, noise, steps, method).end.double()
    except FlowError:  # the fine run did not raise, so the steps are to blame
        return Convergence(method.name, steps, math.inf, scale, tolerance)
    return Convergence(
        method.name, steps, root_mean_square(coarse - fine) / (1.0 - 2.0**-method.order), scale, tolerance
    )
