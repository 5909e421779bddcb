"""The written proofs point at steps that exist and are what the page says they are."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from proofs_check.registry import LEMMAS
from proofs_check.runner import Outcome

THEORY = Path(__file__).resolve().parents[2] / "docs" / "theory"
POINTER = re.compile(r"\((derived|computed|checked):\s+(\w+),((?:\s*`[^`]+`[,;]?)+)")


def _pointers(text: str) -> list[tuple[str, str, str]]:
    """(how, lemma, step); a line break inside a step's name counts as a space."""
    found: list[tuple[str, str, str]] = []
    for how, lemma, names in POINTER.findall(text):
        found += [(how, lemma, " ".join(name.split())) for name in re.findall(r"`([^`]+)`", names)]
    return found


def _dangling(text: str, run: Callable[[str], Outcome]) -> list[tuple[str, str, str]]:
    wrong: list[tuple[str, str, str]] = []
    for how, lemma, name in _pointers(text):
        derivation = run(lemma).derivation if lemma in LEMMAS else None
        steps = {(step.how, step.name) for step in derivation.steps} if derivation else set()
        if (how, name) not in steps:
            wrong.append((how, lemma, name))
    return wrong


PAGES = sorted(f"theory/{path.name}" for path in THEORY.glob("*.md") if path.name != "index.md")


@pytest.mark.deep
@pytest.mark.parametrize("page", PAGES)
def test_every_pointer_leads_to_a_step(page: str, run: Callable[[str], Outcome]) -> None:
    text = (THEORY.parent / page).read_text("utf-8")
    assert _dangling(text, run) == []


def test_every_lemma_has_its_page() -> None:
    assert {lemma.document for lemma in LEMMAS.values()} == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_pages_point_often(page: str) -> None:
    text = (THEORY.parent / page).read_text("utf-8")
    assert len(_pointers(text)) >= 8
    # No bracket that looks like a pointer is read as none.
    assert len(re.findall(r"\((?:derived|computed|checked):", text)) == len(POINTER.findall(text))


@pytest.mark.deep
def test_control_a_wrong_pointer_is_found(run: Callable[[str], Outcome]) -> None:
    text = (
        "(derived:\nT1, `nested events: H = min(F, G)`, `no such\nstep`) (argued) "
        "(computed: T1, `sum over layers`) (derived: T99, `a`)"
    )
    assert _dangling(text, run) == [
        ("derived", "T1", "no such step"),
        ("computed", "T1", "sum over layers"),
        ("derived", "T99", "a"),
    ]
