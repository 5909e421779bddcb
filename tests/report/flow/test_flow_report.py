"""A flow experiment as tables, files and figures: every scheme and number that was measured is there."""

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from fmq_theory.claims.engine.claim import Inputs, Verdict
from fmq_theory.claims.engine.judge import examine
from fmq_theory.claims.register.register import REGISTER
from fmq_theory.flow.cell import Cell
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import flow_rows
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.flow import figures as flow_figures
from fmq_theory.report.flow.fidelity_figures import latent_figure, samples_figure, similarity_figure
from fmq_theory.report.flow.files import flow_as_json, write_flow_csv, write_flow_json
from fmq_theory.report.flow.ladder_figures import error_figure, ladder_figure
from fmq_theory.report.flow.markdown import flow_markdown
from fmq_theory.report.flow.tables import print_flow
from tests.claims.comparison.made_flow_report import BITS, MANY, SCHEMES, made_cell, made_report

ISSUE_KEYS = {
    "scheme", "bits", "effective_bits", "mse", "weight_error_norm", "sample_error_rms", "psnr_db", "ssim",
    "latent_std", "latent_std_ratio", "frechet", "bounds", "tightness",
}  # fmt: skip


def test_json_has_the_keys_that_were_promised_and_is_strict(tmp_path: Path) -> None:
    cells = [*made_report().cells, made_cell("uniform", 5, psnr=((math.inf, 3.0, 3.0) * MANY,) * 2)]
    write_flow_json(made_report(cells), tmp_path / "flow.json")
    text = (tmp_path / "flow.json").read_text()
    data = json.loads(text, parse_constant=pytest.fail)
    assert len(data["rows"]) == len(cells)
    for row in data["rows"]:
        assert row.keys() >= ISSUE_KEYS
        assert set(row["bounds"]) == set(row["tightness"]) == {"g0", "g1", "g2", "g3", "g4"}
    assert data["rows"][-1]["psnr_db"] == "inf"
    assert data["rows"][0]["intervals"]["psnr_db"]["samples"][0] < data["rows"][0]["psnr_db"]
    assert data["full_precision"]["latent_std"] == 0.5


def test_scores_too_few_for_an_interval_decide_nothing(tmp_path: Path) -> None:
    few = [replace(cell, psnr=tuple(seed[:3] for seed in cell.psnr)) for cell in made_report().cells]
    write_flow_json(made_report(few), tmp_path / "flow.json")
    row = json.loads((tmp_path / "flow.json").read_text())["rows"][0]
    assert row["intervals"]["psnr_db"] == {"samples": None, "seeds": None}
    found = examine(REGISTER["P7"], Inputs(fidelity=(tmp_path / "flow.json",)))
    assert found.verdict is Verdict.INCONCLUSIVE


def test_claims_read_what_is_written(tmp_path: Path) -> None:
    write_flow_json(made_report(), tmp_path / "flow.json")
    given = Inputs(fidelity=(tmp_path / "flow.json",))
    found = {key: examine(REGISTER[key], given) for key in ("P1-NET", "P2-NET", "P7", "P8", "C20")}
    assert {key: finding.verdict for key, finding in found.items()} == {
        "P1-NET": Verdict.SUPPORTED,
        "P2-NET": Verdict.SUPPORTED,
        "P7": Verdict.REFUTED,  # uniform is 3 dB ahead of equal mass
        "P8": Verdict.INCONCLUSIVE,  # two draws of the noise have no interval
        "C20": Verdict.SUPPORTED,
    }
    assert {key for key, finding in found.items() if not finding.resolved} == {"P1-NET", "C20", "P8"}


