"""The examples in docstrings print what they say."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

import fmq_theory

_FINDER = doctest.DocTestFinder(exclude_empty=True)


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(fmq_theory.__path__, "fmq_theory."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def _examples() -> dict[str, doctest.DocTest]:
    tests = [test for module in _modules() for test in _FINDER.find(module) if test.examples]
    return {test.name: test for test in tests}


_EXAMPLES = _examples()


def _failures(test: doctest.DocTest) -> list[str]:
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return said


@pytest.mark.parametrize("name", sorted(_EXAMPLES))
def test_an_example_prints_what_it_says(name: str) -> None:
    assert not _failures(_EXAMPLES[name])


def test_each_public_function_has_an_example() -> None:
    for name in fmq_theory.__all__:
        value = getattr(fmq_theory, name)
        if callable(value):
            assert f"{value.__module__}.{name}" in _EXAMPLES


def test_each_room_has_examples() -> None:
    rooms = {name.split(".")[1] for name in _EXAMPLES}
    assert rooms >= {
        "sources", "quantizers", "metrics", "bounds", "certify", "flow", "checkpoint", "claims"
    }  # fmt: skip


def test_control_a_wrong_example_fails() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert any("Expected" in text for text in _failures(wrong))
    raises = doctest.DocTestParser().get_doctest(">>> [][0]\n1\n", {}, "raises", None, None)
    assert any("IndexError" in text for text in _failures(raises))


def test_examples_are_in_docstrings_that_readers_see() -> None:
    for name in _EXAMPLES:
        assert not name.rpartition(".")[2].startswith("_")
        assert "Examples:\n" in (inspect.getdoc(_object(name)) or "")


def _object(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)
