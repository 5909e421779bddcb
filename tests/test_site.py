"""What the site makes of plain text: powers and indices set as such, anchors that outlive their words."""

import importlib
import sys
from pathlib import Path

import pytest

pytest.importorskip("docutils")
pytest.importorskip("myst_parser")
sys.path.append(str(Path(__file__).parents[1] / "docs" / "extensions"))

from fmq_theory.claims.register.register import REGISTER

pieces = importlib.import_module("plain_formulas").pieces
slug = importlib.import_module("verdicts").slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O(2^(-2b)) in", [("text", "O(2"), ("up", "−2b"), ("text", ") in")]),
        ("(e^L - 1)/L", [("text", "(e"), ("up", "L"), ("text", " - 1)/L")]),
        ("2^(3^i - 1)", [("text", "2"), ("up", "3^i − 1")]),
        ("K^2 D_LM", [("text", "K"), ("up", "2"), ("text", " D"), ("down", "LM")]),
        ("|e_1|", [("text", "|e"), ("down", "1"), ("text", "|")]),
        (
            "from X_(k) to X_(m+1−k), D_EM",
            [
                ("text", "from X"),
                ("down", "(k)"),
                ("text", " to X"),
                ("down", "(m+1−k)"),
                ("text", ", D"),
                ("down", "EM"),
            ],
        ),
        ("f_(x) and X_(a b)", [("text", "f_(x) and X_(a b)")]),
        ("M_p, n_k", [("text", "M"), ("down", "p"), ("text", ", n"), ("down", "k")]),
        ("n_p, my_k", [("text", "n_p, my_k")]),
        ("a 2^( never closed", [("text", "a 2^( never closed")]),
        ("snake_case and x ^ y", [("text", "snake_case and x ^ y")]),
    ],
)
def test_powers_and_indices_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert pieces(text) == expected


def test_the_anchor_of_a_claim_is_its_identifier() -> None:
    assert slug("P4-W2: Lemmas 4 and 5") == "p4-w2"
    assert slug("Prior work: what is new") != "prior work"  # no claim: the anchor that GitHub makes


def test_every_claim_has_a_title_of_its_own() -> None:
    titles = [claim.title for claim in REGISTER.values()]
    assert all(0 < len(title) <= 70 for title in titles)
    assert len(set(titles)) == len(titles)
