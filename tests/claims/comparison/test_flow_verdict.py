"""Who wins where, from cells made by hand."""

import math
from dataclasses import replace

import pytest

from fmq_theory.claims.comparison.flow_verdict import flow_verdict, winners_at_bits, winners_within_budget
from fmq_theory.flow.cell import FrechetValues
from fmq_theory.metrics import median_estimate
from tests.claims.comparison.made_flow_report import BITS, SCHEMES, made_cell, made_report


def test_the_highest_mean_wins_at_equal_bits_with_its_lead() -> None:
    found = winners_at_bits(made_report(), "psnr_db")
    assert [winner.place for winner in found] == list(BITS)
    for winner in found:
        assert (winner.scheme, winner.runner_up) == ("lloyd_max", "uniform")
        assert winner.lead == pytest.approx(2.0)
        assert winner.decided


def test_at_equal_effective_bits_codebooks_are_paid_for() -> None:
    """lloyd_max at b bits costs b + 3, uniform b + 1/4: with the same money uniform has two bits more."""
    found = {winner.place: winner for winner in winners_within_budget(made_report(), "psnr_db")}
    assert set(found) == set(range(3, 9))
    assert (found[3].scheme, found[3].bits) == ("uniform", 2)
    assert (found[5].scheme, found[5].bits) == ("uniform", 4)
    assert found[5].runner_up == "lloyd_max"
    assert found[5].effective_bits <= 5


def test_a_lead_within_its_interval_is_undecided() -> None:
    one = made_cell("uniform", 2, psnr=((10.0, 12.0, 11.0),))
    other = made_cell("lloyd_max", 2, psnr=((12.0, 10.0, 11.3),))
    winner = winners_at_bits(made_report([one, other]), "psnr_db")[0]
    assert winner.scheme == "lloyd_max"
    assert not winner.decided
    assert "undecided at 2 bits (lloyd_max or uniform)" in " ".join(flow_verdict(made_report([one, other])))


def test_pairs_decide_what_means_alone_could_not() -> None:
    """Scores that differ more between samples than between schemes, but always in the same direction."""
    scores = (5.0, 20.0, 35.0, 11.0, 27.0, 31.0)
    one = made_cell("uniform", 2, psnr=(scores,))
    other = made_cell("lloyd_max", 2, psnr=((5.2, 20.3, 35.2, 11.1, 27.2, 31.4),))
    assert winners_at_bits(made_report([one, other]), "psnr_db")[0].decided
    # control: the same scores in another order are no pairs, and nothing is decided
    mixed = made_cell("lloyd_max", 2, psnr=((20.3, 35.2, 11.1, 31.4, 5.2, 27.2),))
    assert not winners_at_bits(made_report([one, mixed]), "psnr_db")[0].decided


def test_infinite_scores_on_both_sides_are_a_tie() -> None:
    cells = [made_cell(scheme, 8, psnr=((math.inf, 50.0),)) for scheme in SCHEMES[:2]]
    winner = winners_at_bits(made_report(cells), "psnr_db")[0]
    assert winner.lead == 0.0
    assert not winner.decided


def test_one_scheme_alone_wins_nothing_at_equal_bits() -> None:
    report = made_report([made_cell("uniform", b) for b in BITS])
    assert winners_at_bits(report, "psnr_db") == ()
    assert winners_within_budget(report, "psnr_db")[0].runner_up is None


def test_what_was_not_measured_is_not_spoken_of() -> None:
    bare = made_report(
        [replace(made_cell(s, 2), ssim=(), latent=None, frechet=None, ladder=None) for s in SCHEMES],
        ssim_window=None,
    )
    text = " ".join(flow_verdict(bare))
    assert "SSIM" not in text
    assert "latent" not in text
    assert "Fréchet" not in text
    assert "rung" not in text
    assert "lloyd_max wins at 2 bits" in text


def test_sentences_have_the_numbers() -> None:
    text = " ".join(flow_verdict(made_report()))
    assert "lloyd_max wins at 2-4, 8 bits (2 dB ahead of the next)" in text
    assert "uniform wins within 3-6 effective bits" in text
    assert (
        "lloyd_max wins within 7-8 effective bits" in text
    )  # 4 bits and codebooks; uniform's 8 bits cost 8.25
    assert "g4 3" in text
    assert "No rung is broken" in text
    assert "equal_mass 1.10 to 1.40" in text
    # PSNR above 30 dB at 8 bits alone, where the response is off by 0.4
    assert "its rms is 1.08 to 1.08 of the error's" in text
    assert "off by 40 %" in text


def test_where_g0_is_useless_the_gain_of_the_sharpest_rung_is_told() -> None:
    cell = made_cell("uniform", 8)
    ladder = dict(cell.ladder or {})
    error = ladder["error_rms"]
    for g0, told in ((1e7, "at least 3.3e+06 times tighter than g0"), (1e3, None), (None, "infinitely many")):
        ladder["bounds"] = {"g0": None if g0 is None else g0 * error, "g1": 5 * error, "g2": 4 * error,
                            "g3": error, "g4": 3 * error}  # fmt: skip
        text = " ".join(flow_verdict(made_report([made_cell("uniform", 8, ladder=dict(ladder))])))
        assert ("Where g0 exceeds 10,000 times the error (1 of 1 rows)" in text) == (told is not None)
        assert told is None or told in text


def test_rows_in_which_the_response_is_far_are_named() -> None:
    cell = made_cell("uniform", 8)
    for ratio, expected in (
        (1.2, "within 25 % in 1 of 1 rows;"),
        (0.7, "0 of 1 rows (not in uniform 8 bits 0.70, whose 2 samples are at 46 dB)"),
    ):
        ladder = {**(cell.ladder or {}), "response_rms_ratio": ratio}
        assert expected in " ".join(flow_verdict(made_report([made_cell("uniform", 8, ladder=ladder)])))


def test_too_few_samples_for_a_covariance_are_inconclusive() -> None:
    few = FrechetValues(1.0, 2.0, (1.0,), None, 6, 6)
    enough = replace(few, dimension=5)
    for values, expected in ((few, True), (enough, False)):
        text = " ".join(flow_verdict(made_report([made_cell("uniform", 2, frechet=values)])))
        assert ("INCONCLUSIVE" in text) == expected


def test_broken_rungs_are_named() -> None:
    ladder = dict(made_cell("uniform", 2).ladder or {})
    ladder["broken_count"] = {"g4": 3}
    text = " ".join(flow_verdict(made_report([made_cell("uniform", 2, ladder=ladder)])))
    assert "Broken rungs: g4 uniform 2 bits" in text


def test_a_lead_is_decided_by_order_statistics() -> None:
    """Of eight pairs X_(1) .. X_(8) covers whatever their law; between X_(1) and X_(2) nothing is sure."""
    base = made_cell("uniform", 2, psnr=((10.0,) * 8,))
    for least, decided in ((-0.1, False), (0.1, True)):
        ahead = (10.0 + least, *(10.0 + gain for gain in (5.0, 5.1, 5.2, 5.3, 5.4, 5.5, 5.6)))
        winner = winners_at_bits(made_report([base, made_cell("lloyd_max", 2, psnr=(ahead,))]), "psnr_db")[0]
        assert winner.decided is decided
        assert winner.lead_low == pytest.approx(least)
        # Control: the interpolated end of a table is above 0 in both.
        assert (median_estimate([each - 10.0 for each in ahead]).low or 0.0) > 0.0
