"""One network output at t = 0 on real data: by hand, by scikit-learn, and against near mistakes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fmq_theory.errors import FlowError, SchemeError
from fmq_theory.flow import quantize_field, sample
from fmq_theory.flow.cell_store import CellStore
from fmq_theory.flow.fidelity import RealData, batch_psnr, box_ssim, principal_statistics, psnr, ssim
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import flow_rows
from fmq_theory.flow.velocity_measure import VelocitySettings, measure_velocity, network_outputs
from tests.flow import tiny_models
from tests.flow.random_fields import one_thread

SETTINGS = VelocitySettings(batch=8, batches=3, components=5)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def _data(count: int = 24) -> RealData:
    generator = torch.Generator().manual_seed(3)
    return RealData(
        torch.rand(count, 1, 4, 4, generator=generator), (torch.randint(3, (count,), generator=generator),)
    )


def _run(settings: VelocitySettings = SETTINGS, **options: object) -> FlowReport:
    return measure_velocity(
        tiny_models.pictures(), "tiny", ("uniform", "equal_mass"), (2, 3), settings, _data(), **options  # type: ignore[arg-type]
    )  # fmt: skip


def _outputs(scheme: str | None, x: Tensor, labels: Tensor, t: float = 0.0) -> Tensor:
    field = tiny_models.pictures().field(len(x), torch.Generator()).with_condition((labels,))
    if scheme is not None:
        field = quantize_field(field, scheme, 2).field
    return field.velocity(x, t)


def test_numbers_are_those_of_a_direct_computation() -> None:
    data, row = _data(), flow_rows(_run())[0]
    x, labels = data.x, data.condition[0]
    exact, found = _outputs(None, x, labels), _outputs("uniform", x, labels)
    expected = [
        -10.0 * float(torch.log10((found[k : k + 8] - exact[k : k + 8]).double().square().mean()))
        for k in (0, 8, 16)
    ]
    assert row.by_batch["psnr_db"] == pytest.approx(expected, rel=1e-5)
    assert row.psnr_db == pytest.approx(float(np.mean(expected)), rel=1e-5)
    assert row.intervals == {}  # three batches are shown one by one


@pytest.mark.parametrize(
    "mistake", ["integrated", "another time", "drawn labels", "peak 2", "mean of samples"]
)
def test_near_mistakes_give_other_numbers(mistake: str) -> None:
    """Each of these is a measure that one could have meant; none is the scripts'."""
    data = _data()
    x, labels = data.x, data.condition[0]
    right = flow_rows(_run())[0].by_batch["psnr_db"][0]
    exact, found = _outputs(None, x, labels)[:8], _outputs("uniform", x, labels)[:8]
    if mistake == "integrated":
        field = tiny_models.pictures().field(24, torch.Generator()).with_condition((labels,))
        quantized = quantize_field(field, "uniform", 2).field
        ends = [sample(each, x, 4, "euler").end[:8] for each in (field, quantized)]
        wrong = batch_psnr(ends[1], ends[0], 1.0)
    elif mistake == "another time":
        wrong = batch_psnr(_outputs("uniform", x, labels, 0.5)[:8], _outputs(None, x, labels, 0.5)[:8], 1.0)
    elif mistake == "drawn labels":
        drawn = labels.roll(1)
        wrong = batch_psnr(_outputs("uniform", x, drawn)[:8], _outputs(None, x, drawn)[:8], 1.0)
    elif mistake == "peak 2":
        wrong = batch_psnr(found, exact, 2.0)
    else:
        wrong = float(psnr(found, exact, 1.0).mean())
        assert wrong > right  # Jensen
    assert abs(wrong - right) > 1e-3
    assert batch_psnr(found, exact, 1.0) == pytest.approx(right, abs=1e-5)


