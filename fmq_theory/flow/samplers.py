"""Fixed-step samplers: x_{k+1} = Psi(x_k, t_k, h), h = 1/steps, and what they miss of the flow."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fmq_theory.errors import FlowError
from fmq_theory.flow.field import VelocityField

__all__ = ["SAMPLERS", "Sampler", "Trajectory", "Velocity", "get_sampler", "sample"]

Velocity = Callable[[Tensor, float], Tensor]


class Step(Protocol):
    """One step of size h of dx/dt = v(x, t) from time t."""

    def __call__(self, velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Sampler:
    """A one-step method.

    Attributes:
        name: the key of ``SAMPLERS``.
        order: p such that the error at t = 1 falls as h^p on a smooth field; a test measures it.
        evaluations: of the velocity in one step.
        step: ``step(velocity, x, t, h)``; torch.func can differentiate it.
    """

    name: str
    order: int
    evaluations: int
    step: Step


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """The states of a batch at all steps.

    Attributes:
        times: float64, shape ``[steps + 1]``, from 0 to 1.
        states: shape ``[steps + 1, batch, *sample_shape]``; the first is the noise.
    """

    times: Tensor
    states: Tensor

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return len(self.times) - 1

    @property
    def end(self) -> Tensor:
        """The samples, shape ``[batch, *sample_shape]``."""
        return self.states[-1]


def euler(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """x + h v(x, t)."""
    return x + h * velocity(x, t)


def midpoint(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """x + h v(x + (h/2) v(x, t), t + h/2)."""
    return x + h * velocity(x + 0.5 * h * velocity(x, t), t + 0.5 * h)


def heun(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """x + (h/2)(k_1 + k_2), k_1 = v(x, t), k_2 = v(x + h k_1, t + h)."""
    first = velocity(x, t)
    return x + 0.5 * h * (first + velocity(x + h * first, t + h))


SAMPLERS = {
    "euler": Sampler("euler", 1, 1, euler),
    "midpoint": Sampler("midpoint", 2, 2, midpoint),
    "heun": Sampler("heun", 2, 2, heun),
}


def get_sampler(sampler: str | Sampler) -> Sampler:
    """The sampler of a name.

    Raises:
        FlowError: there is none.
    """
    if isinstance(sampler, Sampler):
        return sampler
    if sampler not in SAMPLERS:
        raise FlowError(
            f"sampler {sampler!r}", "there is no sampler of that name", f"choose one of {', '.join(SAMPLERS)}"
        )
    return SAMPLERS[sampler]


def sample(field: VelocityField, noise: Tensor, steps: int, sampler: str | Sampler = "heun") -> Trajectory:
    """The flow of ``noise``, shape ``[batch, *sample_shape]``, by ``steps`` equal steps from t = 0 to 1.

    Raises:
        FlowError: the noise or a state is not finite, and then the message names step, time and
            samples; ``steps`` is no positive integer; the sampler is unknown.
    """
    method = get_sampler(sampler)
    if steps < 1:
        raise FlowError(f"steps = {steps}", "a flow takes at least one step", "pass a positive number")
    state = noise.to(field.dtype)
    _check_finite(state, "noise", "draw it again")
    states = torch.empty((steps + 1, *state.shape), dtype=state.dtype, device=state.device)
    states[0] = state
    for k in range(steps):
        t, h = k / steps, (k + 1) / steps - k / steps
        state = method.step(watched(field.velocity, k, steps), state, t, h)
        _check_finite(state, f"state after step {k + 1} of {steps}", "the states grow: take more steps")
        states[k + 1] = state
    return Trajectory(torch.arange(steps + 1, dtype=torch.float64) / steps, states)


def watched(velocity: Velocity, step: int, steps: int) -> Velocity:
    """The same velocity, which raises where it is not finite.

    Raises:
        FlowError: by the velocity that is returned.
    """

    def checked(x: Tensor, t: float) -> Tensor:
        v = velocity(x, t)
        _check_finite(
            v,
            f"velocity at t = {t:.6g} (step {step + 1} of {steps})",
            "check the weights and the condition; if the states grow from step to step, take more steps",
        )
        return v

    return checked


def _check_finite(tensor: Tensor, thing: str, remedy: str) -> None:
    # A sum is finite unless an entry is not or it overflows; only then is the closer look needed.
    if math.isfinite(float(tensor.sum())):
        return
    bad = ~torch.isfinite(tensor)
    if not bool(bad.any()):
        return
    rows = torch.nonzero(bad.reshape(len(tensor), -1).any(dim=1)).flatten()
    nans = int(torch.isnan(tensor).sum())
    raise FlowError(
        thing,
        f"{nans} nan and {int(bad.sum()) - nans} infinite numbers in {len(rows)} of {len(tensor)} samples, "
        f"first in sample {int(rows[0])}",
        remedy,
    )
