"""``fmq codebook --check``: verdicts on tables, what ``--json`` wrote read again, and tables it refuses."""

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from fmq_theory.certify import Enclosure
from fmq_theory.claims.oracle.design import CRITERIA as KNOWN_CRITERIA
from fmq_theory.claims.oracle.design import design, scaled_law
from fmq_theory.claims.oracle.table_file import SHIPPED, read_table
from fmq_theory.codebook import Codebook
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import FP4, NF4
from fmq_theory.sources import Gaussian
from tests.cli.codebook_runs import printed, run


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def optimal_levels(num_levels: int = 16) -> list[float]:
    report = design(scaled_law("gaussian", None, "1"), num_levels, digits=20)
    return [float(level) for level in report.levels]


def write(levels: object, name: str = "table.json") -> str:
    Path(name).write_text(levels if isinstance(levels, str) else json.dumps(levels))
    return name


# --- tables -----------------------------------------------------------------------------------------


def wrong_table(spread: float) -> list[float]:
    """A "Lloyd-Max" table of N(0,1) with mean squared error .014081: right levels, wrong scale.

    The optimal 16 levels times the factor, between 1 and ``spread``, that gives this error; five decimals.
    """
    levels = np.array(optimal_levels())

    def miss(factor: float) -> float:
        return distortion(Codebook.nearest(factor * levels), Gaussian()) - 0.014081

    factor = brentq(miss, 1.0, spread)
    return [round(float(level), 5) for level in factor * levels]


@pytest.mark.parametrize("spread", [0.5, 2.0], ids=["too narrow", "too wide"])
def test_a_wrong_four_bit_table_is_48_percent_above_the_optimum(spread: float) -> None:
    levels = wrong_table(spread)
    text = run("--source", "gaussian", "--check", write(levels)).output
    assert re.search(r"mean squared error +0\.01408", text)
    assert re.search(r"CERTIFIED not optimal: 48\.\d+ % above the optimum", text)
    report = printed("--source", "gaussian", "--check", "table.json")
    assert float(Enclosure.from_json(report["excess"])) == pytest.approx(0.014081 / 0.00950101 - 1, abs=1e-3)
    # The centroid condition fails at every level but none of the thresholds is wrong; a multiple mends it.
    assert len(report["failing_levels"]) == 16  # type: ignore[arg-type]
    assert report["failing_thresholds"] == []
    scale = report["scale"]
    assert isinstance(scale, dict)
    assert float(Enclosure.from_json(scale["factor"])) == pytest.approx(
        optimal_levels()[-1] / levels[-1], rel=1e-4
    )
    assert Enclosure.from_json(scale["excess"]).upper < 1e-6
    assert "affine" not in text  # the shift of the best affine map is the decimals' rounding


def test_the_optimum_itself_is_certified_within_its_own_rounding() -> None:
    name = write([round(level, 6) for level in optimal_levels()])
    result = run("--source", "gaussian", "--check", name, "--tolerance", "1e-6")
    assert result.exit_code == 0
    assert "CERTIFIED optimal to within" in result.output
    assert "centroid              holds" in result.output
    assert "no codebook at all lowers" in result.output


def test_a_shifted_table_is_mended_by_the_shift() -> None:
    report = printed("--source", "gaussian", "--check", write([level + 0.1 for level in optimal_levels()]))
    affine = report["affine"]
    assert isinstance(affine, dict)
    assert float(Enclosure.from_json(affine["shift"])) == pytest.approx(-0.1, abs=1e-5)
    assert Enclosure.from_json(affine["excess"]).upper < 1e-6


def test_a_moved_threshold_is_found() -> None:
    levels = optimal_levels(4)
    thresholds = [float(cut) for cut in Codebook.nearest(levels).thresholds]
    thresholds[2] += 0.05
    name = write({"levels": levels, "thresholds": thresholds})
    report = printed("--source", "gaussian", "--check", name)
    assert report["failing_thresholds"] == [2]
    assert report["failing_levels"] == [2, 3]  # the two cells that meet there
    worse, nearest = (Enclosure.from_json(report[key]) for key in ("distortion", "nearest_distortion"))
    assert nearest.less_than(worse) is True
    assert "threshold 2 is +0.05" in run("--source", "gaussian", "--check", name).output


