"""``fmq codebook``: certified digits, verdicts on tables, and what it refuses."""

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.optimize import brentq

from fmq_theory.certify import Enclosure
from fmq_theory.claims.oracle import CRITERIA as KNOWN_CRITERIA
from fmq_theory.claims.oracle import SHAPES, design, scaled_law
from fmq_theory.claims.table_file import SHIPPED, read_table
from fmq_theory.cli.codebook import CRITERIA, SOURCES, codebook
from fmq_theory.cli.main import main
from fmq_theory.codebook import Codebook
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import FP4, NF4
from fmq_theory.sources import FAMILIES, Gaussian

MAX_1960 = Path(__file__).resolve().parents[1] / "reference" / "max1960.json"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(codebook, arguments)


def printed(*arguments: str) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def optimal_levels(num_levels: int = 16) -> list[float]:
    report = design(scaled_law("gaussian", None, "1"), num_levels, digits=20)
    return [float(level) for level in report.levels]


def write(levels: object, name: str = "table.json") -> str:
    Path(name).write_text(levels if isinstance(levels, str) else json.dumps(levels))
    return name


def test_choices_are_those_of_the_registries() -> None:
    assert set(SOURCES) == set(FAMILIES)
    assert CRITERIA == KNOWN_CRITERIA
    assert set(SHAPES) <= set(SOURCES)


# --- design -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "digits", "rounded"),
    [
        ("4", "0.0095010080081918861091", "9.5010080081918861091e-3"),
        ("8", "0.00004118508286711748578", "4.1185082867117485781e-5"),
    ],
)
def test_the_gaussian_goals(bits: str, digits: str, rounded: str) -> None:
    result = run("--source", "gaussian", "--bits", bits)
    assert result.exit_code == 0
    line = next(line for line in result.output.splitlines() if line.startswith("distortion"))
    assert digits in line
    assert float(line.split("+/-")[1]) <= 1e-20
    assert rounded in result.output
    assert "CERTIFIED" in result.output


def test_printed_levels_are_optimal_by_another_route() -> None:
    report = printed("--source", "logistic", "--bits", "3")
    levels = [Enclosure.from_json(level) for level in report["levels"]]  # type: ignore[attr-defined]
    floats = np.array([float(level) for level in levels])
    from fmq_theory.sources import Logistic

    source = Logistic().standard_deviation_one()
    book = Codebook.nearest(floats)
    edges = book.edges()
    moments = source.partial_moments(edges[:-1], edges[1:])
    np.testing.assert_allclose(floats, np.asarray(moments.first) / np.asarray(moments.mass), atol=1e-12)
    value = Enclosure.from_json(report["distortion"])
    assert float(value) == pytest.approx(distortion(book, source), rel=1e-12)
    assert value.radius < 1e-25


def test_scale_is_the_standard_deviation() -> None:
    one, ten = (
        Enclosure.from_json(printed("--source", "laplace", "--bits", "2", "--scale", scale)["distortion"])
        for scale in ("1", "10")
    )
    assert float(one) == pytest.approx(0.176195, abs=1e-6)  # theory.md, section 9
    assert (one * 100).overlaps(ten)


def test_small_scales_keep_their_digits() -> None:
    one = Enclosure.from_json(printed("--source", "gaussian", "--bits", "2")["distortion"])
    tiny = Enclosure.from_json(
        printed("--source", "gaussian", "--bits", "2", "--scale", "1e-9", "--digits", "12")["distortion"]
    )
    assert (tiny * 10**18).overlaps(one)
    assert (tiny * 10**18).radius < 1e-11


def test_levels_far_out_in_a_tail_cost_no_digits() -> None:
    """Df = 2.001: the outer levels lie near 10^61 and their squares would drown the distortion."""
    report = printed("--source", "student-t", "--df", "2.001", "--levels", "32", "--digits", "12")
    assert report["verdict"] == "INCONCLUSIVE"
    found = Enclosure.from_json(report["distortion"])
    assert found.radius < 1e-11
    assert 0 < found.lower < 1


