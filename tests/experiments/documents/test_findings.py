"""Sentences of the findings that hold no number: where one of these fails, rewrite the sentence."""

import json
import re

import pytest

from experiments.documents.numbers import rows_of
from experiments.documents.places import RESULTS, ROOT
from experiments.documents.verdicts import verdict
from fmq_theory.bounds import BAND


def test_the_prose_of_the_findings_is_about_these_verdicts() -> None:
    told = {
        "CERTIFIED": "P1 P2 P3 C1 C2 C3 C5 C6 C7 C8 C9 C12 C21 C22 C23 C27 C29 C30",
        "SUPPORTED": "P1-NET P2-NET P3-NET P5-W2-NET C13 C14 C15 C20 C24 C28",
        "REFUTED": "P4-W2 P4-EM P5-W2 P5-EM P6-W2 P6-EM P6-W2-SOME P6-EM-SOME P6-W2-BOUNDS P6-EM-BOUNDS "
        "P6-W2-FID P6-EM-FID P7 P8 P7-SCRIPT P8-SCRIPT P5-EM-NET",
    }
    text = (ROOT / "docs" / "findings.md").read_text("utf-8")
    cited = set(re.findall(r"claims\.md#([a-z0-9-]+)\)", text))
    for word, claims in told.items():
        for claim in claims.split():
            assert verdict(claim) == word, claim
            assert claim.lower() in cited
    assert cited == {claim.lower() for claims in told.values() for claim in claims.split()}


def test_orders_on_networks_are_told_as_judged() -> None:
    text = (ROOT / "docs" / "claims.md").read_text("utf-8")
    for claim, evidence in (
        ("P3-NET", "closest: pendulum_policy_epoch100.pth"),
        ("P5-W2-NET", "closest: "),
        (
            "P5-EM-NET",
            "fails in 1 of 4 cases (measured): mnist_unet.pt equal_mass. Holds: the bundled digits",
        ),
    ):
        assert re.search(
            rf"## {claim}: [^\n]*\n.*?- Evidence: {re.escape(evidence)}", text, flags=re.DOTALL
        ), claim
        assert re.search(
            rf"## {claim}: [^\n]*\n.*?4 cases; 4 intervals, each at 98\.75 %", text, flags=re.DOTALL
        )


def test_no_rung_is_broken() -> None:
    flows = sorted(RESULTS.glob("flow-*.json"))
    assert len(flows) >= 5
    for path in flows:
        for row in json.loads(path.read_text("utf-8"))["rows"]:
            assert not (row.get("ladder") or {}).get("broken"), (path.name, row["scheme"], row["bits"])


@pytest.mark.parametrize(
    ("run", "scheme", "bits"),
    [
        ("digits", "uniform_clipped", "4-8"),
        ("mnist_unet", "uniform_clipped", "4-5, 7"),
        ("mnist_trained", "uniform_clipped", "5-6"),
        ("mnist_trained", "uniform", "7-8"),
    ],
)
def test_at_equal_effective_bits_uniform_leads(run: str, scheme: str, bits: str) -> None:
    report = (RESULTS / f"flow-{run}.md").read_text("utf-8")
    assert re.search(rf"effective bits .*PSNR: .*\b{scheme} wins within {bits} effective bits", report)


@pytest.mark.parametrize(("run", "behind_from"), [("digits", 2), ("mnist_unet", 3), ("mnist_trained", 3)])
def test_lloyd_max_leads_and_equal_mass_is_behind_uniform(run: str, behind_from: int) -> None:
    psnr = {(row["scheme"], row["bits"]): row["psnr_db"] for row in rows_of(f"flow-{run}")}
    for bits in {bits for _, bits in psnr}:
        at = {scheme: found for (scheme, b), found in psnr.items() if b == bits}
        assert max(at, key=lambda scheme: at[scheme]) == "lloyd_max"
        assert (at["equal_mass"] < at["uniform"]) is (bits >= behind_from)


