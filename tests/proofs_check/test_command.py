"""``python -m proofs_check``: what it prints and how it exits."""

import pytest
import sympy as sp

from proofs_check import __main__ as command
from proofs_check.lemma import Lemma, Mutant


def _lemma(right: int, mutant_right: int, fails_at: str = "sum") -> Lemma:
    return Lemma(
        id="X",
        title="1 + 1",
        statement="1 + 1 = 2",
        assumptions=(),
        claim={"right": sp.Integer(right)},
        derive=lambda d, claim: d.identity("sum", sp.Integer(1) + 1, claim["right"]),
        mutants=(Mutant("wrong sum", {"right": sp.Integer(mutant_right)}, fails_at),),
    )


@pytest.mark.parametrize(
    ("lemma", "code", "says"),
    [
        (_lemma(2, 3), 0, "1 lemmas proved, 1 mutants refuted"),
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