@pytest.mark.parametrize(
    ("criterion", "gaussian", "laplace"),
    [("mse", 0.0345478, 0.0544760), ("equal-mass", 0.0549657, 0.132444), ("uniform", 0.0374397, 0.0708214)],
)
def test_criteria_agree_with_the_table(criterion: str, gaussian: float, laplace: float) -> None:
    for source, expected in (("gaussian", gaussian), ("laplace", laplace)):
        report = printed("--source", source, "--bits", "3", "--criterion", criterion)
        assert float(Enclosure.from_json(report["distortion"])) == pytest.approx(expected, rel=2e-5)
    if criterion == "equal-mass":
        assert Enclosure.from_json(report["entropy_bits"]).contains(3)


def test_shannon_bound_of_the_gaussian() -> None:
    report = printed("--source", "gaussian", "--bits", "4")
    bound = Enclosure.from_json(report["shannon_at_levels"])
    assert bound.contains(Fraction(1, 256))  # sigma^2 2^(-2R)
    text = run("--source", "gaussian", "--bits", "4").output
    assert "3.860 dB" in text  # 10 log10(256 * .009501008)


def test_max_1960_agrees_but_for_its_last_entry() -> None:
    table = json.loads(MAX_1960.read_text())
    for num_levels, text in zip(table["levels"], table["mean_squared_error"], strict=True):
        report = printed("--source", "gaussian", "--levels", str(num_levels))
        value = Enclosure.from_json(report["distortion"])
        last_digit = Fraction(1, 10 ** len(text.partition(".")[2]))
        agrees = abs(value.midpoint - Fraction(text)) <= 5 * last_digit
        assert agrees == (num_levels != 32)
        if num_levels == 32:
            shortfall = 1 - Fraction(text) / value.midpoint
            assert float(shortfall) == pytest.approx(0.0023, abs=1e-4)
            assert float(value) == pytest.approx(0.00250467, abs=5e-9)


def test_without_a_proof_the_verdict_says_so_and_the_enclosure_is_given() -> None:
    report = printed("--source", "student-t", "--df", "3", "--levels", "20", "--digits", "10")
    assert report["verdict"] == "INCONCLUSIVE"
    optimum, reached = (Enclosure.from_json(report[key]) for key in ("optimum", "distortion"))
    assert 0 < optimum.lower < reached.lower
    assert "Shannon" in str(report["proof"])
    assert "INCONCLUSIVE" in run("--source", "student-t", "--df", "3", "--levels", "20").output


def test_the_gamma_optimum_is_not_symmetric() -> None:
    report = printed("--source", "gamma", "--levels", "2", "--digits", "15")
    assert report["verdict"] == "CERTIFIED"
    low, high = (Enclosure.from_json(level) for level in report["levels"])  # type: ignore[attr-defined]
    assert not (low + high).contains(0)


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
    assert worse.greater_than(nearest) is True
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


# --- bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("3", "neither a list"),
        ('"nf4"', "neither a list"),
        ('{"values": [1, 2]}', "levels"),
        ('{"levels": 3}', "not a list"),
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bits", "4"), "--source"),
        (("--source", "cauchy", "--bits", "4"), "student-t"),
        (("--source", "student-t", "--df", "2", "--bits", "2"), "df must exceed 2"),
        (("--source", "student-t", "--df", "nan", "--bits", "2"), "not a finite"),
        (("--source", "gaussian", "--df", "3", "--bits", "2"), "--df does not belong"),
        (("--source", "gaussian", "--scale", "0", "--bits", "2"), "not positive"),
        (("--source", "gaussian", "--scale", "x", "--bits", "2"), "not a finite"),
        (("--source", "gaussian", "--scale", "1e999999999", "--bits", "2"), "outside"),
        (("--source", "gaussian", "--scale", "1e-200", "--bits", "2"), "outside"),
        (("--source", "gamma", "--shape", "1e-9", "--bits", "2"), "outside"),
        (("--source", "gaussian"), "--bits or --levels"),
        (("--source", "gaussian", "--bits", "2", "--levels", "4"), "--bits or --levels"),
        (("--source", "gaussian", "--levels", "0"), "1 to 1024"),
        (("--source", "gaussian", "--levels", "5000"), "1 to 1024"),
        (("--source", "gaussian", "--levels", "1", "--criterion", "uniform"), "two levels"),
        (("--source", "gaussian", "--bits", "2", "--digits", "0"), "--digits"),
        (("--source", "gaussian", "--bits", "2", "--tolerance", "0.1"), "--check"),
        (("--source", "gaussian", "--check", "nf4", "--bits", "4"), "takes the size"),
        (("--source", "gaussian", "--check", "nf4", "--tolerance", "-1"), "--tolerance"),
        (("--source", "gaussian", "--check", "absent.json"), "absent.json"),
        (("--source", "gaussian", "--bits", "2", "--json", "absent/out.json"), "does not exist"),
    ],
)
def test_bad_options_are_one_clear_line_and_exit_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_json_goes_to_the_file_named_and_never_over_another() -> None:
    assert run("--source", "gaussian", "--bits", "1", "--json", "out.json").exit_code == 0
    first = Path("out.json").read_text()
    refused = run("--source", "gaussian", "--bits", "2", "--json", "out.json")
    assert refused.exit_code == 2
    assert Path("out.json").read_text() == first
    assert run("--source", "gaussian", "--bits", "2", "--json", "out.json", "--force").exit_code == 0
    assert json.loads(Path("out.json").read_text())["num_levels"] == 4


