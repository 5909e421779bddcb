"""The measures of the authors' scripts as an experiment: its cells, its rows, its figures."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from experiments.figures import authors_measures
from experiments.figures.authors_measures import STEPS, Config
from experiments.framework.flow_runs import output_runs
from experiments.framework.table import Table


def _output(scheme: str, bits: int, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {"kind": "output", "model": "m", "scheme": scheme, "bits": bits}
    for key, value in {"psnr_db": 5.0 * bits, "ssim": 0.1 * bits, "latent_std_ratio": 0.9}.items():
        row |= {key: value, f"{key}_first": 0.9 * value}
    return row | {"protocol": "published"} | changes


def _step(step: str, scheme: str, bits: int, lead: float) -> dict[str, object]:
    leads = {"lead_db": lead, "batches_ahead": 4 if lead > 0.0 else 0}
    return {"kind": "step", "model": "m", "step": step, "scheme": scheme, "bits": bits, **leads}


def _table() -> Table:
    outputs = [
        _output(scheme, bits, protocol=protocol)
        for protocol in ("published", "weights")
        for scheme in ("uniform", "equal_mass")
        for bits in (2, 3)
    ]
    steps = [
        _step(step, scheme, bits, float(place))
        for place, step in enumerate(STEPS)
        for scheme in ("uniform", "pwl", "log2")
        for bits in (2, 3)
    ]
    return Table((*outputs, *steps), {})


def test_every_model_is_asked_by_both_protocols_and_models_of_images_step_by_step() -> None:
    cells = authors_measures.cells(Config.quick())
    assert [(cell["model"], cell["protocol"]) for cell in cells] == [
        ("digits", "published"), ("digits", "steps"), ("digits", "weights"),
    ]  # fmt: skip
    for run in output_runs():
        assert "--measure" in run.options
        assert ("--peak" in run.options) == run.name.startswith("pendulum")  # no images, no published peak


def test_figures_show_both_protocols_and_the_steps() -> None:
    figures = authors_measures.plot(_table())
    assert list(figures) == ["", "weights", "steps"]
    for name in ("", "weights"):
        axes = figures[name].axes
        assert [one.get_ylabel() for one in axes] == ["PSNR (dB)", "SSIM", "latent ratio"]
        drawn = [np.asarray(line.get_ydata(), dtype=float).tolist() for line in axes[0].get_lines()]
        assert [10.0, 15.0] in drawn
    said = [text.get_text() for axes in figures["steps"].axes for text in axes.texts]
    assert {"over uniform", "over PWL", "over log2"} <= set(said)
    ticks = [tick.get_text().replace("\n", " ") for tick in figures["steps"].axes[0].get_xticklabels()]
    assert ticks == list(STEPS)


def test_what_has_lost_everything_does_not_hide_the_others() -> None:
    rows = [_output("uniform", bits, psnr_db=20.0) for bits in (2, 3)]
    rows.append(_output("log2", 2, psnr_db=-400.0))
    low, high = authors_measures.plot(Table(tuple(rows), {}))[""].axes[0].get_ylim()
    assert -20.0 < low < 0.0
    assert 20.0 < high < 80.0


@pytest.mark.deep
def test_the_bundled_model_from_the_script_to_samples(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("experiments.framework.flow_runs._RESULTS", tmp_path)
    config = Config.quick()
    steps = authors_measures.rows(config, {"model": "digits", "protocol": "steps"})
    assert [row["step"] for row in steps[::8]] == list(STEPS)
    assert all(row["lead_db"] == 0.0 for row in steps if row["scheme"] == "equal_mass")
    assert all(0 <= row["batches_ahead"] <= config.batches for row in steps)
    assert all(row["lead_db"] > 0.0 for row in steps if row["batches_ahead"] == config.batches)
    outputs = authors_measures.rows(config, {"model": "digits", "protocol": "published"})
    # The first step is the measure of the outputs, on the same images.
    of_outputs = {(row["scheme"], row["bits"]): row["psnr_db"] for row in outputs}
    for row in steps[:8]:
        assert row["psnr_db"] == pytest.approx(of_outputs[row["scheme"], row["bits"]], abs=1e-3)
    # Every change changes something.
    leads = {step: [row["lead_db"] for row in steps if row["step"] == step] for step in STEPS}
    for first, second in pairwise(STEPS):
        assert leads[first] != pytest.approx(leads[second], abs=1e-3)
