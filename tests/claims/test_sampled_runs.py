"""Claims about trained networks, judged on files as ``fmq flow`` writes them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from fmq_theory.claims.claim import Finding, Inputs, Verdict
from fmq_theory.claims.judge import examine
from fmq_theory.claims.paper_networks import falling_order
from fmq_theory.claims.register import REGISTER
from fmq_theory.claims.sampled_runs import read_runs
from fmq_theory.errors import WeightsError

SCHEMES = {"equal_mass": 1.0, "uniform": 2.0, "lloyd_max": 2.2, "pwl": 1.5, "log2": 1.8}
"""By scheme: the order at which its distance falls."""


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
        "bounds": {"g0": None, "g1": 30.0, "g2": 20.0, "g3": 1.0, "g4": 5.0},
        "ladder": {"error_rms": 1.0, "bounds": {"secant": 1.2}},
        "intervals": {"latent_std_ratio": {"samples": None, "seeds": [0.8, 1.0]}},
    }
    return {**row, **changes}


def _file(tmp_path: Path, rows: list[dict[str, Any]], name: str = "run", **top: Any) -> Inputs:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({"subject": "net (a factory)", "rows": rows, **top}))
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
        ("P8", {"latent_std_ratio": 0.3, "intervals": {}}),
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
    for key, option in (("P1-NET", "--ladder-samples"), ("P2-NET", "--features"), ("P3-NET", "bit-widths")):
        found = examine(REGISTER[key], given)
        assert found.verdict is Verdict.INCONCLUSIVE
        assert option in found.evidence


def test_destroyed_samples_say_nothing_of_an_order(tmp_path: Path) -> None:
    rows = _all_rows()
    for row in rows:
        if row["bits"] < 4:
            row["psnr_db"], row["frechet"] = 5.0, 77.0
    found = examine(REGISTER["P3-NET"], _file(tmp_path, rows))
    assert found.verdict is Verdict.INCONCLUSIVE  # two bit-widths are left


@pytest.mark.parametrize("order", [0.5, 2.0, 3.0])
def test_order_of_a_power_is_found_and_of_scatter_enclosed(order: float) -> None:
    bits = [2.0, 3.0, 4.0, 6.0]
    exact = falling_order(bits, [7.0 * 2.0 ** (-order * b) for b in bits])
    assert exact.value == pytest.approx(order)
    assert exact.high == pytest.approx(exact.low, abs=1e-9)
    rough = falling_order(
        bits, [7.0 * 2.0 ** (-order * b) * f for b, f in zip(bits, (1.2, 0.9, 1.1, 0.95), strict=True)]
    )
    assert rough.low is not None
    assert rough.high is not None
    assert rough.low < order < rough.high
    assert rough.high - rough.low > 0.05


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
