"""The register: its verdicts, its controls, and the document that is made of it."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

from fmq_theory.bounds import band_sample_sizes
from fmq_theory.certify import Enclosure
from fmq_theory.claims.engine.claim import Finding, Inputs, Origin, Verdict
from fmq_theory.claims.engine.judge import examine
from fmq_theory.claims.evidence.certified_values import UNBOUNDED
from fmq_theory.claims.register.register import REGISTER, run_register, selected
from fmq_theory.errors import SchemeError
from fmq_theory.report.claims.document import claims_markdown
from fmq_theory.report.claims.files import claims_as_json
from fmq_theory.report.claims.page import claims_html
from fmq_theory.report.claims.words import claim_rows
from fmq_theory.sources import make

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "claims.md"
RESULTS = DOCUMENT.parent / "results"

NEED_SAMPLES = (
    "P7",
    "P8",
    "P7-SCRIPT",
    "P8-SCRIPT",
    "P1-NET",
    "P2-NET",
    "P3-NET",
    "P5-W2-NET",
    "P5-EM-NET",
    "C20",
)

EXPECTED = {
    "P1": "CERTIFIED",
    "P2": "CERTIFIED",
    "P3": "CERTIFIED",
    "P4-W2": "REFUTED",
    "P4-EM": "REFUTED",
    "P5-W2": "REFUTED",
    "P5-EM": "REFUTED",
    "P6-W2": "REFUTED",
    "P6-EM": "REFUTED",
    **{f"P6-{way}-{read}": "REFUTED" for way in ("W2", "EM") for read in ("SOME", "BOUNDS", "FID")},
    **dict.fromkeys(NEED_SAMPLES, "INCONCLUSIVE"),
    **{
        f"C{number}": "CERTIFIED"
        for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 16, 17, 21, 22, 23, 27, 29, 30)
    },
    "C10": "VACUOUS",
    **{f"C{number}": "SUPPORTED" for number in (13, 14, 15, 18, 19, 24, 25, 26, 28, 35)},
}


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    return {finding.claim.id: finding for finding in run_register()}


def test_whose_each_claim_is() -> None:
    """Readers are told that P1 to P8 are the paper's and C1 and on ours; the register says so itself."""
    assert {(key[0], claim.origin) for key, claim in REGISTER.items()} == {
        ("P", Origin.PAPER),
        ("C", Origin.OURS),
    }


@pytest.mark.deep
def test_every_verdict(findings: dict[str, Finding]) -> None:
    assert {key: finding.verdict.name for key, finding in findings.items()} == EXPECTED


NO_RESOLUTION = {"C10", "C23", "P6-EM-FID"}
"""Claims that no near change of the prediction would have refuted: sharpen a new one, or put it here."""


@pytest.mark.deep
@pytest.mark.parametrize("key", [key for key in EXPECTED if key not in NEED_SAMPLES])
def test_every_claim_has_a_resolution_or_says_that_it_has_none(
    findings: dict[str, Finding], key: str
) -> None:
    finding = findings[key]
    (row,) = claim_rows([finding])
    assert finding.resolved == (key not in NO_RESOLUTION)
    said = ("no resolution", "nothing is left to notice")
    assert finding.resolved or any(line.startswith(said) for line in row.resolution)
    assert all(line[1:] in claims_markdown([finding]) for line in row.resolution)
    assert all(line[1:] in unescape(claims_html([finding])) for line in row.resolution)


@pytest.mark.deep
def test_every_control_is_near_and_refuted_where_it_says(findings: dict[str, Finding]) -> None:
    for key, finding in findings.items():
        stated = REGISTER[key].negative_control
        assert (finding.control is None) == (stated is None or key in NEED_SAMPLES)
        if finding.control is not None and stated is not None:
            assert finding.control.verdict is Verdict.REFUTED
            assert finding.control.caught, key
            assert stated.fails_at in finding.control.evidence
    assert sum(finding.control is not None for finding in findings.values()) >= 5


