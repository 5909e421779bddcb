"""Fixed-step samplers have the order that they declare; the adaptive one agrees with closed forms."""

import dataclasses
import math
import sys

import numpy as np
import pytest
import torch

from fmq_theory.errors import FlowError
from fmq_theory.flow import SAMPLERS, Sampler, TorchField, adaptive_reference, get_sampler, sample
from tests.flow.linear_fields import Linear, exact_end, linear_field, small_field

START = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)


def measured_order(sampler: Sampler) -> float:
    """Minus the slope of log error over log steps on dx/dt = a x + b t."""
    a, b = -1.3, 2.0
    steps = np.array([8, 16, 32, 64, 128])
    field, end = linear_field(a, b), exact_end(a, b, START)
    errors = [float((sample(field, START, int(n), sampler).end - end).norm()) for n in steps]
    return -float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


@pytest.mark.parametrize("name", SAMPLERS)
def test_order_is_the_declared_one(name: str) -> None:
    sampler = SAMPLERS[name]
    assert sampler.name == name
    assert measured_order(sampler) == pytest.approx(sampler.order, abs=0.1)


def test_control_euler_that_calls_itself_heun_has_not_its_order() -> None:
    impostor = dataclasses.replace(SAMPLERS["heun"], step=SAMPLERS["euler"].step)
    assert abs(measured_order(impostor) - impostor.order) > 0.5


@pytest.mark.parametrize("name", SAMPLERS)
def test_evaluations_are_counted(name: str) -> None:
    calls: list[float] = []

    class Counted(Linear):
        def forward(self, x: torch.Tensor, t: torch.Tensor, *condition: torch.Tensor) -> torch.Tensor:
            calls.append(float(t[0]))
            return super().forward(x, t, *condition)

    sample(TorchField.of(Counted(1.0), (2,)), START, 7, name)
    assert len(calls) == 7 * SAMPLERS[name].evaluations
    assert min(calls) == 0.0
    assert max(calls) <= 1.0


def test_trajectory_keeps_every_state() -> None:
    trajectory = sample(linear_field(1.0), START, 4, "euler")
    assert trajectory.steps == 4
    assert trajectory.times.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    powers = torch.tensor([1.25**k for k in range(5)], dtype=torch.float64)
    assert torch.allclose(trajectory.states, powers[:, None, None] * START)
    assert torch.equal(trajectory.end, trajectory.states[-1])


def test_any_step_count_ends_at_one() -> None:
    for steps in (1, 3, 7, 49, 101):
        assert float(sample(linear_field(0.0), START, steps).times[-1]) == 1.0
        # With v = b t the midpoint rule is exact if and only if the steps tile [0, 1].
        end = sample(linear_field(0.0, 2.0), START, steps, "midpoint").end
        assert torch.allclose(end, START + 1.0, atol=1e-14)


@pytest.mark.parametrize("a", [-3.0, 0.5, 2.0])
def test_adaptive_reference_is_exact_to_its_tolerance(a: float) -> None:
    found = adaptive_reference(linear_field(a, 1.0), START, rtol=1e-9, atol=1e-10).end
    assert torch.allclose(found, exact_end(a, 1.0, START), rtol=1e-7)


def test_adaptive_reference_at_times_in_between() -> None:
    found = adaptive_reference(linear_field(1.0), START, 1e-9, 1e-10, times=(0.0, 0.5, 1.0))
    assert found.states.shape == (3, 2, 2)
    assert torch.allclose(found.states[1], math.exp(0.5) * START, rtol=1e-7)


def test_fixed_steps_approach_the_adaptive_reference_on_a_network() -> None:
    field = small_field(dtype=torch.float64)
    noise = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    end = adaptive_reference(field, noise, 1e-9, 1e-10).end
    errors = [float((sample(field, noise, steps).end - end).norm()) for steps in (4, 16)]
    assert errors[1] < errors[0] / 8  # order 2 says 16
    assert errors[1] > 0.0


def test_nan_velocity_is_named_with_its_step() -> None:
    class Broken(Linear):
        def forward(self, x: torch.Tensor, t: torch.Tensor, *condition: torch.Tensor) -> torch.Tensor:
            v = super().forward(x, t)
            v[1] = torch.where(t[1] >= 0.5, float("nan"), v[1])
            return v

    field = TorchField.of(Broken(1.0), (2,))
    with pytest.raises(FlowError, match=r"t = 0\.5 \(step 6 of 10\): 2 nan .* 1 of 2 samples, .* sample 1"):
        sample(field, START, 10, "euler")
    with pytest.raises(FlowError, match=r"velocity at t = .* 2 nan"):
        adaptive_reference(field, START)


def test_states_that_leave_the_floating_point_numbers_are_named() -> None:
    field = TorchField.of(Linear(-1e200).double(), (2,))
    with pytest.raises(FlowError, match=r"step 2 of 10\).*infinite"):
        sample(field, START, 10, "euler")


def test_large_but_finite_states_pass() -> None:
    """A sum that overflows is not taken for an infinite state."""
    start = torch.full((4, 2), 1e308, dtype=torch.float64)
    assert torch.equal(sample(linear_field(0.0), start, 2).end, start)


def test_stiff_field_is_refused_by_the_adaptive_reference() -> None:
    with pytest.raises(FlowError, match=r"has not converged.*stiff"):
        adaptive_reference(linear_field(-1e6), START, most_evaluations=500)


def test_vanishing_step_is_refused() -> None:
    class Pole(Linear):
        def forward(self, x: torch.Tensor, t: torch.Tensor, *condition: torch.Tensor) -> torch.Tensor:
            return self.a * x * x

    with pytest.raises(FlowError, match=r"not converged|infinite"):
        adaptive_reference(TorchField.of(Pole(2.0), (2,)), START)  # x = 1/(1 - 2 t) has a pole


@pytest.mark.parametrize(
    ("noise", "steps", "sampler", "message"),
    [
        (START, 0, "heun", "steps = 0"),
        (START, 5, "rk4", "choose one of euler"),
        (START * float("nan"), 5, "heun", "noise: 4 nan"),
    ],
)
def test_bad_input(noise: torch.Tensor, steps: int, sampler: str, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        sample(linear_field(1.0), noise, steps, sampler)
    assert get_sampler(SAMPLERS["heun"]) is SAMPLERS["heun"]


def test_adaptive_steps_name_the_library_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchdiffeq", None)
    with pytest.raises(FlowError, match=r"torchdiffeq is not installed.*fmq_theory\[flow\]"):
        adaptive_reference(linear_field(1.0, 1.0), START)
