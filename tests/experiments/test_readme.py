"""The README's numbers are those of the saved run, and the saved run is what the code gives."""

import copy
import json

import pytest

from experiments.readme import README, RESULTS, Config, is_current, readme_with, run, table

results = json.loads(RESULTS.read_text(encoding="utf-8"))


def test_readme_shows_the_saved_numbers() -> None:
    assert is_current(README.read_text(encoding="utf-8"), results)


def test_a_changed_number_is_noticed() -> None:
    changed = copy.deepcopy(results)
    changed["laws"]["Gaussian"]["ratios"][3]["rho_em"] += 0.01
    assert not is_current(README.read_text(encoding="utf-8"), changed)


def test_lost_markers_are_an_error() -> None:
    with pytest.raises(ValueError, match="markers"):
        readme_with("no markers here", table(results))


def test_exact_values_of_the_saved_run_are_those_of_the_code() -> None:
    # The law's own values do not depend on the samples, so two small ones are enough to see them.
    small = run(Config(n=10_000, repeats=1, schemes=("equal_mass", "lloyd_max"), bits=(2, 8)))
    for words, comparison in small.items():
        saved = {(row["scheme"], row["bits"]): row for row in results["laws"][words]["rows"]}
        for row in comparison.rows:
            expected = saved[row.scheme, row.bits]
            assert row.distortion_exact == pytest.approx(expected["distortion_exact"], rel=1e-9)
            assert row.bound_upper == pytest.approx(expected["bound_upper"], rel=1e-9)


def test_a_codebook_designed_on_a_sample_can_beat_the_law_s_optimum_on_it() -> None:
    # What docs/limitations.md says of 8 bits and a million Student-t weights.
    rows = results["laws"]["Student-t, 4 degrees of freedom"]["rows"]
    row = next(row for row in rows if (row["scheme"], row["bits"]) == ("lloyd_max", 8))
    assert row["distortion_hi"] < row["distortion_exact"]


@pytest.mark.slow
def test_saved_ratios_come_out_again() -> None:
    for words, comparison in run(Config()).items():
        for row, saved in zip(comparison.ratios, results["laws"][words]["ratios"], strict=True):
            assert row.rho_em == pytest.approx(saved["rho_em"], rel=1e-6)
            assert row.rho_w2 == pytest.approx(saved["rho_w2"], rel=1e-6)