@pytest.mark.deep
def test_certified_means_two_enclosures(findings: dict[str, Finding]) -> None:
    certified = [finding for finding in findings.values() if finding.verdict is Verdict.CERTIFIED]
    assert len(certified) > 5
    for finding in certified:
        assert finding.details
        for result in finding.details:
            assert isinstance(result.predicted, Enclosure)
            assert isinstance(result.measured, Enclosure)


@pytest.mark.deep
@pytest.mark.parametrize("key", ["P4-EM", "P5-EM"])
def test_equal_mass_is_refuted_by_certificate_on_every_unbounded_law(
    findings: dict[str, Finding], key: str
) -> None:
    refuted = [result for result in findings[key].details if result.holds is False]
    assert all(result.rigorous for result in refuted)
    for name in UNBOUNDED:
        known = [result for result in findings[key].details if result.case.startswith(f"{name}, b = ")]
        factors = [float(result.measured) / float(result.predicted) for result in known]  # type: ignore[arg-type]
        assert factors == sorted(factors)  # the excess grows with every bit
        assert factors[-1] > 15
    assert all(result.holds for result in findings[key].details if result.case.startswith("uniform"))


@pytest.mark.deep
def test_the_optimum_keeps_below_the_constant_with_the_gaussian_goal(findings: dict[str, Finding]) -> None:
    known = {result.case: result.measured for result in findings["C21"].details}
    value = known["gaussian, b = 4"]
    assert isinstance(value, Enclosure)
    assert str(value).startswith("0.0095010080081918861091")


@pytest.mark.deep
def test_p6_splits(findings: dict[str, Finding]) -> None:
    em = {result.case: result for result in findings["P6-EM"].details}
    assert em["gaussian n = 500000, b = 3"].holds  # near 2 to 3 bits it can be right
    assert em["gaussian n = 500000, b = 8"].holds is False
    assert "gaussian n = 500000" in findings["P6-EM"].evidence.partition("Holds: ")[2]
    w2 = {result.case: result for result in findings["P6-W2"].details}
    assert w2.keys() == em.keys()  # judged on the same cases
    assert all(w2[f"gaussian n = 500000, b = {bits}"].holds for bits in range(4, 9))
    assert w2["laplace n = 100000, b = 8"].holds is False
    assert "gaussian n = 500000 b = 4-8" in findings["P6-W2"].evidence.partition(". Holds: ")[2]


@pytest.mark.deep
def test_the_readings_of_p6_differ_where_they_should(findings: dict[str, Finding]) -> None:
    held = {
        key: {result.case for result in findings[f"P6-{key}"].details if result.holds}
        for key in ("W2-SOME", "EM-SOME", "W2-BOUNDS", "EM-BOUNDS", "W2-FID", "EM-FID")
    }
    # As a ratio of bounds it is right on channels and wrong on large layers; of constants the reverse.
    assert {"gaussian n = 256", "laplace n = 256"} <= held["W2-BOUNDS"]
    assert "gaussian n = 500000" not in held["W2-BOUNDS"]
    assert held["W2-FID"] == {"gaussian n = 500000"}
    # At some bit-width the optimum has it on every channel, equal mass on some layers; as a constant never.
    laws = ("gaussian", "laplace", "student-t(5)")
    channels = {f"{law} n = {n}" for law in laws for n in (256, 1024)}
    failing = {result.case for result in findings["P6-W2-SOME"].details if result.holds is False}
    assert not channels & failing
    assert channels - held["W2-SOME"] <= {"student-t(5) n = 1024"}  # which the intervals leave undecided
    assert {"gaussian n = 1024", "gaussian n = 500000"} <= held["EM-SOME"]
    assert held["EM-FID"] == set()
    assert len(findings["P6-W2-BOUNDS"].details) == len(findings["P6-W2-SOME"].details) == 9


def test_the_sizes_quoted_beside_c12_are_those_of_the_law_of_the_range() -> None:
    low, high = band_sample_sizes(make("gaussian"))
    assert f"{low:.1e}".replace("e+0", "e") in REGISTER["C12"].remark
    assert f"{high:.1e}".replace("e+0", "e") in REGISTER["C12"].remark


