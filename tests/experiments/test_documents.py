"""Numbers in the documents come from the results, and nothing else does."""

import json
import re
from pathlib import Path

import pytest

from experiments.document_tables import ratio_table, verdict
from experiments.documents import (
    DOCUMENTS,
    PASSAGE,
    RESULTS,
    ROOT,
    DocumentError,
    filled,
    main,
    rows_of,
    value,
)
from experiments.framework.table import read_table, write_table
from fmq_theory.bounds import BAND

# What may be written by hand: the paper's number and its band (asserted below), and Python's version.
BY_HAND = {"2511.11418", "0.25", "0.40", "3.11"}
_DECIMAL = r"(?<![\w.])\d+\.\d+(?:e[-+]?\d+)?"
_GROUPED = r"(?<![\w.,])\d{1,3}(?:,\d{3})+"
_LONG = r"(?<![\w.])\d{3,}(?![\w.])"
_MEASURED = re.compile("|".join((_DECIMAL, _GROUPED, _LONG)))


def _numbers_by_hand(text: str) -> set[str]:
    """Numbers with a decimal point or of three digits, outside passages, code and targets of links."""
    text = PASSAGE.sub("", text)
    text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|<[^>]*>", " ", text, flags=re.DOTALL)
    return set(_MEASURED.findall(text)) - BY_HAND


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_say_what_the_results_say(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert filled(text) == text, "run python -m experiments.documents"


def _told_by_claims(line: str) -> set[str]:
    """The numbers in the register's entries that a line links: the judge has checked them."""
    register = (ROOT / "docs" / "claims.md").read_text("utf-8")
    told: set[str] = set()
    for claim in re.findall(r"claims\.md#([a-z0-9-]+)\)", line):
        (entry,) = re.findall(
            rf"^## {claim}: [^\n]*\n(.*?)(?=^## |\Z)", register, flags=re.DOTALL | re.MULTILINE | re.I
        )
        told |= set(re.findall(r"\d+(?:\.\d+)?", entry))
    return told


def _untold(text: str) -> set[str]:
    return {
        number
        for line in re.sub(r"```.*?```", "", PASSAGE.sub("", text), flags=re.DOTALL).splitlines()
        for number in _numbers_by_hand(line)
        if number.replace(",", "") not in _told_by_claims(line)
    }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_number_is_written_by_hand(name: str) -> None:
    assert _untold((ROOT / name).read_text("utf-8")) == set()


def test_control_a_number_beside_the_wrong_claim_is_written_by_hand() -> None:
    assert _untold("from 2.61 to 3.30 ([C27](claims.md#c27))") == set()
    assert _untold("from 2.62 to 3.30 ([C27](claims.md#c27))") == {"2.62"}
    assert _untold("from 2.61 to 3.30 ([C12](claims.md#c12))") == {"2.61", "3.30"}


def test_the_band_is_the_one_that_the_code_uses() -> None:
    assert BAND == (0.25, 0.40)


def test_controls_of_the_search_for_numbers() -> None:
    text = "b* is 4.3 at 1,024 or 65536 weights, `1.5`, [a](b#1.25), W2, 2^(-2b), T5, 3/5, 8 bits"
    assert _numbers_by_hand(text) == {"4.3", "1,024", "65536"}
    assert _numbers_by_hand("<!-- = table ratios -->4.3<!-- / --> and 1e-3 or 2.5e-3") == {"2.5e-3"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_passages_do_not_turn_paragraphs_into_html(name: str) -> None:
    """A line that begins with a comment is HTML in Markdown: right for a table, wrong for a sentence."""
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if line.lstrip().startswith("<!-- ="):
            assert line.startswith("<!-- = table ")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    rows = [
        {"law": "a", "bits": 2, "rho": 0.5, "kind": "x", "error": None},
        {"law": "a", "bits": 3, "rho": 2.0, "kind": None, "error": None},
        {"law": "b c", "bits": 2, "rho": 4.0, "kind": "x", "error": None},
        {"law": "a", "bits": 2, "rho": 9.0, "kind": "x", "error": "failed"},
    ]
    write_table(tmp_path, "made", rows, {"config": {}})
    (tmp_path / "flow.json").write_text(json.dumps({"rows": [{"scheme": "s", "tightness": {"g0": 1234.5}}]}))
    return tmp_path


@pytest.mark.parametrize(
    ("asks", "says"),
    [
        ("made; law=a bits=2; rho; .2f", "0.50"),
        ("made; law='b c'; rho", "4"),
        ("made; bits>=2; max rho; .1f", "4.0"),
        ("made; rho>1; count rho; d", "2"),
        ("made; rho>100; count rho; d", "0"),
        ("made; kind=None; rho; .0f", "2"),
        ("made; kind!=None law=a; rho; .1f", "0.5"),
        ("made; law=a; median rho; .2f", "1.25"),
        ("flow; scheme=s; tightness.g0; ,.0f", "1,234"),
    ],
)
def test_what_a_passage_says(asks: str, says: str, results: Path) -> None:
    assert value(asks, results) == says
    assert filled(f"x <!-- = {asks} -->old<!-- / --> y", results) == f"x <!-- = {asks} -->{says}<!-- / --> y"


@pytest.mark.parametrize(
    ("asks", "reason"),
    [
        ("made; law=a; rho; .2f", "2 rows fit"),
        ("made; law=z; rho; .2f", "no row"),
        ("made; law=a; count nothing; d", "no such column"),
        ("made; law; rho; .2f", "has not the form"),
        ("made; rho", "has not the form"),
        ("missing; law=a; rho", "no such file"),
        ("table nothing", "there is none"),
    ],
)
def test_what_a_passage_may_not_ask(asks: str, reason: str, results: Path) -> None:
    with pytest.raises(DocumentError, match=reason):
        value(asks, results)


def test_verdicts_are_those_of_the_register_s_document() -> None:
    assert verdict("P4-W2") == "REFUTED"
    with pytest.raises(KeyError):
        verdict("P99")


def test_a_changed_result_is_noticed() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    table = read_table(RESULTS, "rate_distortion")
    assert ratio_table(table) in readme
    row = next(row for row in table if row["law"] == "gaussian" and row["kind"] == "ratio")
    row["rho_em"] += 0.01
    assert ratio_table(table) not in readme


def test_check_succeeds() -> None:
    assert main(["--check"]) == 0


# --- sentences of the findings that hold no number: where one of these fails, rewrite the sentence ----


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
    assert turning[0]["lead_db_lo"] > 0.0 > turning[1]["lead_db_hi"]
    assert turning[2]["lead_db_hi"] < 0.0
    assert all(
        row["lead_db_lo"] > 0.0
        for (model, bits, _), row in leads.items()
        if (model, bits) == ("mnist_unet", 2)
    )
    assert sum(row["lead_db_hi"] < 0.0 for (model, _, _), row in leads.items() if model == "digits") == 9
    # All batches taken as one give the ratios of the batches to within a few per cent.
    for row in published:
        if row["scheme"] == "equal_mass" and row["ssim"] is not None:
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
