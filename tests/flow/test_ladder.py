"""No rung is broken on closed forms; what must break, breaks; orders and sharpness are measured."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from fmq_theory.errors import FlowError
from fmq_theory.flow import TorchField, quantize_field, sample
from fmq_theory.flow.closed_forms import GaussianField
from fmq_theory.flow.ladder import Effort, changed_weights, ladder
from fmq_theory.flow.ladder_result import ASSUMPTIONS, BOUNDS, Ladder
from fmq_theory.flow.layers import layer_shares
from fmq_theory.flow.samplers import SAMPLERS
from fmq_theory.flow.step_growth import step_growth
from tests.flow.linear_fields import small_field
from tests.flow.random_fields import Draw, Trial, mixture, moved, one_thread, trial


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


class Riccati(nn.Module):
    """v = a (1 + x^2)."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([a], dtype=torch.float64))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        del t
        return self.a * (1.0 + x * x)


class Turn(nn.Module):
    """v = a times a quarter turn of x."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([a], dtype=torch.float64))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        del t
        return self.a * torch.stack([-x[:, 1], x[:, 0]], dim=1)


class Cliff(nn.Module):
    """v = a (1 + 0.9 tanh 200 (x - 1/4)): flat but for a cliff that three points of a segment can miss."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([a], dtype=torch.float64))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        del t
        return self.a * (1.0 + 0.9 * torch.tanh(200.0 * (x - 0.25)))


def with_weight(field: TorchField, a: float) -> TorchField:
    return field.with_parameters({"a": torch.tensor([a], dtype=torch.float64)})


# --- closed forms ---------------------------------------------------------------------------------


def check(case: Trial) -> Ladder:
    found = ladder(case.field, case.quantized, case.noise, case.steps, case.sampler, Effort(pieces=2))
    assert found.broken() == (), case.what
    assert all(found.understated(rung) == 0 for rung in ("g1", "g2", "g4")), case.what
    assert found.certified
    slack = found.rounding
    assert bool((found.bounds["secant"] <= found.bounds["g4"] + slack).all())
    assert bool((found.bounds["g4"] <= found.bounds["g2"] * (1 + 1e-12)).all())
    assert bool((found.bounds["g2"] <= found.bounds["g1"] * (1 + 1e-12)).all())
    assert bool((found.bounds["g1"] <= found.bounds["g0"] * (1 + 1e-9) + slack).all())
    return found


