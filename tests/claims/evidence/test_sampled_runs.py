"""Claims about trained networks, judged on files as ``fmq flow`` writes them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from fmq_theory.claims.engine.claim import Finding, Inputs, Verdict
from fmq_theory.claims.engine.judge import examine
from fmq_theory.claims.evidence.sampled_runs import read_runs
from fmq_theory.claims.register.paper_networks import falling_order
from fmq_theory.claims.register.register import REGISTER
from fmq_theory.errors import WeightsError
from fmq_theory.metrics import Estimate

SCHEMES = {"equal_mass": 1.0, "uniform": 2.0, "lloyd_max": 2.2, "pwl": 1.5, "log2": 1.8}
"""By scheme: the order at which its distance falls."""
CONFIG = {"samples": 64, "seeds": 8}
DRAWS = (0.8, 0.9, 0.95, 1.0, 1.0, 1.05, 1.1, 1.2)
"""What a draw of the noise multiplies the distance by."""


def _row(scheme: str, bits: int, **changes: Any) -> dict[str, Any]:
    frechet = 100.0 * 2.0 ** (-SCHEMES[scheme] * bits)
    row = {
        "scheme": scheme,
        "bits": bits,
        "psnr_db": 10.0 + 4.0 * bits,
        "ssim": 0.1 * bits,
        "latent_std_ratio": 0.9,
        "frechet": frechet,
        "frechet_feature_rms": 1.5 * math.sqrt(frechet),
        "frechet_by_seed": [frechet * factor for factor in DRAWS],
        "bounds": {"g0": None, "g1": 30.0, "g2": 20.0, "g3": 1.0, "g4": 5.0},
        "ladder": {"error_rms": 1.0, "bounds": {"secant": 1.2}},
        "intervals": {"latent_std_ratio": {"samples": None, "seeds": [0.8, 1.0]}},
        "by_batch": {"latent_std_ratio": [0.9 * factor for factor in DRAWS]},
    }
    return {**row, **changes}


def _file(tmp_path: Path, rows: list[dict[str, Any]], name: str = "run", **top: Any) -> Inputs:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({"subject": "net (a factory)", "config": CONFIG, "rows": rows, **top}))
    return Inputs(fidelity=(path,))


def _all_rows(**changes: Any) -> list[dict[str, Any]]:
    return [_row(scheme, bits, **changes) for scheme in SCHEMES for bits in (2, 3, 4, 6)]


def _judged(key: str, given: Inputs) -> Finding:
    found = examine(REGISTER[key], given)
    assert found.control is None or found.control.caught, key
    return found


def test_every_claim_on_a_file_with_everything(tmp_path: Path) -> None:
    given = _file(tmp_path, _all_rows())
    verdicts = {
        key: _judged(key, given).verdict.name
        for key in ("P1-NET", "P2-NET", "P3-NET", "P5-W2-NET", "P5-EM-NET", "P7", "P8", "C20")
    }
    assert verdicts == {
        "P1-NET": "VACUOUS",  # g0 is infinite in every row
        "P2-NET": "SUPPORTED",
        "P3-NET": "SUPPORTED",
        "P5-W2-NET": "SUPPORTED",
        "P5-EM-NET": "REFUTED",
        "P7": "SUPPORTED",  # all schemes have the same scores: OT's are not lower
        "P8": "SUPPORTED",
        "C20": "SUPPORTED",
    }


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("P1-NET", {"bounds": {"g0": 0.5, "g1": 30.0, "g2": 20.0, "g4": 5.0}}),
        ("P2-NET", {"frechet_feature_rms": 0.9, "frechet": 1.0}),
        ("P8", {"latent_std_ratio": 0.3, "intervals": {}, "by_batch": {}}),
        ("C20", {"bounds": {"g0": 9.0, "g1": 30.0, "g2": 20.0, "g4": 0.9}}),
    ],
)
def test_a_claim_that_fails_is_refuted(tmp_path: Path, key: str, changes: dict[str, Any]) -> None:
    assert _judged(key, _file(tmp_path, _all_rows(**changes))).verdict is Verdict.REFUTED


def test_an_error_of_the_size_of_rounding_breaks_no_rung(tmp_path: Path) -> None:
    for rounding, verdict in ((0.2, Verdict.SUPPORTED), (0.05, Verdict.REFUTED)):
        ladder = {"error_rms": 1.0, "rounding_rms": rounding, "bounds": {"secant": 1.2}}
        rows = _all_rows(ladder=ladder, bounds={"g0": 9.0, "g1": 30.0, "g2": 20.0, "g4": 0.9})
        assert _judged("C20", _file(tmp_path, rows, f"run-{rounding}")).verdict is verdict


def test_samples_decide_p7(tmp_path: Path) -> None:
    for ours, verdict in ((18.0, Verdict.SUPPORTED), (11.5, Verdict.REFUTED)):
        rows = [
            {"scheme": scheme, "bits": bits, "psnr_db": score, "ssim": score / 40}
            for bits in (2, 3)
            for scheme, score in (("equal_mass", ours), ("uniform", 10.0), ("pwl", 12.0), ("log2", 11.0))
        ]
        assert _judged("P7", _file(tmp_path, rows, f"run-{ours}")).verdict is verdict


def test_overlapping_intervals_decide_nothing(tmp_path: Path) -> None:
    rows = [
        {"scheme": scheme, "bits": 2, "psnr_db": score, "intervals": {"psnr_db": {"samples": ends}}}
        for scheme, score, ends in (("equal_mass", 11.0, [10.0, 12.0]), ("pwl", 10.5, [9.5, 11.5]))
    ]
    assert examine(REGISTER["P7"], _file(tmp_path, rows)).verdict is Verdict.INCONCLUSIVE


def test_latent_ratio_is_made_of_both_numbers_where_it_is_absent(tmp_path: Path) -> None:
    rows = [{"scheme": "equal_mass", "bits": 2, "latent_std": 1.2}]
    given = _file(tmp_path, rows, full_precision={"latent_std": 2.0})
    case = _judged("P8", given).details[0]
    assert case.measured.value == pytest.approx(0.6)  # type: ignore[union-attr]
    assert examine(REGISTER["P8"], _file(tmp_path, rows, "bare")).verdict is Verdict.INCONCLUSIVE


def test_the_remark_of_a_missing_part_names_the_option(tmp_path: Path) -> None:
    given = _file(tmp_path, [{"scheme": "uniform", "bits": 2, "psnr_db": 3.0}])
    for key, option in (("P1-NET", "--ladder-samples"), ("P2-NET", "--features"), ("P3-NET", "--seeds 8")):
        found = examine(REGISTER[key], given)
        assert found.verdict is Verdict.INCONCLUSIVE
        assert option in found.evidence


def test_the_order_is_taken_from_the_kindest_start() -> None:
    assert falling_order([2, 8], [64.0, 1.0]) == pytest.approx(1.0)
    # Destroyed at 2 and 3 bits, order 2 from 4 bits on: "O(2^(-2b))" leaves the first bits free.
    assert falling_order([2, 3, 4, 8], [300.0, 300.0, 256.0, 1.0]) == pytest.approx(2.0)
    assert falling_order([2, 3, 4, 8], [256.0, 1e-9, 1e-9, 1.0]) == pytest.approx(8 / 6)
    assert falling_order([2, 4], [1.0, 0.0]) == math.inf
    assert falling_order([2, 4], [0.0, 1.0]) == -math.inf


def test_the_top_is_chosen_by_the_sizes_of_channels_and_not_by_the_outcome(tmp_path: Path) -> None:
    rows = _all_rows()
    for row in rows:
        row["lossless_share"] = 0.9 if row["bits"] == 6 else 0.1
        if row["bits"] == 6:
            row["frechet_by_seed"] = [0.0] * len(DRAWS)  # would be any order
    case = _judged("P5-EM-NET", _file(tmp_path, rows)).details[0].measured
    assert isinstance(case, Estimate)
    assert case.value == pytest.approx(1.0)
    for row in rows:
        row["lossless_share"] = 0.6
    assert examine(REGISTER["P5-EM-NET"], _file(tmp_path, rows, "short")).verdict is Verdict.INCONCLUSIVE


def test_few_draws_or_draws_that_disagree_decide_nothing(tmp_path: Path) -> None:
    rows = _all_rows()
    for row in rows:
        row["frechet_by_seed"] = row["frechet_by_seed"][:7]
    few = examine(REGISTER["P5-EM-NET"], _file(tmp_path, rows))
    assert few.verdict is Verdict.INCONCLUSIVE
    assert "--seeds 8" in few.evidence
    # A distance at the top that varies by 2^9 between draws: orders on both sides of 1.75.
    rows = _all_rows()
    for row in rows:
        if row["bits"] == 6:
            row["frechet_by_seed"] = [row["frechet"] * 2.0 ** (k - 6) for k in range(8)]
    assert _judged("P5-EM-NET", _file(tmp_path, rows, "wild")).verdict is Verdict.INCONCLUSIVE


def test_more_cases_need_a_higher_confidence(tmp_path: Path) -> None:
    """One network is refuted at 95 % by an interval that five networks must not rely on."""
    files: list[Path] = []
    for number in range(5):
        rows = [_row("equal_mass", bits) for bits in (2, 6)]
        # Orders of 8 draws near 1.0 and one beyond 1.75: X_(2) .. X_(8), 96 %, lies below, X_(9) above.
        rows[0]["frechet_by_seed"] = [*rows[0]["frechet_by_seed"], rows[0]["frechet"]]
        rows[1]["frechet_by_seed"] = [*rows[1]["frechet_by_seed"], rows[1]["frechet"] / 2.0**4]
        files += _file(tmp_path, rows, f"net-{number}", subject=f"net {number}").fidelity
    one = examine(REGISTER["P5-EM-NET"], Inputs(fidelity=tuple(files[:1])))
    five = examine(REGISTER["P5-EM-NET"], Inputs(fidelity=tuple(files)))
    assert one.verdict is Verdict.REFUTED
    assert "1 interval, at 95 %" in one.domain_checked
    assert five.verdict is Verdict.INCONCLUSIVE
    assert "5 intervals, each at 99 %" in five.domain_checked


def test_an_infinite_psnr_is_no_number(tmp_path: Path) -> None:
    given = _file(tmp_path, [_row("uniform", 2, psnr_db="inf")])
    row = read_runs(given)[0].rows["uniform", 2]
    assert "psnr_db" not in row.values
    assert row.bounds["g0"] == math.inf


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"rows": 3}',
        '{"rows": [{}]}',
        '{"rows": [{"scheme": "pwl", "bits": 2, "psnr_db": NaN}]}',
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(WeightsError, match=r"bad\.json"):
        examine(REGISTER["P7"], Inputs(fidelity=(path,)))


def test_a_file_with_the_draws_one_by_one_is_taken_before_one_without(tmp_path: Path) -> None:
    """However many samples the other has: without its draws it cannot decide P8."""
    without = {"intervals": {"latent_std_ratio": {"samples": None, "seeds": None}}, "by_batch": {}}
    files = (
        _file(tmp_path, _all_rows(**without), "whole", subject="net"),
        _file(tmp_path, _all_rows(), "draws", subject="net"),
    )
    both = Inputs(fidelity=tuple(path for given in files for path in given.fidelity))
    assert _judged("P8", files[0]).verdict is Verdict.INCONCLUSIVE
    assert _judged("P8", both).verdict is _judged("P8", files[1]).verdict is Verdict.SUPPORTED