def _judged_cases(claim: str) -> tuple[str, str]:
    """Where a refuted claim fails and where it holds, in the words of its evidence."""
    text = (ROOT / "docs" / "claims.md").read_text("utf-8")
    (evidence,) = re.findall(rf"## {claim}: [^\n]*\n.*?- Evidence: (.*?)\n", text, flags=re.DOTALL)
    failing, _, holding = evidence.partition(". Holds: ")
    return failing, holding.partition(". Worst: ")[0]


def _bits_of(cases: str, case: str) -> str:
    """``2-3``: the bits that stand behind the group of cases that holds this one; empty where none does."""
    groups = re.findall(r"([^;]+?) b = ([\d/-]+)", cases.partition("): ")[2] or cases)
    return next((bits for names, bits in groups if case in re.split(r", |; ", names)), "")


def test_where_the_paper_s_figure_3_holds() -> None:
    failing, holding = _judged_cases("P7")
    for network in ("the bundled digits", "pendulum_policy_epoch100.pth", "pendulum_policy_epoch600.pth"):
        assert _bits_of(failing, f"{network} PSNR over uniform") == "2-3"
    for network in ("mnist_unet.pt", "mnist-compact.safetensors"):
        assert _bits_of(failing, f"{network} PSNR over uniform") == "3"
    for measure in ("PSNR", "SSIM"):
        assert _bits_of(holding, f"mnist_unet.pt {measure} over uniform") == "2"
        for rival in ("pwl", "log2"):
            assert _bits_of(holding, f"mnist_unet.pt {measure} over {rival}") == "2-3"


def test_a_lead_that_the_claim_leaves_open_is_told_as_open() -> None:
    failing, holding = _judged_cases("P7")
    for measure in ("PSNR", "SSIM"):
        case = f"mnist-compact.safetensors {measure} over uniform"
        assert "2" not in _bits_of(failing, case)
        assert "2" not in _bits_of(holding, case)
    at = {row["scheme"]: row for row in rows_of("flow-mnist_trained") if row["bits"] == 2}
    assert max(("uniform", "equal_mass", "pwl", "log2"), key=lambda s: at[s]["psnr_db"]) == "equal_mass"
    assert at["equal_mass"]["ssim"] < at["uniform"]["ssim"]
    text = (ROOT / "docs" / "findings.md").read_text("utf-8")
    assert "its SSIM behind uniform's; the claim's intervals decide neither" in text


def test_the_channels_of_the_ratio_of_bounds_are_told_by_law() -> None:
    """One channel of 256 weights is in the band and another is not, so no number of weights stands alone."""
    failing, holding = _judged_cases("P6-W2-BOUNDS")
    assert re.search(r"student-t\(5\) n = 256", failing)
    assert "gaussian, laplace n = 256" in holding
    for page in ("README.md", "docs/findings.md"):
        (row,) = re.findall(
            r"ratio of the two bounds \((.*?)\), for the W2", (ROOT / page).read_text("utf-8")
        )
        assert "how many depends on the law" in row


def test_where_figure_3_holds_as_its_script_measures() -> None:
    failing, holding = _judged_cases("P7-SCRIPT")
    assert "fails in 7 of 24 cases" in failing
    assert "mnist" not in failing
    for rival in ("uniform", "pwl", "log2"):
        assert _bits_of(holding, f"mnist_unet.pt PSNR over {rival}") == "2-3"
        assert "2" in _bits_of(holding, f"mnist_unet.pt SSIM over {rival}")
    assert _bits_of(holding, "mnist_unet.pt SSIM over pwl") == "2"  # at 3 bits the two cannot be told apart
    assert _bits_of(failing, "the bundled digits PSNR over uniform") == "2-3"


