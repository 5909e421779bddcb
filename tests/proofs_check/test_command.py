"""``python -m proofs_check``: what it prints and writes, and how it exits."""

import json
from pathlib import Path

import pytest
import sympy as sp

from proofs_check import __main__ as command
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No test writes the real page."""
    monkeypatch.setattr(command, "DOCUMENT", tmp_path / "proofs.md")
    return tmp_path / "proofs.md"


def _derive(d: Derivation, claim: Claim) -> None:
    i = sp.Symbol("i", integer=True)
    d.identity("sum", sp.summation(1, (i, 1, 2)), claim["right"])
    d.conclude("1 + 1 = 2", uses=("sum",))


def _lemma(right: int, mutant_right: int, fails_at: str = "sum") -> Lemma:
    return Lemma(
        id="X",
        title="1 + 1",
        statement="1 + 1 = 2",
        assumptions=(),
        claim={"right": sp.Integer(right)},
        derive=_derive,
        mutants=(Mutant("wrong sum", {"right": sp.Integer(mutant_right)}, fails_at),),
    )


@pytest.mark.parametrize(
    ("lemma", "code", "says"),
    [
        (_lemma(2, 3), 0, "1 steps derived, 0 computed, 0 argued in words"),
        (_lemma(3, 4), 1, "not proved at sum"),
        (_lemma(2, 2), 1, "passed, although it is false"),
        (_lemma(2, 3, fails_at="elsewhere"), 1, "failed at the wrong step"),
    ],
)
def test_exit_code(
    lemma: Lemma, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "LEMMAS", {"X": lemma})
    assert command.main([]) == code
    assert says in capsys.readouterr().out


def test_only_runs_what_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "T3", "--steps"]) == 0
    out = capsys.readouterr().out
    assert "Euler-Lagrange exponent" in out
    assert "T5a" not in out


def test_unknown_id_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(["--only", "T99"])
    assert stop.value.code == 2
    assert "T5a" in capsys.readouterr().err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    assert "C_PD" in capsys.readouterr().out


def test_a_whole_run_writes_the_page_and_check_compares(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], page: Path
) -> None:
    monkeypatch.setattr(command, "LEMMAS", {"X": _lemma(2, 3)})
    assert command.main(["--check"]) == 1, "a missing page is stale"
    assert not page.exists(), "--check does not write"
    assert command.main([]) == 0
    assert "## X. 1 + 1" in page.read_text("utf-8")
    assert command.main(["--check"]) == 0
    capsys.readouterr()

    # Negative controls: an edited page, and a page older than a lemma, are stale.
    page.write_text(page.read_text("utf-8").replace("1 + 1 = 2", "1 + 1 = 3"), "utf-8")
    assert command.main(["--check"]) == 1
    assert "STALE" in capsys.readouterr().out
    assert command.main([]) == 0
    monkeypatch.setattr(command, "LEMMAS", {"X": _lemma(2, 3), "Y": _lemma(2, 4)})
    assert command.main(["--check"]) == 1


def test_a_failed_run_or_a_part_of_the_lemmas_writes_no_page(
    monkeypatch: pytest.MonkeyPatch, page: Path
) -> None:
    monkeypatch.setattr(command, "LEMMAS", {"X": _lemma(3, 4)})
    assert command.main([]) == 1
    monkeypatch.setattr(command, "LEMMAS", {"X": _lemma(2, 3)})
    assert command.main(["--only", "X"]) == 0
    assert not page.exists()


def test_json_holds_every_step(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert command.main(["--only", "T3", "--json", str(path)]) == 0
    data = json.loads(path.read_text("utf-8"))
    assert data["passed"] is True
    (lemma,) = data["lemmas"]
    assert lemma["id"] == "T3"
    assert "Euler-Lagrange exponent" in [step["name"] for step in lemma["steps"]]
    assert all(mutant["refuted"] for mutant in lemma["mutants"])
