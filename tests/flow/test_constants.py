"""Products with Jacobians, norms and logarithmic norms of networks, against autograd's whole Jacobians."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, jvp, vjp

from fmq_theory.flow import TorchField
from fmq_theory.flow.constants import (
    dense_jacobian,
    logarithmic_norm,
    spectral_norm,
    theta_lipschitz_hat,
)
from fmq_theory.flow.differentiation import joint_products, products
from tests.flow.linear_fields import small_field
from tests.flow.random_fields import Draw


class Conditional(nn.Module):
    """Each sample has a field of its own; wrong rows of the condition would be seen."""

    def forward(self, x: Tensor, t: Tensor, scale: Tensor) -> Tensor:
        return scale[:, None] * torch.tanh(self.layer(x)) * (1.0 + t[:, None])

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3).double()


class Attention(nn.Module):
    """Fused attention, which torch cannot differentiate twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        del t
        y = self.layer(x)[:, None]
        return nn.functional.scaled_dot_product_attention(y, y, y)[:, 0]


def conditional_field() -> TorchField:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Conditional()
    return TorchField.of(module, (3,), (torch.tensor([0.5, 2.0, -1.0, 3.0], dtype=torch.float64),))


def whole_jacobian(field: TorchField, x: Tensor, t: float) -> Tensor:
    """Row by row from autograd, ``[batch, d, d]``."""
    rows = []
    for i in range(len(x)):
        one = field.select(torch.tensor([i]))
        full = torch.func.jacrev(lambda point, one=one: one.velocity(point, t))(x[i : i + 1])
        rows.append(full.reshape(x[0].numel(), x[0].numel()))
    return torch.stack(rows)


def test_products_are_those_of_forward_and_reverse_mode() -> None:
    field = small_field()
    draw = Draw(0)
    x, v = draw.normal(3, 1, 4, 4).float(), draw.normal(3, 1, 4, 4).float()

    def velocity(z: Tensor) -> Tensor:
        return field.velocity(z, 0.4)

    at = products(velocity, x)
    torch.testing.assert_close(at.value, velocity(x))
    torch.testing.assert_close(at.forward(v), jvp(velocity, (x,), (v,))[1])
    torch.testing.assert_close(at.backward(v), vjp(velocity, x)[1](v)[0])
    assert (at.forward(v) - at.backward(v)).abs().max() > 1e-3  # control: J is not symmetric here


def test_products_of_functions_without_a_derivative() -> None:
    x = torch.ones(2, 3)
    at = products(lambda z: torch.zeros_like(z), x)
    assert not at.forward(x).any()
    assert not at.backward(x).any()
    both = joint_products(lambda parts: parts[0] * 2.0, [x, x])
    torch.testing.assert_close(both.forward([x, None]), 2.0 * x)
    torch.testing.assert_close(both.forward([x, x]), 2.0 * x)


def test_fused_attention_can_be_used() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        field = TorchField.of(Attention(), (4,))
    x = Draw(1).normal(5, 4).float()
    at = products(lambda z: field.velocity(z, 0.0), x)
    expected = whole_jacobian(field, x, 0.0)
    torch.testing.assert_close(at.forward(x), torch.einsum("bij,bj->bi", expected, x))


@pytest.mark.parametrize("field", [small_field(), conditional_field()])
def test_dense_jacobian(field: TorchField) -> None:
    x = Draw(2).normal(4, *field.sample_shape).to(field.dtype)
    expected = whole_jacobian(field, x, 0.3).double()
    torch.testing.assert_close(dense_jacobian(field, x, 0.3), expected, rtol=1e-5, atol=1e-6)


def test_norms_by_products_are_those_of_whole_jacobians() -> None:
    field = small_field()
    draw = Draw(3)
    x = draw.normal(4, 1, 4, 4).float()
    jacobian = whole_jacobian(field, x, 0.3).double()
    at = products(lambda z: field.velocity(z, 0.3), x)
    norm = spectral_norm(at, x, 16, draw.generator)
    torch.testing.assert_close(norm.value, torch.linalg.matrix_norm(jacobian, 2), rtol=1e-4, atol=1e-5)
    rate = logarithmic_norm(at, x, 16, draw.generator)
    expected = torch.linalg.eigvalsh(0.5 * (jacobian + jacobian.mT))[:, -1]
    torch.testing.assert_close(rate.value, expected, rtol=1e-4, atol=1e-5)
    assert bool((rate.value < norm.value - 1e-4).all())  # control: they are two constants

    few = spectral_norm(at, x, 2, draw.generator)
    assert bool((few.value <= norm.value * (1 + 1e-5)).all())
    nearest = (torch.linalg.svdvals(jacobian) - few.value[:, None]).abs().amin(1)
    assert bool((nearest <= few.residual + 1e-5).all())


def test_probable_upper_bounds_hold() -> None:
    field = small_field()
    draw = Draw(4)
    x = draw.normal(50, 1, 4, 4).float()
    exact = torch.linalg.matrix_norm(dense_jacobian(field, x, 0.3), 2)
    at = products(lambda z: field.velocity(z, 0.3), x)
    found = spectral_norm(at, x, 9, draw.generator)
    assert bool((found.upper >= exact * (1 - 1e-5)).all())
    assert bool((found.upper > found.value).all())


@pytest.mark.parametrize("names", [["layer.weight"], ["layer.weight", "layer.bias"]])
def test_theta_lipschitz(names: list[str]) -> None:
    field = conditional_field()
    draw = Draw(5)
    x = draw.normal(4, 3)
    found = theta_lipschitz_hat(field, x, 0.7, names, 3, generator=draw.generator)
    for i in range(4):
        one = field.select(torch.tensor([i]))
        chosen = {name: field.parameters[name] for name in names}

        def velocity(theta, one=one, i=i):
            return functional_call(
                one.module, {**one.parameters, **theta}, (x[i : i + 1], torch.tensor([0.7]), *one.condition)
            )

        parts = jacrev(velocity)(chosen)
        matrix = torch.cat([parts[name].reshape(3, -1) for name in names], dim=1)
        assert float(found.value[i]) == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)), rel=1e-5)
