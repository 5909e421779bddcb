"""Numbers in the documents come from the results, and nothing else does."""

import json
import re
from pathlib import Path

import pytest

from experiments.documents import command
from experiments.documents.command import main, unused_numbers
from experiments.documents.numbers import DocumentError, number, read_numbers
from experiments.documents.passages import CITED, PASSAGE, filled, names_in
from experiments.documents.places import DOCUMENTS, RESULTS, ROOT
from experiments.documents.tables import TABLES, ratio_table
from experiments.documents.verdicts import verdict
from experiments.framework.table import read_table, write_table
from fmq_theory.bounds import BAND
from fmq_theory.claims.engine.claim import Verdict

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
    assert filled(text, read_numbers()) == text, "run python -m experiments.documents"


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
    assert number(asks, results) == says
    text = "x <!-- = made-number -->old<!-- / --> y"
    assert filled(text, {"made-number": asks}, results) == text.replace("old", says)


@pytest.mark.parametrize(
    ("asks", "reason"),
    [
        ("made; law=a; rho; .2f", "2 rows fit"),
        ("made; law=z; rho; .2f", "no row"),
        ("made; law=a; count nothing; d", "no such column"),
        ("made; law; rho; .2f", "has not the form"),
        ("made; rho", "has not the form"),
        ("missing; law=a; rho", "no such file"),
    ],
)
def test_what_a_number_may_not_ask(asks: str, reason: str, results: Path) -> None:
    with pytest.raises(DocumentError, match=reason):
        number(asks, results)


@pytest.mark.parametrize(
    ("asks", "reason"),
    [
        ("table nothing", "there is none"),
        ("b-star", "has none of that name"),
        ("made; law=a bits=2; rho; .2f", "has none of that name"),
    ],
)
def test_what_a_passage_may_not_ask(asks: str, reason: str, results: Path) -> None:
    with pytest.raises(DocumentError, match=reason):
        filled(f"x <!-- = {asks} -->1<!-- / -->", {"b-star-small": "made; law=a bits=2; rho; .2f"}, results)


@pytest.mark.parametrize(
    ("text", "reason"), [("a = 1.5", "it is no text"), ("a = made; b", "mend that line")]
)
def test_numbers_are_names_of_expressions(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "numbers.toml").write_text(text)
    with pytest.raises(DocumentError, match=reason):
        read_numbers(tmp_path / "numbers.toml")


def test_every_number_is_shown_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unused_numbers() == set()
    monkeypatch.setattr(command, "read_numbers", lambda: {**read_numbers(), "spare": "made; ; rho"})
    assert unused_numbers() == {"spare"}
    assert names_in("<!-- = table a -->1<!-- / --> and <!-- = b -->2<!-- / -->") == {"b"}


def test_a_verdict_behind_its_link_is_the_register_s() -> None:
    typed = "as ([P4-W2](claims.md#p4-w2), CERTIFIED) and [P1](../claims.md#p1), CERTIFIED; [P2]."
    assert filled(typed, {}) == typed.replace("CERTIFIED", "REFUTED", 1)
    with pytest.raises(KeyError):
        filled("[P99](claims.md#p99), REFUTED", {})


def _verdicts_by_hand(text: str) -> set[str]:
    """Verdicts in lines about a claim that stand neither in a table nor behind the claim's link."""
    lines = [line for line in PASSAGE.sub("", text).splitlines() if "claims.md#" in line]
    words = "|".join(each.name for each in Verdict)
    return set(re.findall(rf"\b(?:{words})\b", CITED.sub("", "\n".join(lines))))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_verdict_is_written_by_hand(name: str) -> None:
    assert _verdicts_by_hand((ROOT / name).read_text("utf-8")) == set()


def test_control_a_verdict_that_is_not_behind_its_link_is_written_by_hand() -> None:
    assert _verdicts_by_hand("[P1](claims.md#p1), CERTIFIED and [P2](claims.md#p2): REFUTED") == {"REFUTED"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_mostly_text(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    comments = sum(len(found) for found in re.findall(r"<!--.*?-->", text, flags=re.DOTALL))
    assert comments < 0.15 * len(text)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_shown_somewhere(name: str) -> None:
    assert any(f"<!-- = table {name} -->" in (ROOT / each).read_text("utf-8") for each in DOCUMENTS)


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