def test_group_has_the_command_and_teaches() -> None:
    result = CliRunner().invoke(main, ["codebook", "--help"])
    assert result.exit_code == 0
    for expected in ("Examples:", "--check", "nf4", "INCONCLUSIVE"):
        assert expected in result.output


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
    ],
)
def test_bad_levels_are_named(level: str, message: str) -> None:
    result = run("--source", "gaussian", "--check", write(f"[-1, {level}]"))
    assert result.exit_code == 2
    assert "level 1" in result.output
    assert message in result.output
    assert "Traceback" not in result.output


# --- at its best scale ------------------------------------------------------------------------------


def test_best_scale_judges_the_scaled_table() -> None:
    given = printed("--source", "gaussian", "--check", "nf4")
    scaled = printed("--source", "gaussian", "--check", "nf4", "--best-scale")
    assert given["scaled_by"] is None
    assert float(Enclosure.from_json(scaled["scaled_by"])) == pytest.approx(2.863062901, rel=1e-9)
    assert float(Enclosure.from_json(scaled["excess"])) == pytest.approx(0.041923, abs=1e-6)
    assert scaled["scale"]["verdict"] == "CERTIFIED"  # type: ignore[index]
    assert Enclosure.from_json(given["excess"]).greater_than(Enclosure.from_json(scaled["excess"])) is True
    accepted = run("--source", "gaussian", "--check", "nf4", "--best-scale", "--tolerance", "0.042")
    refused = run("--source", "gaussian", "--check", "nf4", "--best-scale", "--tolerance", "0.0419")
    assert (accepted.exit_code, refused.exit_code) == (0, 1)
    assert "no other is as good" in accepted.output
    alone = run("--source", "gaussian", "--bits", "2", "--best-scale")
    assert alone.exit_code == 2
    assert "--check" in alone.output


# --- equal steps ------------------------------------------------------------------------------------


def test_equal_steps_off_centre_are_found_and_what_is_claimed_is_proven() -> None:
    report = printed("--source", "gamma", "--levels", "4", "--criterion", "uniform")
    assert report["verdict"] == "CERTIFIED"
    assert "steps and offsets" in str(report["proof"])
    assert float(Enclosure.from_json(report["distortion"])) == pytest.approx(
        0.2329809235, rel=1e-9
    )  # not .3199803


@pytest.mark.slow
def test_beyond_the_searched_sizes_the_best_grid_is_called_found() -> None:
    many = printed("--source", "laplace", "--levels", "130", "--criterion", "uniform", "--digits", "8")
    assert many["verdict"] == "INCONCLUSIVE"
    assert "not certified" in str(many["proof"])
    least, found = (Enclosure.from_json(many[key]) for key in ("least_of_kind", "distortion"))
    assert 0 < least.lower < found.lower


def test_nothing_is_above_the_least_by_a_negative_share() -> None:
    """K = 2: the best grid is the best codebook, and better than the symmetric one that bounded it."""
    for arguments in (
        ("gamma", "2", "uniform"),
        ("laplace", "2", "uniform"),
        ("gaussian", "2", "equal-mass"),
    ):
        source, levels, criterion = arguments
        text = run("--source", source, "--levels", levels, "--criterion", criterion).output
        line = next(line for line in text.splitlines() if line.startswith("above the least"))
        assert "-" not in line.replace("e-", "")
        report = printed("--source", source, "--levels", levels, "--criterion", criterion)
        optimum, value = (Enclosure.from_json(report[key]) for key in ("optimum", "distortion"))
        assert optimum.lower <= value.upper
        assert optimum.upper <= value.upper
