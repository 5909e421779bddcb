"""What the documents say about the code exists in the code."""

import ast
import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

import fmq_theory

ROOT = Path(__file__).resolve().parents[1]
BUILT = {"_build", "generated", "gallery_built"}
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if BUILT.isdisjoint(path.relative_to(ROOT).parts)
)


def _resolve(dotted: str) -> object:
    """Modules are imported as far as they go; the rest are attributes."""
    value: object = fmq_theory
    path = "fmq_theory"
    for name in dotted.split("."):
        path = f"{path}.{name}"
        is_module = hasattr(value, "__path__") and importlib.util.find_spec(path) is not None
        value = importlib.import_module(path) if is_module else getattr(value, name)
    return value


def _names_in_notation() -> list[str]:
    """The third cell of each row of each table."""
    text = (ROOT / "docs" / "notation.md").read_text("utf-8")
    cells = [line.split("|")[3] for line in text.splitlines() if line.count("|") == 5]
    return sorted({name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)})


@pytest.mark.parametrize("dotted", _names_in_notation())
def test_notation_names_exist(dotted: str) -> None:
    assert _resolve(dotted) is not None


def test_notation_is_read() -> None:
    assert len(_names_in_notation()) > 35


def test_control_a_wrong_name_is_found() -> None:
    with pytest.raises(AttributeError):
        _resolve("bounds.panter_dite")


def _anchors(document: Path) -> set[str]:
    """What GitHub and the site call the headings of a document."""
    text = document.read_text("utf-8")
    headings = re.findall(r"^#{1,6} (.+)$", text, flags=re.MULTILINE)
    own = set(re.findall(r'^<a id="([\w-]+)"></a>$', text, flags=re.MULTILINE))
    return own | {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _broken_links(text: str, document: Path) -> list[str]:
    broken: list[str] = []
    for target in re.findall(r"\]\(([^)\s]+)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        name, _, anchor = target.partition("#")
        if "://" in target or name.startswith("mailto:"):
            continue
        path = document.parent / name if name else document
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in _anchors(path)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_internal_links_lead_somewhere(document: Path) -> None:
    assert _broken_links(document.read_text("utf-8"), document) == []


def test_control_a_broken_link_is_found() -> None:
    sound = "[a](https://example.org) [b](docs/claims.md#p4-em) "
    text = sound + "[c](docs/nowhere.md) [d](docs/claims.md#p99) [e](#x)"
    assert _broken_links(text, ROOT / "README.md") == ["docs/nowhere.md", "docs/claims.md#p99", "#x"]


def test_readme_gives_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert readme.count("\npip install -e . && python -m fmq_theory.bounds --tail student-t\n") == 1
    assert readme.count("\npip install -e '.[test]' && pytest -n auto --dist worksteal\n") == 1


def test_readme_example_runs() -> None:
    """Every line of the Python example; its last two expressions have the values that it states."""
    readme = (ROOT / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    scope: dict[str, object] = {}
    results: list[Any] = []
    for statement in ast.parse(example).body:
        if isinstance(statement, ast.Expr):
            results.append(eval(compile(ast.Expression(statement.value), "README.md", "eval"), scope))
        else:
            exec(compile(ast.Module([statement], []), "README.md", "exec"), scope)
    (mse, effective_bits), restored, constant = results
    assert f"{mse:.5f}" == "0.00838"
    assert effective_bits == 4 + 16 * 64 / 1024  # 16 float64 levels for each 1024 weights
    assert restored.shape == (64, 1024)
    assert f"{constant:.3f}" == "61.557"
