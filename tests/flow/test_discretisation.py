"""Step doubling finds the error that a step makes, and says when the steps are too long."""

import dataclasses
import math

import pytest
import torch

from fmq_theory.errors import FlowError
from fmq_theory.flow import SAMPLERS, TorchField, check_convergence, local_errors, sample
from tests.flow.linear_fields import Linear, linear_field, small_field

START = torch.tensor([[1.0, -2.0], [0.5, 3.0], [1.0, 1.0]], dtype=torch.float64)


@pytest.mark.parametrize("name", SAMPLERS)
def test_local_error_against_the_closed_form(name: str) -> None:
    a, steps = -1.3, 20
    trajectory = sample(linear_field(a), START, steps, name)
    true = (trajectory.states[1:] - math.exp(a / steps) * trajectory.states[:-1]).norm(dim=2)
    found = local_errors(linear_field(a), trajectory, name)
    assert found.shape == (steps, 3)
    assert torch.allclose(found, true, rtol=0.1)


def test_control_wrong_order_gives_wrong_local_errors() -> None:
    a, steps = -1.3, 20
    impostor = dataclasses.replace(SAMPLERS["euler"], order=2)
    trajectory = sample(linear_field(a), START, steps, impostor)
    true = (trajectory.states[1:] - math.exp(a / steps) * trajectory.states[:-1]).norm(dim=2)
    assert not torch.allclose(local_errors(linear_field(a), trajectory, impostor), true, rtol=0.1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_estimate_of_the_error_at_the_end(name: str) -> None:
    a, steps = 1.5, 40
    found = check_convergence(linear_field(a), START, steps, name)
    error = sample(linear_field(a), START, steps, name).end - math.exp(a) * START
    assert found.error_rms_hat == pytest.approx(float(error.square().mean().sqrt()), rel=0.1)
    assert found.converged
    assert "discretisation error about" in str(found)


def test_smooth_network_converges() -> None:
    assert check_convergence(small_field(), torch.randn(4, 1, 4, 4), 20).converged


@pytest.mark.parametrize("a", [-100.0, -1e4])
def test_stiff_field_has_not_converged(a: float) -> None:
    found = check_convergence(linear_field(a), START, 10, "heun")
    assert not found.converged
    assert "has not converged" in str(found)
    assert "stiff" in str(found)


def test_enough_steps_tame_a_stiff_field() -> None:
    slow = linear_field(-100.0, 100.0)  # x follows t, after a fast beginning
    assert not check_convergence(slow, START, 40, "heun").converged
    assert check_convergence(slow, START, 400, "heun").converged


def test_overflow_with_the_longer_steps_alone_is_no_convergence() -> None:
    class Cubic(Linear):
        def forward(self, x: torch.Tensor, t: torch.Tensor, *condition: torch.Tensor) -> torch.Tensor:
            return self.a * x**3

    # Ten steps leave [-1, 1] and never come back; twenty stay inside.
    found = check_convergence(TorchField.of(Cubic(-30.0), (2,)), torch.ones_like(START), 10, "euler")
    assert found.error_rms_hat == math.inf
    assert 0.0 < found.samples_rms < 1.0
    assert not found.converged


def test_broken_field_is_not_called_stiff() -> None:
    with pytest.raises(FlowError, match="nan"):
        check_convergence(linear_field(math.nan), START, 10)
