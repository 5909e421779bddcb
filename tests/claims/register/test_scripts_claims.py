"""P7-SCRIPT and P8-SCRIPT on files as ``fmq flow --measure velocity`` writes them, and P7, P8 beside them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from fmq_theory.claims.engine.claim import Finding, Inputs, Verdict
from fmq_theory.claims.engine.judge import examine
from fmq_theory.claims.register.paper_scripts import error_ratio
from fmq_theory.claims.register.register import REGISTER

BATCHES = 16
LEADS = {"equal_mass": 2.0, "uniform": 0.0, "pwl": 1.0, "log2": -3.0}


def _row(scheme: str, bits: int, **changes: Any) -> dict[str, Any]:
    wiggle = [0.01 * math.sin(7.0 * k) for k in range(BATCHES)]
    psnr = [4.0 * bits + LEADS[scheme] + 20.0 * each for each in wiggle]
    ssim = [0.1 * bits + 0.05 * LEADS[scheme] + each for each in wiggle]
    latent = [1.0 - 0.5 / bits + each for each in wiggle]
    by_batch = {"psnr_db": psnr, "ssim": ssim, "latent_std_ratio": latent}
    return {
        "scheme": scheme, "bits": bits, "psnr_db": psnr[0], "ssim": ssim[0], "latent_std_ratio": latent[0],
        "by_batch": by_batch,
    } | changes  # fmt: skip


def _given(
    folder: Path,
    rows: list[dict[str, Any]] | None = None,
    *,
    protocol: str = "published",
    measure: str = "velocity",
) -> Inputs:
    rows = [_row(scheme, bits) for scheme in LEADS for bits in (2, 3, 4)] if rows is None else rows
    path = folder / f"outputs-{len(list(folder.iterdir()))}.json"  # what was read once is not read again
    config = {"measure": measure, "protocol": protocol, "batch": 64, "batches": BATCHES}
    path.write_text(json.dumps({"subject": "net (x)", "measure": measure, "config": config, "rows": rows}))
    return Inputs(fidelity=(path,))


def _judged(key: str, given: Inputs) -> Finding:
    return examine(REGISTER[key], given)


def test_both_hold_where_ot_is_nearest_and_the_latent_stays(tmp_path: Path) -> None:
    given = _given(tmp_path)
    scores, latent = _judged("P7-SCRIPT", given), _judged("P8-SCRIPT", given)
    assert scores.verdict is latent.verdict is Verdict.SUPPORTED
    assert len(scores.details) == 2 * 3 * 2  # measures, rivals, bits
    assert [case.case for case in latent.details] == [f"net equal mass, b = {b}" for b in (2, 3, 4)]
    # A near mutation would have been noticed: OT is 1 dB ahead of PWL, a factor of 1.26 in squared error.
    assert scores.resolved
    assert scores.resolutions[0].size is not None
    assert 0.0 < scores.resolutions[0].size < 0.3


@pytest.mark.parametrize(("lead", "verdict"), [(0.3, Verdict.SUPPORTED), (-0.3, Verdict.REFUTED)])
def test_a_lead_of_a_third_of_a_decibel_decides(lead: float, verdict: Verdict, tmp_path: Path) -> None:
    rows = [_row(scheme, bits) for scheme in LEADS for bits in (2, 3)]
    for row in rows:
        if row["scheme"] == "pwl":  # the same images under both, so that what they share drops out
            ot = next(o for o in rows if (o["scheme"], o["bits"]) == ("equal_mass", row["bits"]))
            row["by_batch"] = row["by_batch"] | {
                "psnr_db": [
                    value - lead + 0.05 * (-1) ** k for k, value in enumerate(ot["by_batch"]["psnr_db"])
                ]
            }
    found = _judged("P7-SCRIPT", _given(tmp_path, rows))
    assert found.verdict is verdict
    if verdict is Verdict.REFUTED:
        assert "net PSNR over pwl b = 2-3" in found.evidence


def test_one_batch_decides_nothing(tmp_path: Path) -> None:
    rows = [_row(scheme, 2) for scheme in LEADS]
    for row in rows:
        row["by_batch"] = {name: values[:1] for name, values in row["by_batch"].items()}
    given = _given(tmp_path, rows)
    assert _judged("P7-SCRIPT", given).verdict is Verdict.INCONCLUSIVE
    assert _judged("P8-SCRIPT", given).verdict is Verdict.INCONCLUSIVE


def test_a_latent_that_halves_is_refuted_and_the_level_is_the_familys(tmp_path: Path) -> None:
    rows = [_row("equal_mass", bits) for bits in (2, 3)]
    rows[0]["by_batch"]["latent_std_ratio"] = [0.4 + 0.001 * k for k in range(BATCHES)]
    found = _judged("P8-SCRIPT", _given(tmp_path, rows))
    assert found.verdict is Verdict.REFUTED
    assert "b = 2" in found.evidence
    # Nine batches of sixteen outside the band are not enough.
    rows[0]["by_batch"]["latent_std_ratio"] = [0.45] * 9 + [0.55] * 7
    assert _judged("P8-SCRIPT", _given(tmp_path, rows)).verdict is Verdict.INCONCLUSIVE


def test_each_claim_reads_its_own_measure_and_protocol(tmp_path: Path) -> None:
    like_for_like = _given(tmp_path, protocol="weights")
    assert _judged("P7-SCRIPT", like_for_like).verdict is Verdict.INCONCLUSIVE
    assert "--protocol published" in _judged("P7-SCRIPT", like_for_like).evidence
    outputs = _given(tmp_path)
    for key in ("P7", "P8", "P1-NET", "P2-NET", "P3-NET", "C20"):
        assert not _judged(key, outputs).details, key
    samples = _given(tmp_path, measure="samples", protocol="weights")
    assert _judged("P7", samples).verdict is Verdict.SUPPORTED
    assert not _judged("P7-SCRIPT", samples).details


def test_rows_of_a_table_are_no_images(tmp_path: Path) -> None:
    rows = [_row(scheme, 2) for scheme in LEADS]
    for row in rows:
        del row["ssim"], row["by_batch"]["ssim"]
    assert not _judged("P7-SCRIPT", _given(tmp_path, rows)).details


def test_of_two_files_on_one_network_the_one_with_more_draws_counts(tmp_path: Path) -> None:
    def file(name: str, ratios: list[float]) -> Path:
        row = {"scheme": "equal_mass", "bits": 2, "by_batch": {"latent_std_ratio": ratios}}
        path = tmp_path / name
        path.write_text(json.dumps({"subject": "net", "rows": [row]}))
        return path

    few, many = file("b.json", [0.4, 0.4, 0.4]), file("a.json", [0.8] * 12)
    for paths in ((few, many), (many, few)):
        assert _judged("P8", Inputs(fidelity=paths)).verdict is Verdict.SUPPORTED
    assert _judged("P8", Inputs(fidelity=(few,))).verdict is Verdict.INCONCLUSIVE


def test_distances_from_scores() -> None:
    assert error_ratio("psnr_db", 10.0, 7.0) == pytest.approx(10**-0.3)
    assert error_ratio("psnr_db", 7.0, 10.0) == pytest.approx(10**0.3)
    assert error_ratio("ssim", 0.8, 0.6) == pytest.approx(0.5)
    assert error_ratio("psnr_db", math.inf, math.inf) == error_ratio("ssim", 1.0, 1.0) == 1.0
    assert error_ratio("psnr_db", math.inf, 10.0) == 0.0
    assert error_ratio("ssim", 0.9, 1.0) == math.inf
    assert error_ratio("psnr_db", 10.0, math.inf) == pytest.approx(1e300)
