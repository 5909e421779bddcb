"""``fmq flow`` end to end on tiny models: what it writes, keeps, resumes and refuses."""

import json
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from fmq_theory.cli import flow as command
from fmq_theory.cli.main import main
from fmq_theory.flow.samplers import SAMPLERS
from fmq_theory.report.flow.figures import FIGURES
from tests.cli.flow_runs import PICTURES, run
from tests.flow import tiny_models

pytestmark = pytest.mark.usefixtures("in_an_empty_folder", "on_one_torch_thread")


def _checkpoint(name: str = "net.pt") -> str:
    torch.save(tiny_models.pictures().module.state_dict(), name)
    return name


def test_a_checkpoint_becomes_a_folder_of_results() -> None:
    result = run(_checkpoint(), *PICTURES, "--features", "identity")
    assert result.exit_code == 0, result.output
    folder = Path("fmq-flow-net")
    names = {path.name for path in folder.iterdir()}
    figures = {f"{name}{suffix}" for name in FIGURES for suffix in (".svg", ".png")}
    assert names == {"flow.json", "rows.csv", "cells.jsonl", "report.md", *figures}
    data = json.loads((folder / "flow.json").read_text())
    assert [(row["scheme"], row["bits"]) for row in data["rows"]] == [
        ("uniform", 2), ("uniform", 3), ("lloyd_max", 2), ("lloyd_max", 3),
    ]  # fmt: skip
    assert data["subject"] == "net.pt (tests.flow.tiny_models:pictures)"
    assert data["rows"][0]["frechet"] > 0
    page = (folder / "report.md").read_text()
    line = "--schemes uniform,lloyd_max --bits 2,3 --samples 4 --seeds 2 --steps 2 --features identity`"
    assert f"`fmq flow net.pt --model tests.flow.tiny_models:pictures {line}" in page
    for expected in ("Verdict", "At equal bits", "fmq claims --fidelity", "Bound / error"):
        assert expected in result.output


def test_the_bundled_digits_need_no_argument() -> None:
    arguments = ("--ladder-samples", "0", "--no-plot", "--schemes", "uniform", "--bits", "3", "--out", "d")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    data = json.loads(Path("d/flow.json").read_text())
    assert data["subject"] == "the bundled digits"
    assert data["features"] == "digits classifier"
    assert data["ssim_window"] == 7
    assert data["rows"][0]["ladder"] is None


def test_named_files_and_no_figures() -> None:
    result = run(*PICTURES, "--no-plot", "--json", "here.json", "--csv", "here.csv", "--out", "out")
    assert result.exit_code == 0, result.output
    assert Path("here.json").is_file()
    assert Path("here.csv").is_file()
    assert {path.name for path in Path("out").iterdir()} == {"cells.jsonl", "report.md"}


def test_resume_uses_kept_cells_and_adds_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(*PICTURES, "--out", "out", "--no-plot").exit_code == 0
    before = json.loads(Path("out/flow.json").read_text())["rows"]
    refused = run(*PICTURES, "--out", "out", "--no-plot")
    assert refused.exit_code == 2
    assert "--resume" in refused.output
    again = run(*PICTURES, "--out", "out", "--no-plot", "--bits", "2-4", "--resume")
    assert again.exit_code == 0
    assert "4 cells kept" in again.output
    after = json.loads(Path("out/flow.json").read_text())["rows"]
    assert len(after) == 6
    assert [row for row in after if row["bits"] < 4] == before
    other = run(*PICTURES, "--out", "out", "--no-plot", "--resume", "--steps", "3")
    assert other.exit_code == 2
    assert "steps 2, not 3" in other.output
    assert run(*PICTURES, "--out", "out", "--no-plot", "--force", "--steps", "3").exit_code == 0


def test_an_interrupted_run_says_how_to_go_on_and_is_not_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from fmq_theory.flow import experiment

    real = experiment.measure_cell

    def interrupted(*arguments: object) -> object:
        if arguments[2:] == ("lloyd_max", 2):
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(experiment, "measure_cell", interrupted)
    result = run(*PICTURES, "--no-plot")
    assert result.exit_code == 130
    assert "2 cells kept" in result.output
    assert "--resume" in result.output
    monkeypatch.setattr(experiment, "measure_cell", real)
    refused = run(*PICTURES, "--no-plot")
    assert refused.exit_code == 2
    assert "was stopped" in refused.output
    finished = run(*PICTURES, "--no-plot", "--resume")
    assert finished.exit_code == 0
    assert "2 cells kept" in finished.output
    # A finished run under the default name gives way to the next one.
    assert run(*PICTURES, "--no-plot").exit_code == 0


def test_nan_in_full_precision_stops_at_its_step() -> None:
    result = run("--model", "tests.flow.tiny_models:late_nan")
    assert result.exit_code == 2
    assert "step 2 of 2" in result.output
    assert not list(Path().iterdir())
    assert "nan" in result.output
    assert "Traceback" not in result.output


def test_nan_in_a_cell_is_a_row_with_a_note_and_exit_1() -> None:
    result = run("--model", "tests.flow.tiny_models:nan_when_quantized", "--no-plot", "--out", "out")
    assert result.exit_code == 1
    rows = json.loads(Path("out/flow.json").read_text())["rows"]
    assert len(rows) == 4
    assert rows[0]["failed"]
    assert "nan" in rows[0]["note"]
    # The row of the table itself says why it has no numbers.
    words = " ".join(result.output.split())
    assert re.search(r"uniform \(min–max\) 2 no samples \(weights mse [\d.e-]+\): [^|]*nan", words)


def test_what_a_model_prints_is_no_result() -> None:
    Path("talking.py").write_text(
        "from tests.flow.tiny_models import Plane\nfrom fmq_theory import FlowModel\n"
        "class Talking(Plane):\n    def forward(self, x, t):\n        print('aside')\n"
        "        return super().forward(x, t)\n"
        "def build():\n    print('aside')\n    return FlowModel(Talking(), (2,))\n"
    )
    result = run("--model", "./talking.py:build", "--no-plot", "--ladder-samples", "0", "--out", "out")
    assert result.exit_code == 0, result.output
    assert "aside" not in result.stdout
    assert "aside" in result.stderr


def test_a_checkpoint_of_another_network_names_the_first_mismatches() -> None:
    result = run(_checkpoint(), "--model", "tests.flow.tiny_models:plane")
    assert result.exit_code == 2
    assert "first.weight" in result.output
    assert "middle.weight" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("net.pt",), "needs --model"),
        (("absent.pt", *PICTURES), "absent.pt"),
        (("--model", "absent:build"), "absent:build"),
        ((*PICTURES, "--schemes", "absent"), "absent"),
        ((*PICTURES, "--bits", "9"), "1 to 8"),
        ((*PICTURES, "--features", "digits"), "8 by 8"),
        ((*PICTURES, "--data", "x.npy"), "--features"),
        ((*PICTURES, "--features", "identity", "--data", "x.npy"), "x.npy"),
        ((*PICTURES, "--resume", "--force"), "choose one"),
        ((*PICTURES, "--out", "absent/folder"), "absent"),
        ((*PICTURES, "--json", "absent/flow.json"), "does not exist"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert "Traceback" not in result.output
    assert not list(Path().glob("fmq-flow-*")), "a folder that would pass for a run that was stopped"


def test_names_said_twice_are_the_registries() -> None:
    assert tuple(SAMPLERS) == command.SAMPLERS


def test_help_teaches() -> None:
    text = CliRunner().invoke(main, ["flow", "--help"]).output
    for expected in ("Examples:", "--features", "--resume", "package.module:factory", "g0 to g4"):
        assert expected in text