def test_no_rung_is_broken() -> None:
    tightness = [float(check(trial(seed)).tightness("g4")[-1].nanmedian()) for seed in range(8)]
    # They are bounds that say something: half of them within a factor 3.
    assert sorted(tightness)[len(tightness) // 2] < 3.0


@pytest.mark.deep
def test_no_rung_is_broken_in_a_thousand_trials() -> None:
    for seed in range(1000, 2000):
        check(trial(seed))


def test_g0_is_lemma_1_with_its_constants() -> None:
    """Spherical Gaussians: L = max |a(t, s)| over the stages, and L_theta |dtheta| (e^L - 1)/L."""
    field = GaussianField.of(torch.zeros(2), 0.5 * torch.eye(2))
    other = field.with_parameters({"mean": field.mean + 0.1})
    found = ladder(field, other, Draw(0).normal(3, 2), 8, "euler")
    rate = max(other.lipschitz(n / 8) for n in range(8))
    noise = sample(field, Draw(0).normal(3, 2), 8, "euler").states
    theta = max(float(field.theta_lipschitz(other, noise[n], n / 8).max()) for n in range(8))
    expected = theta * 0.1 * math.sqrt(2) * math.expm1(rate) / rate
    torch.testing.assert_close(found.bounds["g0"][-1], torch.full((3,), expected, dtype=torch.float64))
    assert found.weight_change == pytest.approx(0.1 * math.sqrt(2))


def test_error_is_that_of_the_two_runs_and_secant_is_exact_in_one_dimension() -> None:
    """On a line all terms of one sign add up without loss."""
    field = GaussianField.of(torch.zeros(1), 0.5 * torch.eye(1))
    other = field.with_parameters({"mean": field.mean + 0.3})
    noise = Draw(1).normal(5, 1)
    found = ladder(field, other, noise, 10, "heun")
    gap = sample(other, noise, 10, "heun").end - sample(field, noise, 10, "heun").end
    torch.testing.assert_close(found.error[-1], gap.abs().flatten())
    torch.testing.assert_close(found.bounds["secant"], found.error, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.bounds["g4"], found.error, rtol=1e-9, atol=1e-12)


def contracting(seed: int) -> tuple[GaussianField, GaussianField, Tensor]:
    """Targets narrower than the noise in every direction, eigenvalues in [0.1, 0.9], changed weights."""
    draw = Draw(seed)
    dimension = draw.one_of((1, 2, 3, 4, 5, 6))
    basis = torch.linalg.qr(draw.normal(dimension, dimension))[0]
    values = torch.tensor([0.1 + 0.8 * draw.uniform() for _ in range(dimension)], dtype=torch.float64)
    covariance = basis @ torch.diag(values) @ basis.mT
    field = GaussianField.of(draw.normal(dimension), 0.5 * (covariance + covariance.mT), floor=0.02)
    bits = draw.one_of((3, 4, 6))
    quantized = quantize_field(field, "uniform", bits, "tensor", include=lambda name, weights: True)
    other = quantized.field if quantized.weight_error_norm > 1e-9 and seed % 2 else moved(draw, field, 0.03)
    return field, other, draw.normal(64, dimension)


def check_contracting(seed: int) -> None:
    """g2 against the exact error of the two flows, not of their samplers."""
    field, other, noise = contracting(seed)
    found = ladder(field, other, noise, 32, "heun", Effort(pieces=1))
    exact = (other.flow(noise, 1.0) - field.flow(noise, 1.0)).norm(dim=1)
    ratio = rms(found.bounds["g2"][-1]) / rms(exact)
    assert 0.99 < ratio < 2.0
    assert rms(found.bounds["g1"][-1]) > rms(found.bounds["g2"][-1])


def test_g2_is_within_two_of_the_exact_error_where_the_field_contracts() -> None:
    for seed in range(6):
        check_contracting(seed)


@pytest.mark.deep
def test_g2_is_within_two_in_many_draws() -> None:
    for seed in range(100, 400):
        check_contracting(seed)


def test_g3_has_order_two() -> None:
    draw = Draw(5)
    field, noise = mixture(draw, 3, 3), draw.normal(16, 3)
    direction = {name: draw.normal(*tensor.shape) for name, tensor in field.parameters.items()}
    sizes = [2.0**-k for k in range(5, 11)]
    gaps, wrong = [], []
    for size in sizes:
        other = field.with_parameters(
            {name: tensor + size * direction[name] for name, tensor in field.parameters.items()}
        )
        found = ladder(field, other, noise, 8, "heun", Effort(pieces=1))
        gaps.append(rms(found.response_gap[-1]))
        path, hat = (sample(each, noise, 8, "heun").end for each in (field, other))
        # Control: with the wrong sign the gap is |e + y|, twice the error, of order one.
        wrong.append(float((2 * (hat - path)).norm(dim=1).square().mean().sqrt()) - gaps[-1])
    assert _slope(sizes, gaps) == pytest.approx(2.0, abs=0.1)
    assert _slope(sizes, wrong) == pytest.approx(1.0, abs=0.1)


def _slope(sizes: list[float], values: list[float]) -> float:
    x = torch.tensor(sizes, dtype=torch.float64).log()
    y = torch.tensor(values, dtype=torch.float64).log()
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


# --- what must break ------------------------------------------------------------------------------


def test_the_full_precision_path_alone_gives_no_bound() -> None:
    """v = 0, v_q = 1 + x^2 from 0: e_1 = tan 1. On the path x = 0 the Jacobian vanishes."""
    field = TorchField.of(Riccati(0.0), (1,))
    other = with_weight(field, 1.0)
    noise = torch.zeros(1, 1, dtype=torch.float64)
    found = ladder(field, other, noise, 64, "heun")
    assert float(found.error[-1]) == pytest.approx(math.tan(1.0), rel=1e-3)
    assert found.broken() == ()
    assert float(found.bounds["g1"][-1]) >= float(found.error[-1])
    # Control: the same recursion, the constants of the quantized field on one path.
    bound = 0.0
    for n in range(64):
        origin = torch.zeros(1, 1, dtype=torch.float64)
        growth = step_growth(
            other, SAMPLERS["heun"], (origin, origin), n / 64, 1 / 64, Effort(), torch.Generator()
        )
        bound = float(growth.factors["g1"]) * bound + float(found.local[n])
    # The second stage leaves the path by h, so it is not exactly 1.
    assert bound < 1.05 < float(found.error[-1])


def test_the_logarithmic_norm_alone_gives_no_bound_of_a_sampler() -> None:
    field = TorchField.of(Turn(3.0), (2,))
    found = ladder(
        field, with_weight(field, 3.01), torch.tensor([[1.0, 0.0]], dtype=torch.float64), 4, "euler"
    )
    assert found.broken() == ()
    torch.testing.assert_close(found.log_norm, torch.zeros(4, 1, dtype=torch.float64), rtol=0, atol=1e-12)
    bound = torch.zeros(1, dtype=torch.float64)
    for added, rate in zip(found.local, found.log_norm, strict=True):
        bound = (1.0 + 0.25 * rate) * bound + added
    assert float(bound) < 0.9 * float(found.error[-1])


def test_an_estimate_that_misses_a_cliff_is_reported_as_broken() -> None:
    field = TorchField.of(Cliff(0.0), (1,))
    other, noise = with_weight(field, 1.0), torch.full((2, 1), 0.2, dtype=torch.float64)
    noise[1] = 3.0
    poor = ladder(field, other, noise, 64, "euler", Effort(pieces=1))
    cases = [case for case in poor.broken() if case.rung == "g1"]
    assert cases
    assert {case.sample for case in cases} == {0}
    assert all(case.bound < case.measured for case in cases)
    assert poor.understated("g1") > 0
    assert poor.grade("g1") == "estimated"
    summary = poor.summary()
    assert summary["broken_count"]["g1"] == len(cases)
    assert summary["broken_count"]["secant"] == 0
    rich = ladder(field, other, noise, 64, "euler", Effort(pieces=100, rows=1000))
    assert rich.broken() == ()


def test_a_bound_below_the_error_is_found() -> None:
    case = trial(1)
    found = ladder(case.field, case.quantized, case.noise, case.steps, case.sampler)
    lowered = replace(found, bounds={**found.bounds, "g2": found.error * 0.999})
    broken = lowered.broken()
    assert {each.rung for each in broken} == {"g2"}
    assert len(broken) == int((found.error > 1e3 * found.rounding).sum())
    weaker = {**found.amplification, "g4": found.amplification["secant"] * 0.99}
    assert replace(found, amplification=weaker).understated("g4") > 0


def test_tightness_is_below_one_where_a_rung_is_broken_and_nowhere_else() -> None:
    case = trial(1)
    found = ladder(case.field, case.quantized, case.noise, case.steps, case.sampler)
    known = found.error > 100.0 * found.rounding
    for lowered, expected in (
        (found.error - 0.5 * found.rounding, 1.0),  # rounding explains it
        (found.error * 0.9, 0.9),
    ):
        changed = replace(found, bounds={**found.bounds, "g4": lowered})
        assert bool(changed.broken()) == (expected < 1.0)
        torch.testing.assert_close(
            changed.tightness("g4")[known], torch.full_like(found.error[known], expected), rtol=0.02, atol=0.0
        )
        assert bool((changed.tightness("g4")[known] < 1.0).any()) == bool(changed.broken())


# --- networks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["euler", "midpoint", "heun"])
def test_a_network_by_whole_jacobians(sampler: str) -> None:
    field = small_field()
    other = quantize_field(field, "uniform", 3).field
    noise = Draw(0).normal(6, 1, 4, 4).float()
    found = ladder(field, other, noise, 6, sampler)
    assert not found.certified
    assert found.broken() == ()
    assert float(found.residual) == 0.0
    in_blocks = ladder(field, other, noise, 6, sampler, Effort(rows=4))
    for rung in BOUNDS:
        torch.testing.assert_close(in_blocks.bounds[rung], found.bounds[rung], rtol=1e-4, atol=0)
    torch.testing.assert_close(in_blocks.response, found.response, rtol=1e-4, atol=1e-7)


def test_a_network_by_products(monkeypatch: pytest.MonkeyPatch) -> None:
    field = small_field()
    other = quantize_field(field, "uniform", 3).field
    noise = Draw(0).normal(6, 1, 4, 4).float()
    whole = ladder(field, other, noise, 4)
    monkeypatch.setattr("fmq_theory.flow.step_growth.DENSE_LIMIT", 1)
    found = ladder(field, other, noise, 4, effort=Effort(iterations=16))
    assert found.broken() == ()
    torch.testing.assert_close(found.bounds["g4"], whole.bounds["g4"], rtol=1e-3, atol=0)


def test_summary_is_json_and_says_what_each_rung_rests_on() -> None:
    case = trial(3)
    summary = ladder(case.field, case.quantized, case.noise, case.steps, case.sampler).summary()
    again = json.loads(json.dumps(summary, allow_nan=False))
    assert set(again["bounds"]) == {"g0", "g1", "g2", "g3", "g4", "secant"}
    assert again["grade"]["g3"] == "first order"
    assert again["grade"]["g0"] == "certified"
    assert again["assumptions"] == ASSUMPTIONS
    assert again["bounds"]["g4"] <= again["bounds"]["g1"] <= again["bounds"]["g0"]


# --- cost -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Counting:
    """A field that counts the rows of its evaluations."""

    inner: TorchField
    rows: list[int]

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return self.inner.sample_shape

    @property
    def dtype(self) -> torch.dtype:
        return self.inner.dtype

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        return self.inner.parameters

    def velocity(self, x: Tensor, t: float) -> Tensor:
        self.rows.append(len(x))
        return self.inner.velocity(x, t)

    def with_parameters(self, parameters: Mapping[str, Tensor]) -> "Counting":
        return Counting(self.inner.with_parameters(parameters), self.rows)

    def select(self, index: Tensor) -> "Counting":
        return Counting(self.inner.select(index), self.rows)


@pytest.mark.parametrize("limit", [1, 64])
def test_work_is_linear_in_steps_and_batch(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmq_theory.flow.step_growth.DENSE_LIMIT", limit)
    field = small_field()
    other = quantize_field(field, "uniform", 3).field
    noise = Draw(0).normal(8, 1, 4, 4).float()

    def work(steps: int, batch: int) -> int:
        rows: list[int] = []
        effort = Effort(theta_times=1, theta_samples=1)
        ladder(Counting(field, rows), Counting(other, rows), noise[:batch], steps, effort=effort)
        return sum(rows)

    base = work(4, 4)
    assert work(8, 4) / base == pytest.approx(2.0, abs=0.05)
    assert work(4, 8) / base == pytest.approx(2.0, abs=0.05)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [small_field(), GaussianField.of(torch.zeros(16), torch.eye(16))])
def test_nothing_changed(field) -> None:
    """A lossless quantizer: every rung is 0 and no tightness is known."""
    found = ladder(field, field, Draw(0).normal(2, *field.sample_shape), 2)
    assert found.broken() == ()
    assert not any(bool(bound.any()) for bound in found.bounds.values())
    assert set(found.summary()["tightness"].values()) == {None}
    assert layer_shares(field, field, torch.zeros(1, *field.sample_shape), 2) == ()


def test_other_names() -> None:
    with pytest.raises(FlowError, match="weights of one alone"):
        changed_weights(small_field(), TorchField.of(Turn(1.0), (2,)))


def test_nan_velocities_name_the_step() -> None:
    field = TorchField.of(Turn(1.0), (2,))
    with pytest.raises(FlowError, match="step 1 of 3"):
        ladder(field, with_weight(field, math.nan), torch.ones(1, 2, dtype=torch.float64), 3)
