"""The three factors of a step: against autograd, against each other, and over whole segments."""

import math

import pytest
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from fmq_theory.errors import FlowError
from fmq_theory.flow import SAMPLERS, Sampler
from fmq_theory.flow.step_growth import Effort, route_of, stage_of, step_growth
from tests.flow.linear_fields import small_field
from tests.flow.random_fields import SAMPLERS as NAMES
from tests.flow.random_fields import Draw, mixture


def step_jacobians(field, sampler: Sampler, x: Tensor, t: float, h: float) -> Tensor:
    def step(point: Tensor) -> Tensor:
        return sampler.step(field.velocity, point[None], t, h)[0].flatten()

    return vmap(jacrev(step))(x).reshape(len(x), x[0].numel(), x[0].numel())


def growth(field, sampler: str, ends: tuple[Tensor, Tensor], effort: Effort, t: float = 0.5, h: float = 0.1):
    return step_growth(field, SAMPLERS[sampler], ends, t, h, effort, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sampler", NAMES)
def test_on_a_point_the_factor_is_the_norm_of_the_step(sampler: str) -> None:
    """No segment: g4 is ||D Psi||, from stages here and from autograd through the sampler there."""
    draw = Draw(1)
    field, x = mixture(draw, 3, 3), draw.normal(5, 3)
    found = growth(field, sampler, (x, x), Effort(pieces=1))
    exact = torch.linalg.matrix_norm(step_jacobians(field, SAMPLERS[sampler], x, 0.5, 0.1), 2)
    torch.testing.assert_close(found.factors["g4"], exact, rtol=1e-9, atol=0)


@pytest.mark.deep
@pytest.mark.parametrize("sampler", NAMES)
@pytest.mark.parametrize("reach", [0.01, 0.3, 2.0])
def test_proven_factors_bound_the_step_on_the_whole_segment(sampler: str, reach: float) -> None:
    draw = Draw(2)
    field, x = mixture(draw, 3, 2), draw.normal(6, 2)
    y = x + reach * draw.normal(6, 2)
    found = growth(field, sampler, (x, y), Effort(pieces=2))
    worst = torch.zeros(6, dtype=torch.float64)
    for share in torch.linspace(0.0, 1.0, 41):
        inside = step_jacobians(field, SAMPLERS[sampler], x + share * (y - x), 0.5, 0.1)
        worst = torch.maximum(worst, torch.linalg.matrix_norm(inside, 2))
    g1, g2, g4 = (found.factors[name] for name in ("g1", "g2", "g4"))
    assert bool((worst <= g4 * (1 + 1e-9)).all())
    assert bool((g4 <= g2).all())
    assert bool((g2 <= g1).all())
    if reach == 2.0:  # control: one end is not the segment
        at_one_end = growth(field, sampler, (x, x), Effort(pieces=1)).factors["g4"]
        assert bool((worst > at_one_end + 1e-3).any())


def test_more_pieces_are_sharper() -> None:
    draw = Draw(3)
    field, x = mixture(draw, 3, 2), draw.normal(6, 2)
    y = x + draw.normal(6, 2)
    coarse, fine = (growth(field, "heun", (x, y), Effort(pieces=p)).factors["g4"] for p in (1, 32))
    assert float(fine.mean()) < float(coarse.mean())


@pytest.mark.deep
@pytest.mark.parametrize("sampler", NAMES)
def test_products_and_whole_jacobians_agree(sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same small network by both routes."""
    field = small_field()
    draw = Draw(4)
    x = draw.normal(4, 1, 4, 4).float()
    y = x + 0.1 * draw.normal(4, 1, 4, 4).float()
    effort = Effort(pieces=2, iterations=16, rows=3)
    whole = growth(field, sampler, (x, y), effort)
    assert route_of(field) == "dense"
    monkeypatch.setattr("fmq_theory.flow.step_growth.DENSE_LIMIT", 1)
    assert route_of(field) == "krylov"
    by_products = growth(field, sampler, (x, y), effort)
    for rung in ("g1", "g2", "g4"):
        torch.testing.assert_close(by_products.factors[rung], whole.factors[rung], rtol=1e-4, atol=0)
    torch.testing.assert_close(by_products.lipschitz, whole.lipschitz, rtol=1e-4, atol=0)
    torch.testing.assert_close(by_products.log_norm, whole.log_norm, rtol=1e-3, atol=1e-4)


def test_the_logarithmic_norm_alone_bounds_no_step() -> None:
    """A quarter turn has mu_2 = 0; an Euler step stretches by sqrt(1 + h^2), which 1 + h mu_2 = 1 misses."""
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    h = 0.25
    stretched = torch.linalg.matrix_norm(torch.eye(2, dtype=torch.float64) + h * turn, 2)
    assert float(stretched) == pytest.approx(math.sqrt(1 + h * h))
    assert float(stretched) > 1.0 + h * float(torch.linalg.eigvalsh(turn + turn.mT)[-1])


def test_bad_efforts_and_samplers_are_refused() -> None:
    with pytest.raises(FlowError, match="below 1"):
        Effort(pieces=0)
    with pytest.raises(FlowError, match="'rk4'"):
        stage_of(Sampler("rk4", 4, 4, SAMPLERS["euler"].step))