@pytest.mark.deep
def test_the_gamma_trap_is_certified_with_its_gain(findings: dict[str, Finding]) -> None:
    gains = [
        1 - float(result.measured) / float(result.predicted)  # type: ignore[arg-type]
        for result in findings["C16"].details
    ]
    assert gains == pytest.approx([0.10154, 0.08264], abs=2e-5)  # K = 2 and 4


@pytest.mark.deep
def test_missing_inputs_name_the_argument(findings: dict[str, Finding]) -> None:
    for key in NEED_SAMPLES:
        assert "--fidelity" in findings[key].evidence
        assert findings[key].details == ()


@pytest.mark.parametrize("key", NEED_SAMPLES)
def test_a_claim_on_the_committed_runs_has_a_resolution_or_says_that_it_has_none(key: str) -> None:
    finding = examine(REGISTER[key], Inputs(fidelity=tuple(sorted(RESULTS.glob("flow-*.json")))))
    (row,) = claim_rows([finding])
    assert finding.control is None or finding.control.caught
    assert finding.resolved or not finding.details or row.resolution[0].startswith("no resolution")


@pytest.mark.deep
def test_the_document_is_what_the_register_says_of_the_committed_runs(
    findings: dict[str, Finding],
) -> None:
    given = Inputs(fidelity=tuple(sorted(RESULTS.glob("flow-*.json"))))
    renewed = {key: examine(REGISTER[key], given) for key in NEED_SAMPLES} if given.fidelity else {}
    whole = tuple(renewed.get(key, finding) for key, finding in findings.items())
    assert DOCUMENT.read_text("utf-8") == claims_markdown(whole)


@pytest.mark.deep
def test_the_document_holds_no_date_and_no_timing(findings: dict[str, Finding]) -> None:
    text = claims_markdown(tuple(findings.values()))
    assert re.search(r"20\d\d-\d\d|seconds|\d s\b", text) is None


@pytest.mark.deep
def test_json_is_strict_and_exact(findings: dict[str, Finding]) -> None:
    report = json.loads(json.dumps(claims_as_json(tuple(findings.values())), allow_nan=False))
    by_id = {claim["id"]: claim for claim in report["claims"]}
    assert by_id["P1"]["verdict"] == by_id["P2"]["verdict"] == "CERTIFIED"
    case = by_id["P4-EM"]["cases"][0]
    assert Enclosure.from_json(case["measured"]).radius < 1e-25
    assert by_id["C10"]["cases"][0]["predicted"]["value"] is None


@pytest.mark.deep
def test_page_is_self_contained_and_escaped(findings: dict[str, Finding]) -> None:
    page = claims_html(tuple(findings.values()))
    assert page.startswith("<!doctype html>")
    assert page.count("<h2") == len(findings)
    assert re.search(r"(src|href)=\"(?!#)", page) is None
    assert "|e_1| &lt;=" in page


def test_reading_selects_all_of_a_claim() -> None:
    assert [claim.id for claim in selected(["P4"])] == ["P4-W2", "P4-EM"]
    assert [claim.id for claim in selected(["p4-em", "C1"])] == ["P4-EM", "C1"]
    assert [claim.id for claim in selected(["P1"])] == ["P1"]
    assert [claim.id for claim in selected(["P5"])] == ["P5-W2", "P5-EM", "P5-W2-NET", "P5-EM-NET"]
    with pytest.raises(SchemeError, match="P4-W2"):
        selected(["P9"])


# --- inputs -----------------------------------------------------------------------------------------


def test_a_checkpoint_adds_its_own_cases(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "small.pt"
    torch.save({"w": torch.randn(4, 512, generator=torch.Generator().manual_seed(0))}, path)
    finding = examine(REGISTER["P6-EM"], Inputs(checkpoint=path, include=("w*",)))
    cases = [result.case for result in finding.details if result.case.startswith("small.pt")]
    assert cases == [f"small.pt, b = {bits}" for bits in range(2, 9)]
    assert "checkpoint small.pt, w*" in finding.domain_checked
    assert finding.resolved
