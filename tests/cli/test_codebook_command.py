"""``fmq codebook``: certified digits of what it designs, its options, and what it refuses."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fmq_theory.certify import Enclosure
from fmq_theory.claims.oracle.design import CRITERIA as KNOWN_CRITERIA
from fmq_theory.claims.oracle.design import SHAPES
from fmq_theory.cli.codebook import CRITERIA, SOURCES
from fmq_theory.cli.main import main
from fmq_theory.codebook import Codebook
from fmq_theory.metrics import distortion
from fmq_theory.sources import FAMILIES
from proofs_check.check_certificate import RefusedError, check
from proofs_check.independent.reading import read
from tests.cli.codebook_runs import printed, run

MAX_1960 = Path(__file__).resolve().parents[1] / "reference" / "max1960.json"


pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


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


# --- the certificate in the JSON --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--source", "gaussian", "--levels", "4"), "log f is concave"),
        (("--source", "laplace", "--levels", "3", "--scale", "3/7", "--digits", "50"), "log f is concave"),
        (("--source", "logistic", "--levels", "2", "--scale", "1e-9", "--digits", "12"), "log f is concave"),
        (("--source", "uniform", "--levels", "1"), "log f is concave"),
        (("--source", "student-t", "--levels", "2"), "by a search made again"),
        (("--source", "gamma", "--levels", "2"), "by a search made again"),
        (("--source", "generalized-gaussian", "--beta", "3", "--levels", "2", "--scale", "1e6"), "concave"),
        (("--source", "student-t", "--df", "3", "--levels", "20", "--digits", "10"), "stationary only"),
    ],
)
def test_one_json_for_the_oracle_and_for_the_independent_checker(options: tuple[str, ...], said: str) -> None:
    assert run(*options, "--json", "made.json").exit_code == 0
    assert said in check(read(Path("made.json")))
    if options[3] == "1":
        return  # the oracle judges tables of two levels or more
    law = [x for name, x in zip(options[::2], options[1::2], strict=True) if name in ("--df", "--beta")]
    scale = dict(zip(options[::2], options[1::2], strict=True)).get("--scale", "1")
    shape = (options[2], law[0]) if law else ()
    judged = run("--source", options[1], *shape, "--scale", scale, "--check", "made.json")
    assert "CERTIFIED optimal" in judged.output or said == "stationary only"


@pytest.mark.parametrize(
    "name", ["levels", "thresholds", "entropy_bits", "shannon_at_levels", "shannon_at_entropy"]
)
def test_a_number_beside_the_certificate_is_checked_too(name: str) -> None:
    report = json.loads(json.dumps(printed("--source", "laplace", "--levels", "2", "--scale", "3/7")))
    assert "verified" in check(report)
    number = report[name][0] if isinstance(report[name], list) else report[name]
    for end in ("lower", "upper"):
        number[end] = f"{Decimal(number[end]) + Decimal('1e-20'):f}".rstrip("0").rstrip(".")
    with pytest.raises(RefusedError, match=name.rstrip("s")):
        check(report)


def test_what_is_not_proven_is_not_called_proven() -> None:
    report = printed("--source", "student-t", "--df", "3", "--levels", "20", "--digits", "10")
    data = json.loads(json.dumps(report))
    assert check(data).endswith("no codebook is below the optimum's lower end")  # Shannon's bound
    data["optimum"]["lower"] = data["least_of_kind"]["lower"] = data["distortion"]["lower"]
    with pytest.raises(RefusedError, match="lower end"):
        check(data)
    data["proof"] = "the search ran out of effort before it isolated one codebook; the optimum is enclosed"
    assert check(data).endswith("was not checked")
    data["verdict"] = "CERTIFIED"
    with pytest.raises(RefusedError, match="verdict"):
        check(data)


def test_a_codebook_without_a_certificate_is_refused_by_the_checker() -> None:
    for criterion in ("equal-mass", "uniform"):
        report = printed("--source", "laplace", "--levels", "2", "--criterion", criterion)
        assert report["certificate"] is None
        with pytest.raises(RefusedError, match="no certificate"):
            check(report)


# --- equal steps ------------------------------------------------------------------------------------


def test_equal_steps_off_centre_are_found_and_what_is_claimed_is_proven() -> None:
    report = printed("--source", "gamma", "--levels", "4", "--criterion", "uniform")
    assert report["verdict"] == "CERTIFIED"
    assert "steps and offsets" in str(report["proof"])
    assert float(Enclosure.from_json(report["distortion"])) == pytest.approx(
        0.2329809235, rel=1e-9
    )  # not .3199803


@pytest.mark.deep
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


# --- options ----------------------------------------------------------------------------------------


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