def test_a_stationary_table_that_is_not_optimal_is_told_apart() -> None:
    """-E|X|, E|X| satisfies both conditions on exp(-|x|^(1/2)), whose optimum is not symmetric."""
    name = write([-0.547722557505, 0.547722557505])  # E|X|/sigma = 6/sqrt(120)
    report = printed("--source", "generalized-gaussian", "--beta", "1/2", "--check", name)
    assert report["failing_levels"] == []
    assert report["failing_thresholds"] == []
    assert "not optimal" in str(report["verdict"])
    text = run("--source", "generalized-gaussian", "--beta", "1/2", "--check", name).output
    assert "necessary, not sufficient" in text
    assert float(Enclosure.from_json(report["excess"])) == pytest.approx(84 / 77.8322 - 1, abs=1e-5)


def test_shipped_tables_are_those_of_the_schemes() -> None:
    for name, scheme in (("nf4", NF4()), ("fp4", FP4())):
        levels = np.array([float(level) for level in read_table(name).levels])
        np.testing.assert_allclose(levels / levels[-1], scheme.table(), rtol=1e-15)
    assert SHIPPED == ("nf4", "fp4")


def test_nf4_needs_a_scale_and_then_misses_by_four_percent() -> None:
    report = printed("--source", "gaussian", "--check", "nf4")
    scale = report["scale"]
    assert isinstance(scale, dict)
    factor = float(Enclosure.from_json(scale["factor"]))
    assert scale["verdict"] == "CERTIFIED"
    by_floats = distortion(Codebook.nearest(factor * NF4().table()), Gaussian())
    assert float(Enclosure.from_json(scale["distortion"])) == pytest.approx(by_floats, rel=1e-9)
    grid = [distortion(Codebook.nearest(s * NF4().table()), Gaussian()) for s in np.linspace(1, 6, 501)]
    assert by_floats <= min(grid)  # the search was not caught in a local minimum
    assert float(Enclosure.from_json(scale["excess"])) == pytest.approx(0.0419, abs=1e-4)


def test_a_file_of_the_same_name_comes_before_the_shipped_one() -> None:
    write([-1, 1], "nf4")
    assert len(read_table("nf4").levels) == 2


def test_far_and_dead_levels_are_measured() -> None:
    dead = printed("--source", "uniform", "--check", write([-0.5, 0.5, 10, 20]))
    assert dead["centroid_defects"][3] is None  # type: ignore[index]
    far = printed("--source", "gaussian", "--check", write([-20, -0.5, 0.5, 20]))
    assert far["centroid_defects"][0] is not None  # type: ignore[index]
    write([-0.5, 0.5, 10, 20])
    assert "no mass" in run("--source", "uniform", "--check", "table.json").output


def test_tolerance_decides_the_exit_code() -> None:
    name = write([-1.0, 1.0])
    assert run("--source", "gaussian", "--check", name).exit_code == 0
    assert run("--source", "gaussian", "--check", name, "--tolerance", "0.5").exit_code == 0
    failed = run("--source", "gaussian", "--check", name, "--tolerance", "0.01")
    assert failed.exit_code == 1
    assert "not proven" in failed.output


# --- at its best scale ------------------------------------------------------------------------------


def test_best_scale_judges_the_scaled_table() -> None:
    given = printed("--source", "gaussian", "--check", "nf4")
    scaled = printed("--source", "gaussian", "--check", "nf4", "--best-scale")
    assert given["scaled_by"] is None
    assert float(Enclosure.from_json(scaled["scaled_by"])) == pytest.approx(2.863062901, rel=1e-9)
    assert float(Enclosure.from_json(scaled["excess"])) == pytest.approx(0.041923, abs=1e-6)
    assert scaled["scale"]["verdict"] == "CERTIFIED"  # type: ignore[index]
    assert Enclosure.from_json(scaled["excess"]).less_than(Enclosure.from_json(given["excess"])) is True
    accepted = run("--source", "gaussian", "--check", "nf4", "--best-scale", "--tolerance", "0.042")
    refused = run("--source", "gaussian", "--check", "nf4", "--best-scale", "--tolerance", "0.0419")
    assert (accepted.exit_code, refused.exit_code) == (0, 1)
    assert "no other is as good" in accepted.output
    alone = run("--source", "gaussian", "--bits", "2", "--best-scale")
    assert alone.exit_code == 2
    assert "--check" in alone.output


# --- what the command writes, the command reads -----------------------------------------------------


