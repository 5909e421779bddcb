"""JSON and CSV: absent values are null, infinite ones "inf", and a file is whole or not there."""

import csv
import json
import math
from pathlib import Path

import pytest

from fmq_theory.claims import Comparison, Row, compare_law
from fmq_theory.claims.comparison.rows import ratio_row
from fmq_theory.errors import OutputError
from fmq_theory.report import check_writable, comparison_as_json, write_atomically, write_csv, write_json
from fmq_theory.sources import Gaussian


@pytest.fixture
def comparison() -> Comparison:
    rows = (
        Row("equal_mass", 2, 4, own_hat=0.1, law_upper=math.inf, order_predicted=1.0),
        Row("nf4", 2, 4, note="16 levels only"),
    )
    ratios = (ratio_row(2, [0.3, 0.31], [math.nan]),)
    return Comparison("a law", {"n": 10}, rows, ratios, None, "No verdict.")


def test_absent_is_null_and_infinite_is_the_word(comparison: Comparison) -> None:
    report = comparison_as_json(comparison)
    assert report["rows"][0]["law_upper"] == "inf"
    assert report["rows"][0]["law_high_rate"] is None
    assert report["rows"][1]["own_hat"] is None
    assert report["ratios"][0]["rho_em"] is None
    assert report["crossover_bits"] is None
    json.dumps(report, allow_nan=False)


def test_report_has_the_documented_keys(comparison: Comparison) -> None:
    report = comparison_as_json(comparison)
    assert {"config", "rows", "ratios", "crossover_bits", "verdict"} <= report.keys()
    row_keys = (
        "scheme bits num_levels own_hat own_lo own_hi own_exact own_upper fresh_hat fresh_exact fresh_lower "
        "law_exact law_upper law_high_rate order_predicted w2_squared_pot entropy_bits effective_bits"
    )
    assert set(row_keys.split()) <= report["rows"][0].keys()
    assert {"bits", "rho_w2", "rho_em", "rho_w2_in_band", "rho_em_in_band"} <= report["ratios"][0].keys()
    assert report["environment"]["numpy"]


def test_the_report_says_of_what_its_intervals_are() -> None:
    found = compare_law(Gaussian(), "a law", bits=(2, 4), schemes=("uniform",), n=256, repeats=6, seed=0)
    report = comparison_as_json(found)
    assert report["intervals"]["of"] == "median"
    (row, _) = report["rows"]
    assert row["own_lo"] <= row["own_median"] <= row["own_hi"]
    assert report["crossover_bits_least"] < report["crossover_bits"] < report["crossover_bits_most"]
    assert not any(key.startswith("crossover") and key.endswith(("_lo", "_hi")) for key in report)
    few = compare_law(Gaussian(), "a law", bits=(2, 4), schemes=("uniform",), n=256, repeats=3, seed=0)
    assert comparison_as_json(few)["rows"][0]["own_lo"] is None
    assert any("no interval; pass --repeats 6" in note for note in few.notes)


def test_json_round_trip(comparison: Comparison, tmp_path: Path) -> None:
    write_json(comparison, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == comparison_as_json(comparison)


def test_csv_has_one_line_a_row(comparison: Comparison, tmp_path: Path) -> None:
    write_csv(comparison, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [line["scheme"] for line in table] == ["equal_mass", "nf4"]
    assert table[0]["law_upper"] == "inf"
    assert table[1]["own_hat"] == ""


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")

    def fail(place: Path) -> None:
        place.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        write_atomically(target, fail)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(_place: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "out.txt", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_outputs_are_refused_before_the_work(tmp_path: Path) -> None:
    present = tmp_path / "out.json"
    present.write_text("{}")
    with pytest.raises(OutputError, match="overwrite=True"):
        check_writable(present, overwrite=False)
    check_writable(present, overwrite=True)
    check_writable(tmp_path / "new.json", overwrite=False)
    with pytest.raises(OutputError, match="does not exist"):
        check_writable(tmp_path / "absent" / "out.json", overwrite=True)
    with pytest.raises(OutputError, match="folder"):
        check_writable(tmp_path, overwrite=True)
