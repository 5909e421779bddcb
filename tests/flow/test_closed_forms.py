"""Gaussian and mixture fields: against conditional expectations, autograd, solvers, and draws from balls."""

import math
from collections.abc import Iterator
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.func import jacrev, vmap

from fmq_theory.errors import FlowError, SourceError
from fmq_theory.flow import adaptive_reference, quantize_field, sample
from fmq_theory.flow.closed_forms import CertifiedField, GaussianField, MixtureField
from fmq_theory.flow.linear_algebra import eigenvalues, spectral_norms
from tests.flow.linear_fields import linear_field
from tests.flow.random_fields import Draw, mixture, moved, one_thread

TIMES = (0.0, 0.3, 0.8, 1.0)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def gaussian(draw: Draw, dimension: int, floor: float = 0.05) -> GaussianField:
    return GaussianField(draw.normal(dimension), 0.7 * draw.normal(dimension, dimension), floor)


def autograd_jacobian(field, x: Tensor, t: float) -> Tensor:
    return vmap(jacrev(lambda point: field.velocity(point[None], t)[0]))(x)


# --- the velocity ---------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.2, 0.5, 0.9])
def test_mixture_is_the_conditional_expectation(t: float) -> None:
    """E[data - noise | x_t = x] by summing over a grid of data: in one dimension, no algebra shared."""
    draw = Draw(3)
    field = mixture(draw, 3, 1, floor=0.1)
    weights = torch.softmax(field.logits, 0)
    variance = field.covariances[:, 0, 0]
    data = torch.linspace(-15.0, 15.0, 60_001, dtype=torch.float64)
    density = (
        weights[:, None]
        * torch.exp(-((data - field.means) ** 2) / (2 * variance[:, None]))
        / variance[:, None].sqrt()
    ).sum(0)
    for x in (-1.5, 0.0, 0.4, 2.0):
        noise = (x - t * data) / (1 - t)
        mass = density * torch.exp(-(noise**2) / 2)
        expected = float((mass * (data - noise)).sum() / mass.sum())
        assert float(field.velocity(torch.tensor([[x]], dtype=torch.float64), t)) == pytest.approx(
            expected, rel=1e-9, abs=1e-9
        )


def test_gaussian_is_a_mixture_of_one() -> None:
    draw = Draw(0)
    field = gaussian(draw, 4)
    x = draw.normal(5, 4)
    for t in TIMES:
        torch.testing.assert_close(field.velocity(x, t), field.as_mixture().velocity(x, t))
        torch.testing.assert_close(field.jacobian(x, t), field.as_mixture().jacobian(x, t))


