"""The examples in the docstrings of the package run as they stand and print what they show.

They are read from the source, not from the modules, and start from nothing: each one imports all that it
uses, so it can be copied into an interpreter.
"""

import ast
import doctest
import importlib
import importlib.util
import inspect
import operator
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import fmq_theory

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("sources", "quantizers", "metrics", "bounds", "certify", "checkpoint", "claims", "flow")


class Example(NamedTuple):
    """The docstring of one module, class, function or method."""

    module: str
    path: str  # of attributes; empty for the module itself
    text: str
    file: str
    line: int

    @property
    def name(self) -> str:
        return f"{self.module}.{self.path}".rstrip(".")


def _documented(node: ast.AST, module: str, path: str, file: str) -> Iterator[Example]:
    """Of a module, class or function, and of what is defined inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from _documented(child, module, f"{path}.{child.name}".lstrip("."), file)
    if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
        text = ast.get_docstring(node, clean=False)
        if text is not None:
            yield Example(module, path, text, file, node.body[0].lineno - 1)


def _examples() -> list[Example]:
    found: list[Example] = []
    for source in sorted((ROOT / "fmq_theory").rglob("*.py")):
        file = source.relative_to(ROOT)
        module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        documented = _documented(ast.parse(source.read_text("utf-8")), module, "", str(file))
        found += [example for example in documented if ">>>" in example.text]
    return found


def _failures(example: Example) -> str:
    """What doctest says; empty where all is well. A warning is an error, as everywhere in these tests."""
    test = doctest.DocTestParser().get_doctest(
        example.text, {"__name__": "__main__"}, example.name, example.file, example.line
    )
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return "".join(said)


EXAMPLES = _examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name.removeprefix("fmq_theory."))
def test_example_prints_what_it_shows(example: Example) -> None:
    said = _failures(example)
    assert not said, f"the example of {example.name} fails\n{said}"


def test_every_room_has_examples() -> None:
    counts = {
        room: sum(example.name.startswith(f"fmq_theory.{room}.") for example in EXAMPLES) for room in ROOMS
    }
    assert min(counts.values()) > 0, counts
    assert len(EXAMPLES) > 30


def test_every_first_name_has_an_example() -> None:
    names = {example.name for example in EXAMPLES}
    offered = [value for name in fmq_theory.__all__ if callable(value := getattr(fmq_theory, name))]
    assert len(offered) >= 4
    assert [value for value in offered if f"{value.__module__}.{value.__qualname__}" not in names] == []


def test_examples_are_where_help_finds_them() -> None:
    """What is read from the source is the docstring of a public object, in a section that the site knows."""
    for example in EXAMPLES:
        found: object = importlib.import_module(example.module)
        if example.path:
            found = operator.attrgetter(example.path)(found)
        assert inspect.cleandoc(example.text) == inspect.getdoc(found), example.name
        assert "Examples:\n" in example.text, example.name
        assert not any(part.startswith("_") for part in example.path.split(".")), example.name


@pytest.mark.parametrize(
    "line",
    [">>> 1 + 1\n3", ">>> undefined", ">>> import warnings; warnings.warn('x')", ">>> print('a')"],
    ids=["wrong", "raises", "warns", "says more"],
)
def test_control_a_wrong_example_fails(line: str) -> None:
    text = f"Something.\n\nExamples:\n{textwrap.indent(line, '    ')}\n"
    said = _failures(Example("fmq_theory.control", "wrong", text, "control.py", 7))
    assert "in fmq_theory.control.wrong" in said
    assert "control.py" in said


def test_control_a_right_example_passes() -> None:
    assert _failures(Example("control", "right", ">>> 1 + 1\n2\n", "control.py", 0)) == ""


def test_the_site_shows_examples_as_they_are() -> None:
    """Prose is escaped, code is not: 2**3 would become 2\\*\\*3."""
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location(
        "plain_docstrings", ROOT / "docs" / "extensions" / "plain_docstrings.py"
    )
    assert spec is not None
    assert spec.loader is not None
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    prose, example = ["a*b and c_:", ""], ["    >>> 2**3", "    8", "    >>> print('*')", "    *"]
    shown = extension.escaped([*prose, *example, "", "d*e"])
    assert shown == ["a\\*b and c\\_:", "", *example, "", "d\\*e"]