def test_principal_components_are_those_of_scikit_learn_and_of_the_model_itself() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(40, 60, generator=generator).double() * torch.linspace(3.0, 0.1, 60)
    other = rows @ torch.linalg.qr(torch.randn(60, 60, generator=generator).double())[0]
    for answers in (rows, rows[:, :7], other):
        count = min(5, answers.shape[1])
        scores = decomposition.PCA(count, svd_solver="full").fit_transform(answers.numpy())
        found = principal_statistics(answers, 5)
        assert found.mean == pytest.approx(scores.var(axis=0).mean())
        assert found.std == pytest.approx(scores.var(axis=0).std())
    # A rotation changes nothing where each model has components of its own. Fitted on the first model and
    # used on the second the same components give another number.
    own = decomposition.PCA(5, svd_solver="full").fit(rows.numpy())
    shared = own.transform(other.numpy()).var(axis=0).std()
    assert principal_statistics(other, 5).std == pytest.approx(principal_statistics(rows, 5).std)
    assert abs(shared / principal_statistics(other, 5).std - 1.0) > 0.1


def test_principal_components_are_no_more_than_there_are() -> None:
    assert principal_statistics(torch.eye(3), 20).dimensions == 2
    assert principal_statistics(torch.full((5, 4), 2.0), 20).collapsed == 4
    with pytest.raises(FlowError, match="no variance"):
        principal_statistics(torch.zeros(1, 4), 20)
    with pytest.raises(FlowError, match="nan"):
        principal_statistics(torch.full((3, 4), torch.nan), 20)


def test_box_ssim_is_that_of_every_window_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    first = rng.random((12, 14))
    second = 0.5 * (first + rng.random((12, 14)))
    padded = [np.pad(each, 5) for each in (first, second)]
    index: list[float] = []
    for row in range(12):
        for column in range(14):
            one, other = (each[row : row + 11, column : column + 11].ravel() for each in padded)
            joint = np.cov(one, other, bias=True)
            means = one.mean(), other.mean()
            index.append(
                (2 * means[0] * means[1] + 1e-4) * (2 * joint[0, 1] + 9e-4)
                / ((means[0] ** 2 + means[1] ** 2 + 1e-4) * (joint[0, 0] + joint[1, 1] + 9e-4))
            )  # fmt: skip
    pair = torch.as_tensor(np.stack([first, second]))[:, None, None]
    found = box_ssim(pair[0], pair[1], 1.0)
    assert found is not None
    assert float(found) == pytest.approx(float(np.mean(index)), rel=1e-9)


def test_box_ssim_of_two_constant_images_by_hand() -> None:
    """A window that holds a share k of a constant a, 0 beyond: mean k a, variance k (1 - k) a^2."""
    a, b = 0.6, 0.3
    expected = []
    for row in range(12):
        for column in range(12):
            k = (min(row, 5) + min(11 - row, 5) + 1) * (min(column, 5) + min(11 - column, 5) + 1) / 121
            c1, c2 = 1e-4, 9e-4
            bright = (2 * k * k * a * b + c1) / (k * k * (a * a + b * b) + c1)
            v = k - k * k
            expected.append(bright * (2 * v * a * b + c2) / (v * (a * a + b * b) + c2))
    images = torch.ones(1, 1, 12, 12).double()
    found = box_ssim(a * images, b * images, 1.0)
    assert found is not None
    assert float(found) == pytest.approx(float(np.mean(expected)), rel=1e-9)
    wang = ssim(a * images, b * images, 1.0)
    assert wang is not None
    assert abs(float(wang) - float(found)) > 0.01  # the usual index is another number
    assert box_ssim(torch.zeros(3, 2), torch.zeros(3, 2), 1.0) is None


def test_one_batch_is_the_script() -> None:
    row = flow_rows(_run(VelocitySettings(batch=24, batches=1, components=5)))[0]
    assert row.intervals == {}
    assert len(row.by_batch["psnr_db"]) == 1
    assert row.latent_whole_ratio == pytest.approx(row.latent_std_ratio)
    several = flow_rows(_run())[0]
    assert several.latent_whole_ratio != pytest.approx(several.latent_std_ratio, rel=1e-6)