@pytest.mark.parametrize(("components", "dimension"), [(1, 1), (2, 3), (4, 5)])
@pytest.mark.parametrize("t", TIMES)
def test_jacobian_is_that_of_autograd_and_symmetric(components: int, dimension: int, t: float) -> None:
    draw = Draw(components)
    field, x = mixture(draw, components, dimension), draw.normal(6, dimension)
    expected = autograd_jacobian(field, x, t)
    torch.testing.assert_close(field.jacobian(x, t), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(expected, expected.mT, rtol=1e-9, atol=1e-9)
    if 0.0 < t < 1.0 and components > 1:
        # Control: without the covariance of the responsibilities it is another matrix.
        parts = field.components(x, t)
        without = torch.einsum("bk,kij->bij", parts.responsibility, parts.slope)
        assert (without - expected).abs().max() > 1e-3


def test_samples_of_the_flow_have_the_target_moments() -> None:
    draw = Draw(11)
    field = gaussian(draw, 2)
    end = field.flow(draw.normal(200_000, 2), 1.0)
    torch.testing.assert_close(end.mean(0), field.mean, rtol=0, atol=0.02)
    torch.testing.assert_close(torch.cov(end.T), field.covariance, rtol=0.02, atol=0.02)


# --- the flow of a Gaussian -----------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 3])
def test_gaussian_flow_is_what_dopri5_finds(dimension: int) -> None:
    draw = Draw(dimension)
    field, noise = gaussian(draw, dimension), draw.normal(4, dimension)
    reference = adaptive_reference(field, noise, rtol=1e-10, atol=1e-10).end
    torch.testing.assert_close(field.flow(noise, 1.0), reference, rtol=1e-7, atol=1e-7)
    wrong = field.flow(noise, 1.0) - field.mean  # control
    assert (wrong - reference).abs().max() > 1e-3


def test_gaussian_flow_solves_its_equation() -> None:
    draw = Draw(5)
    field, noise = gaussian(draw, 3), draw.normal(4, 3)
    for t in (0.1, 0.5, 0.95):
        h = 1e-5
        slope = (field.flow(noise, t + h) - field.flow(noise, t - h)) / (2 * h)
        torch.testing.assert_close(slope, field.velocity(field.flow(noise, t), t), rtol=1e-6, atol=1e-6)


def test_exact_sample_error_is_the_limit_of_sampled_ones() -> None:
    """Heun's sampled error tends to it with order 2."""
    draw = Draw(8)
    field, noise = gaussian(draw, 3), draw.normal(6, 3)
    other = moved(draw, field, 0.1)
    exact = other.flow(noise, 1.0) - field.flow(noise, 1.0)
    gaps = []
    for steps in (16, 32, 64, 128):
        sampled = sample(other, noise, steps, "heun").end - sample(field, noise, steps, "heun").end
        gaps.append(math.log(float((sampled - exact).norm())))
    order = (gaps[0] - gaps[-1]) / math.log(8)
    assert 1.8 < order < 2.3


# --- constants ------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", TIMES)
def test_gaussian_constants_are_those_of_its_jacobian(t: float) -> None:
    draw = Draw(2)
    field = gaussian(draw, 4)
    jacobian = autograd_jacobian(field, draw.normal(3, 4), t)
    assert field.lipschitz(t) == pytest.approx(float(spectral_norms(jacobian).max()), rel=1e-10)
    assert field.logarithmic_norm(t) == pytest.approx(float(eigenvalues(jacobian)[:, -1].max()), rel=1e-10)


def test_a_narrow_gaussian_contracts_early() -> None:
    field = GaussianField.of(torch.zeros(2), 0.2 * torch.eye(2))
    assert field.logarithmic_norm(0.0) == pytest.approx(-1.0)
    assert field.logarithmic_norm(1.0) == pytest.approx(1.0)
    assert field.lipschitz(0.4) > abs(field.logarithmic_norm(0.0)) > 0


def _points_in_balls(draw: Draw, center: Tensor, radius: Tensor, count: int) -> Tensor:
    """``[batch * count, d]``, some of them on the spheres."""
    batch, dimension = center.shape
    direction = draw.normal(batch, count, dimension)
    direction = direction / direction.norm(dim=2, keepdim=True)
    share = torch.rand(batch, count, 1, generator=draw.generator, dtype=torch.float64) ** (1 / dimension)
    share[:, ::3] = 1.0
    return (center[:, None] + radius[:, None, None] * share * direction).reshape(-1, dimension)


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.floats(0.0, 1.0), st.floats(1e-3, 2.0))
def test_bounds_hold_over_the_ball(
    seed: int, components: int, dimension: int, t: float, radius: float
) -> None:
    draw = Draw(seed)
    field = mixture(draw, components, dimension, floor=0.1, spread=draw.one_of((0.3, 1.0, 3.0)))
    center, reach = draw.normal(2, dimension), torch.full((2,), radius, dtype=torch.float64)
    ball = field.jacobian_ball(center, reach, t)
    inside = field.jacobian(_points_in_balls(draw, center, reach, 60), t)
    inside = inside.reshape(2, 60, dimension, dimension)
    tiny = 1e-9 * (1.0 + ball.norm)
    assert bool((spectral_norms(inside).amax(1) <= ball.norm + tiny).all())
    assert bool((eigenvalues(inside)[..., -1].amax(1) <= ball.log_norm + tiny).all())
    assert bool((spectral_norms(inside - ball.jacobian[:, None]).amax(1) <= ball.variation + tiny).all())


def test_bounds_of_a_small_ball_are_sharp() -> None:
    draw = Draw(4)
    field, center = mixture(draw, 3, 3), draw.normal(5, 3)
    ball = field.jacobian_ball(center, torch.full((5,), 1e-6, dtype=torch.float64), 0.7)
    torch.testing.assert_close(ball.norm, spectral_norms(field.jacobian(center, 0.7)), rtol=1e-3, atol=0)
    torch.testing.assert_close(
        ball.log_norm, eigenvalues(field.jacobian(center, 0.7))[:, -1], rtol=1e-3, atol=0
    )


