"""``fmq bounds``: what it accepts, what it refuses, what it leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fmq_theory.cli.bounds import TAILS, bounds
from fmq_theory.cli.main import main
from fmq_theory.quantizers import SCHEMES
from fmq_theory.report.comparison import figure
from fmq_theory.sources import FAMILIES

SMALL = ("--n", "2000", "--repeats", "2", "--bits", "2-3")


pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(bounds, arguments)


def test_choices_are_those_of_the_registries() -> None:
    assert set(TAILS) == set(FAMILIES)


def test_default_run_prints_everything_and_writes_a_figure(tmp_path: Path) -> None:
    result = run("--tail", "student-t", *SMALL)
    assert result.exit_code == 0, result.output
    for expected in ("Lloyd–Max", "equal mass", "ρ_EM", "Verdict", "Figure:", "in the median sample: "):
        assert expected in result.output
    assert [path.suffix for path in tmp_path.iterdir()] == [".svg"]


def test_the_tables_are_printed_before_the_figure_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(figure, "write_comparison_figure", stopped)
    result = run("--tail", "gaussian", *SMALL, "--schemes", "uniform")
    assert "Verdict" in result.output
    assert "Figure:" not in result.output


@pytest.mark.parametrize("tail", TAILS)
def test_every_tail_runs(tail: str) -> None:
    result = run("--tail", tail, *SMALL, "--schemes", "all", "--no-plot", "--json", "out.json")
    assert result.exit_code == 0, result.output
    report = json.loads(Path("out.json").read_text())
    assert len(report["rows"]) == len(SCHEMES) * 2
    assert report["config"]["tail"] == tail


def test_scale_is_the_standard_deviation() -> None:
    reports = []
    for scale in ("1", "10"):
        name = f"{scale}.json"
        assert run("--tail", "laplace", *SMALL, "--no-plot", "--scale", scale, "--json", name).exit_code == 0
        reports.append(json.loads(Path(name).read_text()))
    for one, ten in zip(reports[0]["rows"], reports[1]["rows"], strict=True):
        assert ten["law_exact"] == pytest.approx(100 * one["law_exact"], rel=1e-9)


def test_shape_parameters_reach_the_law() -> None:
    assert run("--tail", "student-t", "--df", "5", *SMALL, "--no-plot", "--json", "five.json").exit_code == 0
    report = json.loads(Path("five.json").read_text())
    assert report["config"]["df"] == 5.0
    orders = [row["order_predicted"] for row in report["rows"] if row["scheme"] == "equal_mass"]
    assert orders == pytest.approx([0.6, 0.6])  # 1 - 2 / df


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--tail NAME"),
        (("--tail", "gaussian", "--checkpoint", "x.pt"), "--tail NAME"),
        (("--tail", "cauchy"), "student-t"),
        (("--tail", "student-t", "--df", "2"), "df > 2"),
        (("--tail", "student-t", "--df", "-1"), "df"),
        (("--tail", "student-t", "--df", "nan"), "df"),
        (("--tail", "gaussian", "--df", "3"), "--df does not belong"),
        (("--tail", "gaussian", "--scale", "0"), "--scale"),
        (("--tail", "gaussian", "--scale", "nan"), "--scale"),
        (("--tail", "gaussian", "--bits", "0-3"), "bits"),
        (("--tail", "gaussian", "--bits", "two"), "bits"),
        (("--tail", "gaussian", "--bits", "8-2"), "bits"),
        (("--tail", "gaussian", "--n", "1"), "--n"),
        (("--tail", "gaussian", "--repeats", "0"), "--repeats"),
        (("--tail", "gaussian", "--schemes", "loyd_max"), "lloyd_max"),
        (("--tail", "gaussian", "--schemes", ","), "at least one"),
        (("--tail", "gaussian", "--granularity", "tensor"), "no meaning with --tail"),
        (("--tail", "gaussian", "--plot", "figure.bmp"), ".svg"),
        (("--tail", "gaussian", "--plot", "absent/figure.svg"), "does not exist"),
        (("--checkpoint", "absent.pt"), "absent.pt"),
        (("--checkpoint", "absent.pt", "--n", "10"), "no meaning with --checkpoint"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_corrupt_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"\x00" * 40)
    result = run("--checkpoint", "bad.safetensors", "--json", "out.json")
    assert result.exit_code == 2
    assert "bad.safetensors" in result.output
    assert not Path("out.json").exists()


def test_named_outputs_are_not_replaced_without_force() -> None:
    Path("out.json").write_text("mine")
    refused = run("--tail", "gaussian", *SMALL, "--no-plot", "--json", "out.json")
    assert refused.exit_code == 2
    assert Path("out.json").read_text() == "mine"
    assert run("--tail", "gaussian", *SMALL, "--no-plot", "--json", "out.json", "--force").exit_code == 0
    assert json.loads(Path("out.json").read_text())["verdict"]


def test_default_figure_is_renewed_by_the_same_run() -> None:
    assert run("--tail", "gaussian", *SMALL).exit_code == 0
    assert run("--tail", "gaussian", *SMALL).exit_code == 0


def test_same_seed_same_report() -> None:
    for name in ("a.json", "b.json"):
        assert run("--tail", "gaussian", *SMALL, "--seed", "7", "--no-plot", "--json", name).exit_code == 0
    assert Path("a.json").read_text() == Path("b.json").read_text()


def test_checkpoint_run(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.randn(3, 64, generator=torch.Generator().manual_seed(0))}, "model.pt")
    result = run("--checkpoint", "model.pt", "--bits", "2,4", "--json", "out.json", "--csv", "out.csv")
    assert result.exit_code == 0, result.output
    report = json.loads(Path("out.json").read_text())
    assert report["config"]["granularity"] == "channel"
    assert report["tensors"][0]["name"] == "w"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".json", ".pt", ".svg"]


def test_group_has_the_command_and_teaches() -> None:
    result = CliRunner().invoke(main, ["bounds", "--help"])
    assert result.exit_code == 0
    for expected in ("Examples:", "--checkpoint", "rho_EM", "generalized-gaussian"):
        assert expected in result.output


@pytest.mark.deep
def test_module_and_command_are_the_same_program() -> None:
    arguments = [sys.executable, "-m", "fmq_theory.bounds", "--tail", "gaussian", *SMALL, "--no-plot"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Verdict" in done.stdout
    assert done.stderr == ""  # no progress bar in a pipe


@pytest.mark.parametrize(
    "law",
    [
        pytest.param(("--tail", "student-t", "--df", "2.01"), marks=pytest.mark.deep),
        pytest.param(("--tail", "gamma", "--shape", "0.05"), marks=pytest.mark.deep),
        pytest.param(("--tail", "generalized-gaussian", "--beta", "0.1"), marks=pytest.mark.deep),
        ("--tail", "gaussian", "--scale", "1e74"),
        ("--tail", "laplace", "--scale", "1e-74"),
    ],
)
def test_extreme_laws_run_without_a_warning(law: tuple[str, ...]) -> None:
    # pytest turns warnings into errors, so an overflow that escapes is a failure here.
    result = run(*law, "--n", "1000", "--repeats", "2", "--no-plot", "--json", "out.json")
    assert result.exit_code == 0, result.output
    rows = [r for r in json.loads(Path("out.json").read_text())["rows"] if r["scheme"] == "lloyd_max"]
    assert [row["bits"] for row in rows] == list(range(2, 9))
    for row in rows:
        assert 0 < row["law_exact"] <= row["law_upper"] * (1 + 1e-9)


def test_a_law_needs_no_torch(tmp_path: Path) -> None:
    """It takes seconds and memory to load, and serves checkpoints and flows alone."""
    code = (
        "import sys\n"
        "from fmq_theory.cli.bounds import bounds\n"
        "bounds(sys.argv[1:], standalone_mode=False)\n"
        "dear = {'ot', 'torch', 'torchmetrics', 'torchdiffeq', 'sympy', 'sklearn', 'networkx'}\n"
        "print(sorted(dear & set(sys.modules)))"
    )
    arguments = ("--tail", "laplace", "--bits", "2", "--n", "2000", "--repeats", "2", "--no-plot")
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    # Control: what the run does need is seen.
    assert done.stdout.splitlines()[-1] == "['ot']"
