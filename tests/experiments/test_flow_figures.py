"""The experiments on flows: what their rows hold, and what their figures do with it."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.documents.publish_flow import with_variables
from experiments.figures import fidelity, ladder, latent
from experiments.framework import flow_runs as flow_runs_module
from experiments.framework.flow_runs import FlowRun, flow_report, flow_runs
from experiments.framework.table import Table
from fmq_theory.flow.cell import encode_images
from fmq_theory.report import SCHEME_STYLES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.deep
@pytest.mark.parametrize("model", ["Gaussian", "mixture"])
def test_proven_rungs_hold_and_are_in_order(model: str) -> None:
    config = ladder.Config.quick()
    rows = list(ladder.rows(config, {"model": model, "scheme": "equal_mass", "bits": 4}))
    (end,) = [row for row in rows if row["kind"] == "end"]
    curve = [row for row in rows if row["kind"] == "curve"]
    assert end["certified"]
    assert end["broken"] == 0
    assert 1.0 <= end["g4"] <= end["g2"] <= end["g1"] < end["g0"]
    assert end["g3"] == pytest.approx(1.0, abs=0.4)
    assert [row["t"] for row in curve] == pytest.approx([(n + 1) / config.steps for n in range(config.steps)])
    for row in curve:
        assert row["error_rms"] <= row["g4"] * (1 + 1e-9)
    # Control: the linear response is no bound, and half of the sharpest one is none either.
    assert any(0.5 * row["g4"] < row["error_rms"] for row in curve)


def _row(**values: object) -> dict[str, object]:
    nothing = dict.fromkeys(
        ["psnr_db", "psnr_db_lo", "psnr_db_hi", "ssim", "ssim_lo", "ssim_hi", "frechet", "images"]
    )
    return {
        "model": "m",
        "scheme": "uniform",
        "bits": 2,
        "effective_bits": 2.5,
        "shape": "1x4x4",
        **nothing,
        **values,
    }


def test_what_is_no_image_has_no_panel_of_images() -> None:
    rows = [_row(bits=b, psnr_db=10.0 * b, frechet=1.0 / b) for b in (2, 3)]
    figures = fidelity.plot(Table(tuple(rows), {}))
    assert list(figures) == ["", "effective"]
    for figure in figures.values():
        said = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert said.count("no images") == 1  # SSIM


def test_samples_are_drawn_as_they_were_kept() -> None:
    images = torch.linspace(-1.0, 1.0, 32).reshape(2, 1, 4, 4)
    row = _row(images=encode_images(images, 2.0), ssim=0.5, psnr_db=20.0, frechet=1.0)
    whole = _row(scheme="full precision", bits=None, images=encode_images(-images, 2.0))
    figure = fidelity.plot(Table((whole, row), {}))["samples-m"]
    full, shown = [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == [
        "full precision", "uniform (min–max)"
    ]  # fmt: skip
    assert full.shape == shown.shape == (6, 12)  # two images of 4 by 4, each with a line around it
    assert full[1, 1] == 255
    assert shown[1, 1] == 0
    assert shown[1, 1] == 0
    assert shown[4, 10] == 255
    assert shown[0, 0] == 255


def test_the_latent_is_shown_relative_to_full_precision() -> None:
    ratios = {"latent_std_ratio": 0.5, "latent_mean_ratio": 0.8}
    ends = {f"{key}_{end}": value * factor for key, value in ratios.items()
            for end, factor in (("lo", 0.9), ("hi", 1.1))}  # fmt: skip
    rows = [{"model": "m", "scheme": "uniform", "bits": b, "dimensions": 7, **ratios, **ends} for b in (2, 3)]
    figure = latent.plot(Table(tuple(rows), {}))[""]
    assert figure.axes[0].get_title(loc="left") == "m, 7 dimensions"
    drawn = [np.asarray(line.get_ydata(), dtype=float).tolist() for line in figure.axes[0].get_lines()]
    assert [0.5, 0.5] in drawn


def test_a_flow_is_asked_for_in_the_words_of_its_page() -> None:
    compared = 0
    for run in flow_runs():
        page = ROOT / "docs" / "results" / f"flow-{run.name.removeprefix('pendulum_policy_')}.md"
        pages = [page, page.with_name(f"flow-{run.name.replace('_policy', '')}.md")]
        found = next((one for one in pages if one.exists()), None)
        if found is None:
            continue
        compared += 1
        words = " ".join(run.words(quick=False)).replace("--bits 2-8", "--bits 2,3,4,5,6,7,8")
        assert with_variables(f"`fmq flow {words}`") in found.read_text("utf-8")
    assert compared >= 3


def test_other_weights_or_other_words_are_another_flow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[str] = []

    def main(arguments: list[str], **_: object) -> None:
        calls.append(arguments[-1])
        (Path(arguments[arguments.index("--out") + 1]) / "flow.json").write_text("{}", "utf-8")

    monkeypatch.setattr(flow_runs_module, "_RESULTS", tmp_path)
    monkeypatch.setattr(flow_runs_module.flow, "main", main)
    weights = tmp_path / "m.pt"
    weights.write_bytes(b"one")
    run = FlowRun("m", weights, ("--bits", "2"))
    for _ in range(2):
        flow_report(run, quick=False)
    assert calls == ["--force"]
    (tmp_path / "flows" / "m" / "flow.json").unlink()  # stopped before its end
    flow_report(run, quick=False)
    assert calls == ["--force", "--resume"]
    weights.write_bytes(b"two")
    flow_report(run, quick=False)
    flow_report(FlowRun("m", weights, ("--bits", "3")), quick=False)
    assert calls == ["--force", "--resume", "--force", "--force"]


@pytest.mark.deep
def test_the_bundled_model_is_sampled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("experiments.framework.flow_runs._RESULTS", tmp_path)
    (run,) = flow_runs(only_bundled=True)
    first = flow_report(run, quick=True)
    written = (tmp_path / "flows-quick" / "digits" / "flow.json").stat().st_mtime_ns
    assert flow_report(run, quick=True) == first
    assert (tmp_path / "flows-quick" / "digits" / "flow.json").stat().st_mtime_ns == written
    config = fidelity.Config.quick()
    full, *rows = fidelity.rows(config, {"model": "digits"})
    assert full["scheme"] == "full precision"
    assert full["images"] not in {row["images"] for row in rows}
    by_cell = {(row["scheme"], row["bits"]): row for row in rows}
    assert by_cell["lloyd_max", 4]["psnr_db"] > by_cell["uniform", 2]["psnr_db"] + 3.0
    assert all(row["images"] for row in rows if row["bits"] == 2)


def _schemes_shown(text: str) -> set[str]:
    """The first cell of each row of a table whose second cell is a number of bits."""
    return {
        cells[1].strip()
        for line in text.splitlines()
        if line.startswith("| ") and len(cells := line.split("|")) > 4 and cells[2].strip().isdigit()
    }


def test_pages_and_figures_of_flows_call_schemes_as_the_tables_do() -> None:
    labels = {style.label for style in SCHEME_STYLES.values()}
    pages = sorted((ROOT / "docs" / "results").glob("flow-*.md"))
    assert len(pages) >= 7
    for page in pages:
        shown = _schemes_shown(page.read_text("utf-8"))
        assert len(shown) >= 6
        assert shown <= labels, page.name
    beginnings = tuple(label.split(" (")[0] + " (" for label in labels if " (" in label)
    for figure in sorted((ROOT / "docs" / "figures").glob("flow-*-ladder.svg")):
        titles = re.findall(r">([^<>]*\([^<>]*)</text>", figure.read_text("utf-8"))
        named = {title for title in titles if title.startswith(beginnings)}
        assert len(named) >= 4
        assert named <= labels, figure.name


def test_control_another_name_of_a_scheme_is_seen() -> None:
    assert _schemes_shown("| scheme | bits | x | y |\n| uniform (best range) | 2 | 1 | 2 |") == {
        "uniform (best range)"
    }