def test_csv_has_a_line_a_cell(tmp_path: Path) -> None:
    write_flow_csv(made_report(), tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(SCHEMES) * len(BITS)
    assert float(rows[0]["psnr_db"]) == pytest.approx(15.0)
    assert float(rows[0]["bound_g4"]) == pytest.approx(7.5)
    assert float(rows[0]["psnr_db_samples_low"]) < 15.0


def test_winners_are_in_the_json() -> None:
    data = flow_as_json(made_report())
    assert {winner["scheme"] for winner in data["winners_at_bits"] if winner["measure"] == "psnr_db"} == {
        "lloyd_max"
    }
    assert data["winners_at_effective_bits"][0]["scheme"] == "uniform"
    assert data["verdict"]
    assert data["layers"][0]["name"] == "first.weight"
    assert data["layers"][0]["velocity_lipschitz"] is None


def test_tables_print_every_scheme_the_ladder_the_verdict_and_the_notes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells = [
        *made_report().cells,
        Cell("nf4", 2, note="16 levels only"),
        Cell("pwl", 2, note="nan", failed=True),
    ]
    print_flow(made_report(cells))
    text = capsys.readouterr().out
    for scheme in SCHEMES:
        assert style_of(scheme).label in text
    for expected in (
        "15.00 ±",
        "40",
        "first.weight",
        "wins at 2-4",
        "16 levels only",
        "pwl 2 bits: nan",
        "3 by 3",
        "g0 is Grönwall's bound",
        "|Δθ| is the Euclidean norm",
    ):
        assert expected in text


def test_page_has_the_command_the_verdict_and_every_row() -> None:
    text = flow_markdown(made_report(), "fmq flow net.pt", ["similarity.svg"])
    assert "`fmq flow net.pt`" in text
    assert "![similarity](similarity.svg)" in text
    assert "lloyd_max wins at 2-4, 8 bits" in text
    rows = [line for line in text.splitlines() if line.startswith(f"| {style_of('uniform').label} |")]
    assert len(rows) == 2 * len(BITS)  # fidelity and ladder
    assert rows[0].split("|")[6].strip().startswith("15.00 ± ")
    assert "(± " in rows[0]
    assert "\\|e\\| rms" in text  # a bar in a heading would end the cell
    assert "`first.weight`" in text


def test_similarity_figure_shows_measured_points_over_both_kinds_of_bits() -> None:
    figure = similarity_figure(made_report())
    assert figure is not None
    assert len(figure.axes) == 4
    left, right = figure.axes[:2]
    for axes, expected in ((left, [2, 3, 4, 8]), (right, [2.25, 3.25, 4.25, 8.25])):
        uniform = next(line for line in axes.get_lines() if line.get_label() == style_of("uniform").label)
        assert np.asarray(uniform.get_xdata()) == pytest.approx(expected)
        assert np.asarray(uniform.get_ydata()) == pytest.approx([15.0, 21.0, 27.0, 51.0])
        assert len(axes.containers) == len(SCHEMES)  # bars: 192 scores have an interval
    assert "Bars: 95 %" in figure.get_suptitle()
    assert {text.get_text() for text in right.texts} == {style_of(scheme).label for scheme in SCHEMES}


@pytest.mark.parametrize(
    ("draw", "key"), [(similarity_figure, "psnr_db"), (latent_figure, "latent_std_ratio")]
)
def test_what_has_no_interval_has_its_batches_one_by_one(
    draw: Callable[[FlowReport], Figure | None], key: str
) -> None:
    """Of outputs and of the latent there are no bars; a dash for each batch stands beside the mean."""
    report = made_report(measure="velocity")
    figure = draw(report)
    assert figure is not None
    assert not any(axes.containers for axes in figure.axes)
    dashes = next(line for line in figure.axes[0].get_lines() if line.get_marker() == "_")
    rows = [row for row in flow_rows(report) if row.scheme == SCHEMES[0]]
    assert np.asarray(dashes.get_ydata()) == pytest.approx([x for row in rows for x in row.by_batch[key]])
    assert np.asarray(dashes.get_xdata()).size == 2 * len(BITS)
    assert "Dashes: batches one by one" in figure.get_suptitle()


def test_similarity_figure_of_vectors_has_one_row() -> None:
    report = made_report([replace(cell, ssim=()) for cell in made_report().cells], ssim_window=None)
    figure = similarity_figure(report)
    assert figure is not None
    assert len(figure.axes) == 2


def test_ladder_figure_has_a_panel_a_scheme_and_says_where_g0_goes() -> None:
    figure = ladder_figure(made_report())
    assert figure is not None
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == [style_of(scheme).label for scheme in SCHEMES]
    assert all(any("g0 up to" in text.get_text() for text in axes.texts) for axes in panels)
    assert {"measured", "g3 linear response"} <= {text.get_text() for text in panels[-1].texts}
    assert "3 bits" in figure.get_suptitle()
    measured = panels[0].lines[-1]
    assert np.asarray(measured.get_ydata()) == pytest.approx([0.625, 1.25])


def test_error_figure_goes_over_bits_and_infinite_bounds_leave_a_gap() -> None:
    figure = error_figure(made_report())
    assert figure is not None
    g0 = np.asarray(figure.axes[0].lines[0].get_ydata(), dtype=float)
    assert math.isnan(g0[-1])
    assert figure.axes[0].get_yscale() == "log"


def test_samples_figure_has_a_strip_for_each_scheme_and_bits() -> None:
    figure = samples_figure(made_report())
    assert figure is not None
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == (1 + len(SCHEMES)) * len(BITS)
    assert np.asarray(shown[0].images[0].get_array()).shape == (4, 6 * 4 + 5)


def test_figures_without_their_numbers_are_not_drawn(tmp_path: Path) -> None:
    bare = made_report([replace(cell, ladder=None, latent=None, images="") for cell in made_report().cells])
    bare = replace(bare, full=replace(bare.full, images="", latent=None))
    assert ladder_figure(bare) is None
    assert error_figure(bare) is None
    assert latent_figure(bare) is None
    assert samples_figure(bare) is None
    assert [path.name for path in flow_figures.write_flow_figures(bare, tmp_path)] == ["similarity.svg"]


def test_figure_files_are_vector_and_raster_and_the_same_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_figures, "FIGURES", {"latent": latent_figure, "samples": samples_figure})
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        written = flow_figures.write_flow_figures(made_report(), tmp_path / name)
        assert [path.name for path in written] == ["latent.svg", "samples.svg"]
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["latent.png", "latent.svg", "samples.png", "samples.svg"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert "<text" in (tmp_path / "a" / "latent.svg").read_text()
