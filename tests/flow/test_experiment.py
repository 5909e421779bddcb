"""A whole run on small models: every number against a direct computation, interruptions, bad fields."""

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fmq_theory.errors import FlowError, SchemeError
from fmq_theory.flow import FlowModel, measure_cell, quantize_field, sample
from fmq_theory.flow.cell_store import CellStore
from fmq_theory.flow.experiment import run_experiment
from fmq_theory.flow.fidelity import FeatureMap, build_features
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import flow_rows, spread_of
from fmq_theory.flow.identity import weights_digest
from fmq_theory.flow.settings import FlowSettings, pieces_for
from fmq_theory.flow.shared_noise import draw_noise, run_samples
from tests.flow import tiny_models
from tests.flow.random_fields import one_thread

SETTINGS = FlowSettings(samples=6, seeds=2, steps=4, sampler="heun", ladder_samples=2)
IDENTITY = FeatureMap("identity")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def _run(model: FlowModel, settings: FlowSettings = SETTINGS, **options: object) -> FlowReport:
    return run_experiment(
        model,
        "tiny",
        ("uniform", "lloyd_max"),
        (2, 4),
        settings,
        **({"phi": IDENTITY} | options),  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def report() -> FlowReport:
    with one_thread():
        return _run(tiny_models.pictures(), layers_of=("uniform", 2))


def test_every_cell_is_there_in_order(report: FlowReport) -> None:
    assert [(cell.scheme, cell.bits) for cell in report.cells] == [
        ("uniform", 2), ("uniform", 4), ("lloyd_max", 2), ("lloyd_max", 4),
    ]  # fmt: skip
    assert not report.failed


def test_numbers_are_those_of_a_direct_computation(report: FlowReport) -> None:
    model = tiny_models.pictures()
    shared = draw_noise(model, 6, 2, 0)
    exact = sample(shared.field, shared.noise, 4, "heun").end
    quantized = quantize_field(shared.field, "uniform", 2)
    other = sample(quantized.field, shared.noise, 4, "heun").end
    row = flow_rows(report)[0]
    error = (other - exact).double().flatten(1)
    assert row.sample_error_rms == pytest.approx(float(error.square().sum(1).mean().sqrt()), rel=1e-5)
    assert row.psnr_db == pytest.approx(
        float((10 * torch.log10(4 / error.square().mean(1))).mean()), rel=1e-5
    )
    assert row.effective_bits == quantized.effective_bits
    assert row.mse == quantized.mse
    assert row.weight_error_norm == pytest.approx(quantized.weight_error_norm)
    # Identity features: the paired bound is the error itself, and the distance is below it.
    assert row.frechet_feature_rms == pytest.approx(row.sample_error_rms, rel=1e-5)
    assert row.frechet is not None
    assert math.sqrt(row.frechet) <= (row.frechet_feature_rms or 0.0)


def test_ladder_and_layers(report: FlowReport) -> None:
    for row in flow_rows(report):
        assert row.ladder is not None
        assert row.ladder["batch"] == 2
        assert len(row.ladder["curves"]["times"]) == 5
        for rung in ("g0", "g1", "g2", "g4"):
            assert (row.bounds[rung] or math.inf) >= row.ladder["error_rms"]
            assert (row.tightness[rung] or math.inf) >= 1.0
    assert report.layers_of == ("uniform", 2)
    assert {layer.name for layer in report.layers} == {"label.weight", "middle.weight", "last.weight"}


def test_intervals_hold_the_mean_and_seeds_have_their_own(report: FlowReport) -> None:
    row = flow_rows(report)[0]
    assert "sample_error_rms" not in row.intervals  # a few samples make a mean square
    assert set(row.intervals) == {"psnr_db", "ssim"}  # draws of the latent are points, one by one
    assert len(row.by_batch["latent_mean_ratio"]) == len(row.by_batch["latent_std_ratio"]) == 2
    assert row.latent_mean_ratio == pytest.approx(float(np.mean(row.by_batch["latent_mean_ratio"])))
    for name in ("psnr_db", "ssim"):  # six samples a seed are too few
        assert row.intervals[name] == {"samples": None, "seeds": None}


@pytest.mark.parametrize(
    ("seeds", "samples", "expected"),
    [
        (3, 64, ("samples", "seeds")),
        (12, 16, ("samples", "seeds")),
        (3, 63, ("seeds",)),
        (2, 16, ("seeds",)),
        (13, 15, ("samples",)),
        (2, 15, ()),
        (1, 192, ("samples",)),
        (1, 191, ()),
        (192, 1, ("samples",)),
        (12, 1, ()),
    ],
)
def test_intervals_are_made_where_they_were_seen_to_cover(
    seeds: int, samples: int, expected: tuple[str, ...]
) -> None:
    """From 192 scores on over samples; over seeds where each has 16."""
    values = np.random.default_rng(0).normal(20.0, 2.0, (seeds, samples))
    scores = tuple(tuple(seed) for seed in values.tolist())
    found = spread_of(scores, "ssim", 4)
    beyond = spread_of(scores, "ssim", 5)
    assert beyond is not None
    assert (beyond.samples, beyond.seeds) == (None, None)
    assert found is not None
    assert tuple(over for over in ("samples", "seeds") if getattr(found, over) is not None) == expected
    assert found.value == pytest.approx(values.mean(), rel=1e-12)


def test_ssim_near_one_has_no_interval() -> None:
    run = run_experiment(tiny_models.pictures(), "tiny", ("uniform",), (4, 5), SETTINGS, phi=IDENTITY)
    found = {row.bits: row for row in flow_rows(run)}
    assert "ssim" in found[4].intervals
    assert "ssim" not in found[5].intervals
    assert "psnr_db" in found[5].intervals


def test_the_distance_of_each_draw_is_kept(report: FlowReport) -> None:
    row = flow_rows(report)[0]
    assert len(row.frechet_by_seed) == report.config["seeds"]
    assert all(distance > 0.0 for distance in row.frechet_by_seed)


def test_vectors_have_no_ssim_and_no_pictures() -> None:
    found = _run(tiny_models.plane())
    assert found.ssim_window is None
    for row, cell in zip(flow_rows(found), found.cells, strict=True):
        assert row.ssim is None
        assert cell.images == ""
        assert row.psnr_db is not None


def test_a_quantization_that_changes_nothing_has_no_error_and_no_tightness() -> None:
    # 3 numbers a channel of `first`, 16 of `last`: 16 levels hold them all
    cell = _run(tiny_models.plane()).cells[3]
    row = flow_rows(_run(tiny_models.plane()))[3]
    assert (cell.scheme, cell.bits, cell.lossless_share) == ("lloyd_max", 4, 1.0)
    assert row.sample_error_rms == 0.0
    assert row.psnr_db == math.inf
    assert row.frechet == pytest.approx(0.0, abs=1e-20)
    assert row.ladder is not None
    assert row.ladder["error_rms"] == row.bounds["g4"] == 0.0
    assert set(row.tightness.values()) == {None}
    assert not row.failed


def test_rows_at_once_change_nothing() -> None:
    whole, parts = (_run(tiny_models.pictures(), replace(SETTINGS, rows=rows)) for rows in (64, 5))
    for a, b in zip(flow_rows(whole), flow_rows(parts), strict=True):
        assert a.sample_error_rms == pytest.approx(b.sample_error_rms, rel=1e-5)
        assert a.latent_std == pytest.approx(b.latent_std, rel=1e-5)


def test_the_same_seed_is_the_same_run_and_another_is_not(report: FlowReport) -> None:
    again = _run(tiny_models.pictures(), layers_of=("uniform", 2))
    assert [replace(cell, seconds=0.0) for cell in again.cells] == [
        replace(cell, seconds=0.0) for cell in report.cells
    ]
    other = _run(tiny_models.pictures(), replace(SETTINGS, seed=1))
    assert other.cells[0].error != report.cells[0].error


def test_seeds_draw_different_noise_and_a_seed_keeps_its_own() -> None:
    two, three = (draw_noise(tiny_models.pictures(), 4, seeds, 0) for seeds in (2, 3))
    first, second = two.by_seed(two.noise)
    assert not torch.equal(first, second)
    assert torch.equal(two.noise, three.noise[:8])
    assert torch.equal(two.field.condition[0], three.field.condition[0][:8])


def test_an_interrupted_run_keeps_its_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_models.pictures()
    settings = {"weights": weights_digest(model), **SETTINGS.as_json()}
    store = CellStore(tmp_path / "cells.jsonl", settings)
    store.start()

    def stop_at_the_third(_share: float, what: str) -> None:
        if what.startswith("lloyd_max 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(model, store=store, progress=stop_at_the_third)
    made: list[tuple[str, int]] = []
    real = measure_cell.measure_cell

    def counted(*arguments: object) -> object:
        made.append(arguments[2:])  # type: ignore[arg-type]
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("fmq_theory.flow.experiment.measure_cell", counted)
    again = CellStore(tmp_path / "cells.jsonl", settings)
    again.resume()
    found = _run(model, store=again)
    assert made == [("lloyd_max", 2), ("lloyd_max", 4)]
    whole = _run(model)
    assert [cell.error for cell in found.cells] == [cell.error for cell in whole.cells]


def test_progress_says_what_and_how_long() -> None:
    said: list[tuple[float, str]] = []
    _run(tiny_models.plane(), progress=lambda share, what: said.append((share, what)))
    assert said[0] == (0.0, "full precision")
    assert [share for share, _ in said[1:]] == [0.0, 0.25, 0.5, 0.75]
    assert "cell 4 of 4" in said[-1][1]
    assert "s a cell" in said[-1][1]
    assert "left" in said[-1][1]


def test_nan_velocities_stop_the_run_at_their_step() -> None:
    with pytest.raises(FlowError, match=r"step 3 of 4.*nan"):
        _run(tiny_models.late_nan(), replace(SETTINGS, sampler="midpoint"))


def test_nan_of_quantized_weights_is_a_failed_cell_and_not_a_dropped_one() -> None:
    found = _run(tiny_models.nan_when_quantized())
    assert len(found.cells) == 4
    assert [cell.failed for cell in found.cells] == [True, True, False, False]  # the last two change nothing
    assert "step 1 of 4" in found.failed[0].note
    assert flow_rows(found)[0].psnr_db is None


def test_a_codebook_that_does_not_exist_is_a_note() -> None:
    found = run_experiment(tiny_models.plane(), "tiny", ("nf4",), (2, 4), SETTINGS)
    assert [cell.measured for cell in found.cells] == [False, True]
    assert not found.failed
    assert found.cells[0].note


def test_distance_from_data_and_the_triangle() -> None:
    data = torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(3))
    found = _run(tiny_models.pictures(), data=data)
    full = found.full.frechet_to_data
    assert full is not None
    for row in flow_rows(found):
        assert row.frechet_to_data is not None
        assert row.frechet is not None
        moved = abs(math.sqrt(row.frechet_to_data) - math.sqrt(full))
        assert moved <= math.sqrt(row.frechet) * (1 + 1e-9)


def test_data_and_features_that_do_not_fit() -> None:
    with pytest.raises(FlowError, match="data of shape"):
        _run(tiny_models.pictures(), data=torch.zeros(5, 1, 8, 8))
    with pytest.raises(FlowError, match="8 by 8"):
        _run(tiny_models.pictures(), phi=build_features("digits"))


def test_an_unknown_scheme_is_an_error_and_no_cell() -> None:
    with pytest.raises(SchemeError):
        run_experiment(tiny_models.plane(), "tiny", ("absent",), (2,), SETTINGS)


def test_the_step_of_later_rows_is_named_with_them() -> None:
    model = tiny_models.plane()
    shared = draw_noise(model, 4, 1, 0)
    noise = shared.noise.clone()
    noise[3] = math.nan
    with pytest.raises(FlowError, match="samples from 2 on"):
        run_samples(shared.field, noise, 2, "euler", rows=2)


@pytest.mark.parametrize(
    "changes", [{"samples": 1}, {"seeds": 0}, {"steps": 0}, {"sampler": "rk4"}, {"ladder_samples": -1}]
)
def test_settings_that_make_no_run(changes: dict[str, object]) -> None:
    with pytest.raises(FlowError):
        replace(SETTINGS, **changes)  # type: ignore[arg-type]


def test_pieces_suit_the_samples() -> None:
    assert [pieces_for(shape) for shape in ((1,), (2,), (16,), (1, 8, 8), (1, 32, 32))] == [8, 8, 4, 1, 1]


def test_control_one_piece_in_one_dimension_breaks_a_rung_and_eight_do_not() -> None:
    """Where a constant is only sampled, a broken rung is told."""
    broken: list[list[str]] = []
    for pieces in (1, 8):
        found = _run(tiny_models.line(), replace(SETTINGS, ladder_samples=6, ladder_pieces=pieces))
        counts = [(row.ladder or {})["broken_count"] for row in flow_rows(found)]
        broken.append([rung for count in counts for rung, times in count.items() if times])
    assert broken[0]
    assert not broken[1]


def test_digest_sees_every_weight() -> None:
    model = tiny_models.plane()
    before = weights_digest(model)
    assert weights_digest(tiny_models.plane()) == before
    with torch.no_grad():
        model.module.last.bias[0] += 1e-3  # type: ignore[union-attr, operator, index]
    assert weights_digest(model) != before


def test_spread_by_hand() -> None:
    found = spread_of(((1.0, 3.0) * 8, (2.0, 4.0) * 8), "psnr_db", 8)
    assert found is not None
    assert found.value == 2.5
    assert found.seeds is not None
    # seeds' means 2 and 3: 2.5 -+ t(1 df) * (1/sqrt 2)/sqrt 2
    assert found.seeds[1] - found.value == pytest.approx(12.7062 * 0.5, rel=1e-4)
    assert spread_of((), "psnr_db", 2) is None
    infinite = spread_of(((1.0, math.inf) * 96,), "psnr_db", 2)
    assert infinite is not None
    assert infinite.value == math.inf
    assert infinite.samples is None


def test_a_missing_library_is_named_before_anything_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    told: list[str] = []
    with pytest.raises(FlowError, match=r"torchmetrics.* is not installed.*fmq_theory\[flow\]"):
        _run(tiny_models.pictures(), progress=lambda _, what: told.append(what))
    assert told == []
