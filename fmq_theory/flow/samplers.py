"""Samplers: x_{k+1} = Psi(x_k, t_k, h) with h = 1/steps, and an adaptive one as their reference."""

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from fmq_theory.brief import brief_repr
from fmq_theory.errors import FlowError
from fmq_theory.flow.field import VelocityField

__all__ = ["SAMPLERS", "Sampler", "Trajectory", "Velocity", "adaptive_reference", "get_sampler", "sample"]

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

    __repr__ = brief_repr


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """The states of a batch at all steps.

    Attributes:
        times: float64, shape ``[steps + 1]``, from 0 to 1.
        states: shape ``[steps + 1, batch, *sample_shape]``; the first is the noise.
    """

    times: Tensor
    states: Tensor

    __repr__ = brief_repr

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

    Args:
        sampler: a key of ``SAMPLERS``, or a sampler, which is returned as it is.

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

    Args:
        field: the velocity v(x, t), closed form or network.
        noise: x at t = 0.
        steps: how many, each of length 1/steps.
        sampler: "euler", "midpoint" or "heun", or one of your own.

    Raises:
        FlowError: the noise or a state is not finite, and then the message names step, time and
            samples; ``steps`` is no positive integer; the sampler is unknown.

    Examples:
        >>> import torch
        >>> from fmq_theory.flow import sample
        >>> from fmq_theory.flow.closed_forms import GaussianField
        >>> zero, one = torch.zeros(1, dtype=torch.float64), torch.eye(1, dtype=torch.float64)
        >>> field = GaussianField(zero, 3**0.5 * one, 1.0)  # from N(0, 1) to N(0, 4): x doubles
        >>> noise = torch.ones(1, 1, dtype=torch.float64)
        >>> [round(float(sample(field, noise, steps, "heun").end), 4) for steps in (10, 100)]
        [1.9883, 1.9999]
    """
    method = get_sampler(sampler)
    if steps < 1:
        raise FlowError(f"steps = {steps}", "a flow takes at least one step", "pass a positive number")
    state = noise.to(field.dtype)
    _check_finite(state, "noise", "draw it again")
    states = [state]
    for k in range(steps):
        t, h = k / steps, (k + 1) / steps - k / steps
        state = method.step(_watched(field.velocity, f"step {k + 1} of {steps}"), state, t, h)
        _check_finite(state, f"state after step {k + 1} of {steps}", "the states grow: take more steps")
        states.append(state)
    return Trajectory(torch.arange(steps + 1, dtype=torch.float64) / steps, torch.stack(states))


def adaptive_reference(
    field: VelocityField,
    noise: Tensor,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    *,
    times: Sequence[float] = (0.0, 1.0),
    most_evaluations: int = 20_000,
) -> Trajectory:
    """The flow of ``noise`` by Dormand and Prince's pair of orders 5 and 4 with adaptive steps (torchdiffeq).

    A step passes when in every sample the root mean square of error / (atol + rtol |x|) is at most 1;
    the errors of the steps add up, so the error at t = 1 is of the size of ``rtol``, not below it.

    Args:
        field: in float32 its own rounding makes an ``rtol`` below 1e-6 meaningless.
        noise: at ``times[0]``, shape ``[batch, *sample_shape]``.
        rtol: relative tolerance of a step.
        atol: absolute tolerance of a step.
        times: increasing; the states are returned there.
        most_evaluations: of the velocity; a field that needs more is called stiff.

    Raises:
        FlowError: a velocity is not finite, the field is too stiff for these tolerances, or torchdiffeq is
            not installed.
    """
    evaluations = 0

    def right_hand_side(t: Tensor, x: Tensor) -> Tensor:
        nonlocal evaluations
        evaluations += 1
        if evaluations > most_evaluations:
            raise _stiff(float(t), f"{most_evaluations} evaluations of the velocity were not enough")
        return _watched(field.velocity, f"evaluation {evaluations}")(x, float(t))

    def largest(scaled_error: Tensor) -> Tensor:
        return scaled_error.reshape(len(noise), -1).square().mean(dim=1).max().sqrt()

    grid = torch.tensor(times, dtype=torch.float64)
    state = noise.to(field.dtype)
    _check_finite(state, "noise", "draw it again")
    options: dict[str, object] = {"norm": largest, "dtype": torch.float64}
    # Imported here: only a reference needs it. It has no type hints.
    try:
        solve = cast("Callable[..., Tensor]", importlib.import_module("torchdiffeq").odeint)
    except ImportError as error:
        raise FlowError(
            "adaptive steps", "torchdiffeq is not installed", "pip install 'fmq_theory[flow]'"
        ) from error
    try:
        states = solve(right_hand_side, state, grid, rtol=rtol, atol=atol, method="dopri5", options=options)
    except AssertionError as error:  # torchdiffeq's word for a step that shrank to nothing
        raise _stiff(math.nan, str(error)) from error
    return Trajectory(grid, states)


def _stiff(t: float, cause: str) -> FlowError:
    place = "" if math.isnan(t) else f" at t = {t:.6g}"
    return FlowError(
        f"adaptive reference{place}",
        f"the solver has not converged ({cause}); the field is stiff",
        "loosen rtol and atol, or run the field in float64",
    )


def _watched(velocity: Velocity, when: str) -> Velocity:
    """The same velocity, which raises FlowError where it is not finite."""

    def checked(x: Tensor, t: float) -> Tensor:
        v = velocity(x, t)
        _check_finite(
            v,
            f"velocity at t = {t:.6g} ({when})",
            "check the weights and the condition; if the states grow from step to step, take more steps",
        )
        return v

    return checked


def _check_finite(tensor: Tensor, thing: str, remedy: str) -> None:
    tensor = tensor.detach()
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