@pytest.mark.parametrize("criterion", KNOWN_CRITERIA)
@pytest.mark.parametrize(("source", "scale"), [("gaussian", "1"), ("logistic", "0.002")])
def test_what_json_writes_check_reads_to_the_digits(criterion: str, source: str, scale: str) -> None:
    law = ("--source", source, "--scale", scale)
    made = run(*law, "--levels", "4", "--criterion", criterion, "--digits", "25", "--json", "made.json")
    assert made.exit_code == 0, made.output
    given = json.loads(Path("made.json").read_text())
    checked = printed(*law, "--check", "made.json", "--digits", "25")
    before, after = (Enclosure.from_json(report["distortion"]) for report in (given, checked))
    assert abs(before.midpoint - after.midpoint) <= Fraction(2, 10**25)
    assert checked["failing_thresholds"] == ([] if criterion != "equal-mass" else [0, 2])
    words = str(checked["verdict"])
    assert ("CERTIFIED optimal" in words) == (criterion == "mse")
    read = read_table("made.json")
    for level, entry in zip(read.levels, given["levels"], strict=True):
        assert Enclosure.from_json(entry).contains(level)
    # A near wrong input: one level moved by a thousandth of the law's deviation is told apart.
    given["levels"][0]["lower"] = str(float(given["levels"][0]["lower"]) - float(scale) / 500)
    Path("moved.json").write_text(json.dumps(given))
    moved = Enclosure.from_json(printed(*law, "--check", "moved.json", "--digits", "25")["distortion"])
    assert abs(moved.midpoint - after.midpoint) > Fraction(1, 10**20)


def test_every_way_to_write_a_level_is_the_same_level() -> None:
    ways: list[object] = [0.5, "0.5", "1/2", {"lower": "0.4", "upper": "0.6"}]
    for way in ways:
        assert read_table(write([-1, way])).levels == (-1, Fraction(1, 2))
    certificate = {"format": "fmq-certificate-1", "levels": [-1, ways[3]], "thresholds": ["-1/4"], "more": 1}
    assert read_table(write(certificate)).thresholds == (Fraction(-1, 4),)
    for wrong in ("3/5", {"lower": "0.4", "upper": "0.7"}):
        assert read_table(write([-1, wrong])).levels != (-1, Fraction(1, 2))
    text = " ".join(run("--help").output.split())
    for form in (
        "a list of levels",
        '"thresholds"',
        '"p/q"',
        '{"lower": "...", "upper": "..."}',
        "--json writes",
    ):
        assert form in text


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ('{"lower": 1, "upper": 2}', "decimal strings"),
        ('{"lower": "1"}', "decimal strings"),
        ('{"lower": "1", "upper": "1e9999999"}', "decimal strings"),
        ('{"lower": "2", "upper": "1"}', "lower end lies above"),
        ('{"lower": "one", "upper": "two"}', "decimal strings"),
        ('"1/0"', "not a number"),
        ('"1/x"', "not a number"),
        ('"1_0"', "not a number"),
    ],
)
def test_bad_levels_are_named(level: str, message: str) -> None:
    result = run("--source", "gaussian", "--check", write(f"[-1, {level}]"))
    assert result.exit_code == 2
    assert "level 1" in result.output
    assert message in result.output
    assert "Traceback" not in result.output


# --- bad tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("3", "neither a list"),
        ('"nf4"', "neither a list"),
        ('{"values": [1, 2]}', "levels"),
        ('{"levels": 3}', "not a list"),
        ('{"levels": [0, 1], "levels": [0, 2]}', "stands twice"),
        ("[]", "at least two"),
        ("[1.0]", "at least two"),
        ("[1, 0]", "level 1 (0) is below"),
        ("[0, 1, 1.0]", "levels 1 and 2"),
        ("[0, NaN]", "not a finite number"),
        ("[-Infinity, 0]", "not a finite number"),
        ("[0, 1e999999999]", "not a finite number"),
        ("[0, true]", "not a number"),
        ("[0, null]", "not a number"),
        ('[0, "one"]', "not a number"),
        ("[[0, 1]]", "not a number"),
        ('{"levels": [0, 1], "thresholds": [2]}', "not between"),
        ('{"levels": [0, 1], "thresholds": []}', "thresholds"),
        (json.dumps(list(range(2000))), "at most 1024"),
    ],
)
def test_bad_tables_are_one_clear_line_and_exit_2(text: str, message: str) -> None:
    result = run("--source", "gaussian", "--check", write(text))
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert "CERTIFIED" not in result.output
