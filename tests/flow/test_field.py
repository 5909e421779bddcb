"""A torch module as a velocity field."""

import pytest
import torch
from torch import nn

from fmq_theory.errors import FlowError
from fmq_theory.flow import TorchField, VelocityField, sample
from tests.flow.linear_fields import Linear, Small, linear_field, small_field


def test_velocity_is_the_module_on_one_time_for_the_batch() -> None:
    torch.manual_seed(0)
    module = Small().eval()
    field: VelocityField = TorchField.of(module, (1, 4, 4))  # the protocol holds, says the type checker
    x = torch.randn(5, 1, 4, 4)
    assert torch.equal(field.velocity(x, 0.3), module(x, torch.full((5,), 0.3)))
    assert field.dtype == torch.float32
    assert set(field.parameters) == {name for name, _ in module.named_parameters()}


def test_field_keeps_its_weights_when_the_module_learns_on() -> None:
    module = Small()
    field = TorchField.of(module, (1, 4, 4))
    x = torch.randn(2, 1, 4, 4)
    before = field.velocity(x, 0.5)
    with torch.no_grad():
        module.conv.weight.add_(1.0)
    assert torch.equal(field.velocity(x, 0.5), before)
    assert module.training  # the caller's module is left as it was
    assert not field.velocity(x, 0.5).requires_grad


def test_running_statistics_are_used_so_that_samples_do_not_see_each_other() -> None:
    x = torch.randn(6, 1, 4, 4)
    together = small_field().velocity(x, 0.2)
    alone = torch.cat([small_field().velocity(part, 0.2) for part in x.split(1)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_other_weights_change_velocity_and_samples() -> None:
    field, other = small_field(0), small_field(1)
    x = torch.randn(2, 1, 4, 4)
    swapped = field.with_parameters(other.parameters)
    assert torch.equal(swapped.velocity(x, 0.1), other.velocity(x, 0.1))
    assert not torch.equal(sample(swapped, x, 3).end, sample(field, x, 3).end)
    one = field.with_parameters({"last.bias": torch.ones(1)})
    assert torch.equal(one.parameters["conv.weight"], field.parameters["conv.weight"])
    assert torch.equal(sample(field.with_parameters({}), x, 3).end, sample(field, x, 3).end)


def test_derivatives_in_x_and_in_the_weights() -> None:
    field = linear_field(2.0, 3.0)
    x = torch.randn(4, 2, dtype=torch.float64)
    tangent = torch.randn(4, 2, dtype=torch.float64)
    along_x = torch.func.jvp(lambda y: field.velocity(y, 0.5), (x,), (tangent,))[1]
    assert torch.allclose(along_x, 2.0 * tangent)
    along_b = torch.func.jvp(
        lambda b: field.with_parameters({"b": b}).velocity(x, 0.5),
        (field.parameters["b"],),
        (torch.ones((), dtype=torch.float64),),
    )[1]
    assert torch.allclose(along_b, torch.full_like(x, 0.5))
    pull = torch.func.vjp(lambda y: sample(field, y, 5, "euler").end, x)[1]
    assert torch.allclose(pull(tangent)[0], (1.0 + 2.0 / 5) ** 5 * tangent)


def test_condition_goes_with_its_sample() -> None:
    labels = torch.arange(6, dtype=torch.float64)[:, None].expand(6, 2)
    field = TorchField.of(Linear(0.0), (2,), (labels,))
    x = torch.zeros(6, 2, dtype=torch.float64)
    assert torch.equal(field.velocity(x, 0.5), labels)
    assert torch.equal(field.velocity(x[:2], 0.5), labels[:2])
    assert torch.equal(field.select(torch.tensor([5, 1])).velocity(x[:2], 0.5), labels[[5, 1]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: linear_field(1.0).velocity(torch.zeros(3, 5), 0.0), r"shape \(3, 5\)"),
        (lambda: TorchField.of(nn.Identity(), (2,)), "no weights"),
        (lambda: TorchField.of(Linear(1.0), (2,), (torch.zeros(3), torch.zeros(2))), r"\[3, 2\] rows"),
        (
            lambda: TorchField.of(Linear(1.0), (2,), (torch.zeros(3, 2),)).velocity(torch.zeros(4, 2), 0.0),
            "condition has 3 rows",
        ),
        (lambda: linear_field(1.0).with_parameters({"c": torch.ones(())}), "'c'"),
        (lambda: linear_field(1.0).with_parameters({"a": torch.ones(2)}), r"\(2,\) in place of \(\)"),
        (lambda: TorchField.of(_Wrong(), (2,)).velocity(torch.zeros(3, 2), 0.0), r"answers \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused(make: object, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        make()  # pyright: ignore[reportCallIssue]


class _Wrong(nn.Linear):
    def __init__(self) -> None:
        super().__init__(2, 1)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().forward(x)[:, 0]
