"""G3 and the layers' parts: against autograd through the whole sampler, and where it must be exact."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import jvp

from fmq_theory.errors import FlowError
from fmq_theory.flow import TorchField, get_sampler, quantize_field, sample
from fmq_theory.flow.ladder import changed_weights
from fmq_theory.flow.layers import layer_shares
from fmq_theory.flow.linear_response import first_order, linear_response, local_differences
from tests.flow.linear_fields import linear_field, small_field
from tests.flow.random_fields import SAMPLERS, Draw, mixture, moved


class Square(nn.Module):
    """v = c x^2."""

    def __init__(self, c: float) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.tensor(c, dtype=torch.float64))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        del t
        return self.c * x * x


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_first_order_is_the_derivative_of_the_samples(sampler: str) -> None:
    draw = Draw(0)
    field, noise = mixture(draw, 3, 2), draw.normal(5, 2)
    change = changed_weights(field, moved(draw, field, 0.1))

    def end(theta: dict[str, Tensor]) -> Tensor:
        state = noise
        for n in range(4):
            state = get_sampler(sampler).step(field.with_parameters(theta).velocity, state, n / 4, 0.25)
        return state

    expected = jvp(end, (dict(field.parameters),), (change,))[1]
    path = sample(field, noise, 4, sampler)
    found = first_order(field, path, [change, {"means": change["means"]}], sampler, rows=3)
    torch.testing.assert_close(found[0], expected, rtol=1e-9, atol=1e-9)
    assert (found[1] - expected).abs().max() > 1e-4  # control: one tensor is not all


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_layers_add_up_to_the_whole_response(sampler: str) -> None:
    field = small_field()
    other = quantize_field(field, "uniform", 5, include=lambda name, weights: True).field
    change = changed_weights(field, other)
    path = sample(field, Draw(1).normal(4, 1, 4, 4).float(), 3, sampler)
    parts = first_order(field, path, [{name: part} for name, part in change.items()], sampler)
    whole = first_order(field, path, [change], sampler)[0]
    torch.testing.assert_close(parts.sum(0), whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_exact_where_the_quantized_field_is_affine(sampler: str) -> None:
    field, noise = linear_field(-0.7, 0.2), Draw(2).normal(3, 2)
    path = sample(field, noise, 5, sampler)
    for other in (
        linear_field(-0.7, 0.5),
        linear_field(0.4, 0.5),
    ):  # a change of the offset, and of the slope
        hat = sample(other, noise, 5, sampler)
        local = local_differences(other, path, sampler)
        response = linear_response(other, path, local, sampler, rows=2)
        torch.testing.assert_close(response, hat.states - path.states, rtol=1e-10, atol=1e-12)
    # Control: the Jacobians of the full-precision field leave a remainder when the slope has changed.
    carried = linear_response(field, path, local, sampler)
    assert (carried - hat.states + path.states).abs().max() > 1e-2


def test_the_remainder_is_half_the_curvature_times_the_square_of_the_error() -> None:
    """v = 0, v_q = c x^2 by one step of Euler: Psi_q(x + e) - Psi_q(x) - D Psi_q(x) e = h c e^2."""
    field, other = (TorchField.of(Square(c), (1,)) for c in (0.0, 0.3))
    noise = Draw(4).normal(5, 1)
    path, hat = sample(field, noise, 2, "euler"), sample(other, noise, 2, "euler")
    response = linear_response(other, path, local_differences(other, path, "euler"), "euler")
    left_out = (hat.states - path.states - response)[2]
    torch.testing.assert_close(left_out, 0.5 * 0.3 * (hat.states - path.states)[1].square())
    assert left_out.abs().max() > 1e-3


def test_layer_shares() -> None:
    field = small_field()
    other = quantize_field(field, "uniform", 4).field
    noise = Draw(3).normal(6, 1, 4, 4).float()
    shares = layer_shares(field, other, noise, 4, "heun", lipschitz_samples=2)
    assert [share.name for share in shares] == sorted(
        changed_weights(field, other), key=lambda name: -{s.name: s.measured for s in shares}[name]
    )
    first = shares[0]
    alone = field.with_parameters({first.name: other.parameters[first.name]})
    gap = sample(alone, noise, 4, "heun").end - sample(field, noise, 4, "heun").end
    assert first.measured == pytest.approx(float(gap.flatten(1).norm(dim=1).square().mean().sqrt()), rel=1e-5)
    for share in shares:
        assert share.prediction_gap < 0.5 * share.measured
        assert share.predicted == pytest.approx(share.measured, rel=0.5)
        assert share.velocity_lipschitz > 0.0
    without = layer_shares(field, other, noise, 4, names=[first.name], lipschitz_samples=0)
    assert len(without) == 1
    assert without[0].velocity_lipschitz != without[0].velocity_lipschitz  # nan


def test_layers_that_did_not_change_are_refused() -> None:
    field = small_field()
    other = quantize_field(field, "uniform", 4).field
    with pytest.raises(FlowError, match="did not change"):
        layer_shares(field, other, torch.zeros(1, 1, 4, 4), 2, names=["conv.bias"])
