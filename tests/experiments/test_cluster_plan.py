"""The plan of a large audit: the line through two slices is the line that made them, and the plan adds up."""

from pathlib import Path

import pytest
from safetensors import safe_open

from experiments.benchmark.growth import fitted_exponent, steepest_step
from experiments.cluster.measure import Spent, median_row
from experiments.cluster.plan import Checkpoint, CostModel
from experiments.cluster.slices import Slice

LAYERS, SMALL = Slice(4, (512, 3072)), Slice(0, (8, 64), 100)


def spent(what: Slice, per_weight: float, per_tensor: float, peak: int = 0) -> Spent:
    return Spent(0.0, 0.0, per_weight * what.weights + per_tensor * what.tensors, 0.0, peak)


def made(per_weight: float = 7e-7, per_tensor: float = 0.025) -> CostModel:
    peak = 400_000_000 + 3 * LAYERS.largest_bytes
    return CostModel.of(
        LAYERS,
        spent(LAYERS, per_weight, per_tensor, peak),
        SMALL,
        spent(SMALL, per_weight, per_tensor),
        400_000_000,
    )


def test_the_model_finds_the_costs_that_made_the_slices() -> None:
    model = made()
    assert model.per_weight_s == pytest.approx(7e-7, rel=1e-9)
    assert model.per_tensor_s == pytest.approx(0.025, rel=1e-9)
    assert (model.base_bytes, model.bytes_a_byte) == (400_000_000, 3.0)
    other = Slice(6, (1024, 3072), 60)
    assert model.seconds(other.weights, other.tensors) == pytest.approx(
        spent(other, 7e-7, 0.025).workers_s, rel=1e-9
    )
    assert made(8e-7).per_weight_s != pytest.approx(7e-7, rel=0.1)  # control


def test_a_plan_adds_up() -> None:
    planned = Checkpoint(weights=12e9, tensors=500, largest_bytes=113e6, price=0.05)
    rows = {count: planned.row(made(), count, 1.3) for count in (1, 16)}
    core_hours = (7e-7 * 12e9 + 0.025 * 500) / 3600
    assert rows[1]["hours"] == pytest.approx(core_hours)  # nobody is planned to do more than all of its work
    assert rows[16]["hours"] == pytest.approx(core_hours / 16)
    assert rows[16]["cost"] == pytest.approx(0.05 * core_hours)
    assert rows[16]["worker_gb"] == pytest.approx(0.4 + 3 * 0.113)
    half = planned.row(made(), 16, 0.5)
    assert half["hours"] == pytest.approx(core_hours / 8)
    assert half["cost"] == pytest.approx(0.1 * core_hours)


def test_a_slice_is_what_it_says(tmp_path: Path) -> None:
    what = Slice(2, (16, 32), 3)
    with safe_open(what.write(tmp_path / "slice.safetensors"), "pt") as file:
        tensors = [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118
    assert len(tensors) == what.tensors == 5
    assert sum(tensor.numel() for tensor in tensors) == what.weights
    assert max(tensor.nbytes for tensor in tensors) == what.largest_bytes == 1024


def test_medians_with_their_ends() -> None:
    found = median_row([{"s": 3.0}, {"s": 1.0}, {"s": 2.0}])
    assert found == {"s": 2.0, "s_least": 1.0, "s_most": 3.0}


def test_the_steepest_step_is_seen_where_fixed_costs_hide_it_from_the_fit() -> None:
    sizes = (10**5, 10**6, 10**7)
    seconds = (1.0, 1.0, 10.0**1.5)
    assert fitted_exponent(sizes, seconds) == pytest.approx(0.75)
    assert steepest_step(sizes, seconds) == pytest.approx((1.5, 10**7))