def test_where_figure_4_holds_as_its_script_measures() -> None:
    failing, holding = _judged_cases("P8-SCRIPT")
    for network in ("the bundled digits", "mnist_unet.pt"):
        assert _bits_of(failing, f"{network} equal mass") == "2"
        assert _bits_of(holding, f"{network} equal mass") == "3-8"


def test_what_the_findings_say_of_outputs() -> None:
    """The sentences of "Figures 3 and 4, as their scripts measure" that hold no number."""
    published = [
        row
        for row in rows_of("authors_measures")
        if row["kind"] == "output" and row["protocol"] == "published"
    ]
    score = {(row["model"], row["scheme"], row["bits"]): row for row in published}
    four = ("equal_mass", "uniform", "pwl", "log2")
    schemes = (*four, "lloyd_max", "uniform_clipped")

    def best(bits: int, key: str, among: tuple[str, ...]) -> str:
        return max(among, key=lambda scheme: score["mnist_unet", scheme, bits][key])

    assert [best(bits, "psnr_db", four) for bits in (2, 3)] == ["equal_mass"] * 2
    assert best(2, "ssim", four) == "equal_mass"
    assert [best(bits, "psnr_db", schemes) for bits in (2, 3)] == ["equal_mass", "lloyd_max"]
    for model, first in (("mnist_unet", 4), ("digits", 2)):
        for bits in range(first, 9):
            assert score[model, "uniform", bits]["psnr_db"] > score[model, "equal_mass", bits]["psnr_db"]
    leads = {
        (row["model"], row["bits"], row["step"]): row
        for row in rows_of("authors_measures")
        if row["kind"] == "step" and row["scheme"] == "uniform"
    }
    turning = [leads["mnist_unet", 3, step] for step in ("noise", "same tensors", "samples")]
    assert [row["batches_ahead"] for row in turning] == [4, 0, 0]
    assert all(
        row["batches_ahead"] == 4
        for (model, bits, _), row in leads.items()
        if (model, bits) == ("mnist_unet", 2)
    )
    assert sum(row["batches_ahead"] == 0 for (model, _, _), row in leads.items() if model == "digits") == 9
    # All batches taken as one give the ratios of the batches to within a few per cent.
    with_images = [row for row in published if row["scheme"] == "equal_mass" and row["ssim"] is not None]
    assert len(with_images) >= 5
    for row in with_images:
        assert row["latent_whole_ratio"] == pytest.approx(row["latent_std_ratio"], rel=0.05)


def test_equal_mass_is_in_the_band_at_one_bit_width_or_none() -> None:
    places: dict[tuple[str, int], int] = {}
    for row in rows_of("ratio_map"):
        if row["kind"] == "ratio":
            key = (row["law"], row["n"])
            places[key] = places.get(key, 0) + (BAND[0] <= row["rho_em"] <= BAND[1])
    assert len(places) > 20
    assert set(places.values()) == {0, 1}


def test_the_bound_fails_from_three_bits_on_every_unbounded_law() -> None:
    text = (ROOT / "docs" / "claims.md").read_text("utf-8")
    (evidence,) = re.findall(r"## P4-EM: [^\n]*\n.*?- Evidence: (.*?)\n", text, flags=re.DOTALL)
    failing, _, holding = evidence.partition(". Holds: ")
    assert failing.endswith(
        "gaussian, laplace, logistic, student-t(4), generalized-gaussian(3/2) b = 3-8; gamma(1/2) b = 2-8"
    )
    assert "uniform b = 1-8" in holding


def test_a_plan_has_the_better_samples_in_most_cases_and_not_in_all() -> None:
    found = {(row["kind"], row["model"], row["budget"]): row["psnr_db"] for row in rows_of("allocation")}
    better = [
        psnr > found["best constant", model, budget]
        for (kind, model, budget), psnr in found.items()
        if kind == "plan" and ("best constant", model, budget) in found
    ]
    assert len(better) >= 40
    assert 0.5 * len(better) < sum(better) < len(better)