def test_control_the_center_alone_does_not_bound_the_ball() -> None:
    draw = Draw(4)
    field, center = mixture(draw, 3, 2), draw.normal(8, 2)
    at_center = field.jacobian_ball(center, torch.zeros(8, dtype=torch.float64), 0.7)
    radius = torch.full((8,), 0.5, dtype=torch.float64)
    inside = field.jacobian(_points_in_balls(draw, center, radius, 60), 0.7).reshape(8, 60, 2, 2)
    assert bool((eigenvalues(inside)[..., -1].amax(1) > at_center.log_norm + 1e-6).any())


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.floats(0.0, 1.0))
def test_theta_lipschitz_bounds_the_change(seed: int, components: int, dimension: int, t: float) -> None:
    draw = Draw(seed)
    field = mixture(draw, components, dimension, floor=0.1)
    other = moved(draw, field, 10.0 ** (-3.0 * draw.uniform()))
    x = 2.0 * draw.normal(8, dimension)
    distance = math.sqrt(
        sum(float((other.parameters[name] - own).square().sum()) for name, own in field.parameters.items())
    )
    change = (other.velocity(x, t) - field.velocity(x, t)).norm(dim=1)
    assert bool((change <= field.theta_lipschitz(other, x, t) * distance * (1 + 1e-9) + 1e-11).all())


def test_theta_lipschitz_of_a_mean_is_reached() -> None:
    """Spherical Gaussian, another mean: |dv| = (1 - t)/c |dm|, so a smaller constant fails (control)."""
    field = GaussianField.of(torch.zeros(3), 0.4 * torch.eye(3))
    shift = torch.tensor([0.1, 0.2, -0.1], dtype=torch.float64)
    other = field.with_parameters({"mean": field.mean + shift})
    x, t = Draw(1).normal(4, 3), 0.6
    constant = field.theta_lipschitz(other, x, t)
    change = (other.velocity(x, t) - field.velocity(x, t)).norm(dim=1)
    torch.testing.assert_close(change, constant * shift.norm(), rtol=1e-2, atol=0)
    assert bool((change > 0.95 * constant * shift.norm()).all())


# --- a field like others --------------------------------------------------------------------------


def test_weights_can_be_quantized() -> None:
    field = mixture(Draw(9), 4, 3)
    found = quantize_field(field, "uniform", 2, "tensor", include=lambda name, weights: True)
    assert isinstance(found.field, MixtureField)
    assert set(found.weight_error) == {"logits", "means", "factors"}
    assert float(eigenvalues(found.field.covariances).min()) >= field.floor * (1 - 1e-9)


def test_certified_fields_are_told_from_others() -> None:
    assert isinstance(gaussian(Draw(0), 2), CertifiedField)
    assert isinstance(mixture(Draw(0), 2, 2), CertifiedField)
    assert not isinstance(linear_field(1.0), CertifiedField)


def test_covariance_is_kept() -> None:
    covariance = torch.tensor([[1.0, 0.3], [0.3, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(GaussianField.of(torch.zeros(2), covariance).covariance, covariance)


@pytest.mark.parametrize(
    "make",
    [
        partial(GaussianField.of, torch.zeros(2), torch.zeros(2, 2)),
        partial(GaussianField.of, torch.zeros(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]])),
        partial(GaussianField, torch.zeros(2), torch.zeros(3, 3), 0.1),
        partial(GaussianField, torch.zeros(2), torch.zeros(2, 2), 0.0),
        partial(MixtureField, torch.zeros(2), torch.zeros(3, 2), torch.zeros(3, 2, 2), 0.1),
        partial(MixtureField, torch.zeros(3), torch.zeros(3, 2), torch.zeros(3, 2, 2), -1.0),
        partial(MixtureField.of, torch.tensor([0.0, 1.0]), torch.zeros(2, 1), torch.ones(2, 1, 1)),
    ],
)
def test_bad_laws_are_refused(make) -> None:
    with pytest.raises(SourceError):
        make()


def test_bad_weights_are_refused() -> None:
    field = gaussian(Draw(0), 2)
    with pytest.raises(FlowError, match="'means'"):
        field.with_parameters({"means": torch.zeros(2)})
    with pytest.raises(FlowError, match="keep the shape"):
        field.with_parameters({"mean": torch.zeros(3)})