def test_the_published_protocol_quantizes_vectors_and_leaves_small_tensors() -> None:
    from fmq_theory.flow.published_protocol import quantize_published, script_leaves

    field = tiny_models.pictures().field(4, torch.Generator())
    own = {**field.parameters, **field.buffers}

    def changed(scheme: str, bits: int) -> set[str]:
        made = quantize_published(field, scheme, bits).field
        return {name for name, one in {**made.parameters, **made.buffers}.items() if not one.equal(own[name])}

    assert "middle.bias" in changed("uniform", 1)
    assert "last.bias" not in changed("pwl", 1)  # one number, fewer than two levels
    assert "middle.bias" in changed("pwl", 1)
    assert "middle.bias" not in changed("pwl", 3)  # four numbers, fewer than eight
    assert "middle.bias" in changed("uniform", 3)
    assert "middle.bias" not in {
        name for name, one in quantize_field(field, "uniform", 3).field.parameters.items()
        if not one.equal(own[name])
    }  # fmt: skip
    cases = (("uniform", 1, 8), ("equal_mass", 255, 8), ("log2", 256, 8))
    assert [script_leaves(*case) for case in cases] == [False, True, False]


def test_running_statistics_are_quantized_as_the_scripts_do() -> None:
    from fmq_theory.flow import TorchField
    from fmq_theory.flow.published_protocol import quantize_published

    module = torch.nn.Sequential(torch.nn.BatchNorm1d(6))
    with torch.no_grad():
        module[0].running_var.copy_(torch.linspace(0.5, 2.0, 6))  # type: ignore[union-attr, operator]
    field = TorchField.of(module, (6,))
    made = quantize_published(field, "uniform", 1).field
    assert made.buffers["0.running_var"].unique().tolist() == pytest.approx([0.5, 2.0])
    assert made.buffers["0.num_batches_tracked"].equal(field.buffers["0.num_batches_tracked"])


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "cells.jsonl", SETTINGS.as_json())
    store.start()
    first = _run(store=store)
    again = CellStore(tmp_path / "cells.jsonl", SETTINGS.as_json())
    again.resume()
    assert len(again) == 4
    assert flow_rows(_run(store=again)) == flow_rows(first)


def test_settings_and_data_that_cannot_be() -> None:
    for wrong in (
        {"batch": 1}, {"batches": 0}, {"components": 0}, {"peak": 0.0}, {"peak": float("inf")},
        {"protocol": "x"},
    ):  # fmt: skip
        with pytest.raises(FlowError):
            VelocitySettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(FlowError, match="do not fill 4 batches of 8"):
        _run(VelocitySettings(batch=8, batches=4))
    with pytest.raises(FlowError, match="do not fill 1 batches of 64"):
        _run(VelocitySettings())
    assert _run(VelocitySettings(batch=10)).config["batches"] == 2
    plane = tiny_models.plane()
    with pytest.raises(FlowError, match="samples are of shape"):
        measure_velocity(plane, "", ("uniform",), (2,), SETTINGS, _data())
    rows = RealData(torch.rand(24, 2), (torch.zeros(24),))
    with pytest.raises(FlowError, match="the network takes 0"):
        measure_velocity(plane, "", ("uniform",), (2,), SETTINGS, rows)
    with pytest.raises(SchemeError):
        measure_velocity(plane, "", ("absent",), (2,), SETTINGS, RealData(torch.rand(24, 2)))


def test_rows_of_a_table_have_no_ssim() -> None:
    report = measure_velocity(
        tiny_models.plane(), "", ("uniform",), (2,), SETTINGS, RealData(torch.rand(24, 2))
    )
    row = flow_rows(report)[0]
    assert (row.ssim, report.ssim_window) == (None, None)
    assert row.psnr_db is not None
    assert "ssim" not in row.by_batch


def test_nan_is_a_cell_that_failed_and_full_precision_stops() -> None:
    data = RealData(torch.rand(24, 2))
    found = measure_velocity(tiny_models.nan_when_quantized(), "", ("uniform",), (2,), SETTINGS, data)
    assert found.failed
    assert "nan" in found.failed[0].note
    field = tiny_models.late_nan().field(24, torch.Generator())
    with pytest.raises(FlowError, match="nan"):
        network_outputs(field, torch.full((24, 2), torch.nan), 8, None)
