"""Every argument of what a room exports is explained in words of its own."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fmq_theory

# Modules that stand beside the rooms.
SINGLE_FILES = ("fmq_theory.codebook", "fmq_theory.errors", "fmq_theory.shown")
_LIKEWISE = re.compile(r"\blikewise\b", re.IGNORECASE)
# Words that send the reader elsewhere instead of saying what an argument is.
_NO_WORDS = re.compile(r"likewise|ditto|(see|as in|as for|as there|like|same as|the same as) \S+\.?")


def _documented(docstring: str) -> dict[str, str]:
    """What ``Args:`` and ``Attributes:`` say, by name; the text of one argument on one line."""
    found: dict[str, str] = {}
    for section in re.finditer(r"^(?:Args|Attributes):\n((?: +.*\n|\n)+)", f"{docstring}\n", re.MULTILINE):
        for entry in re.finditer(r"^ {4}(\S[^:\n]*):(.*(?:\n {5,}.*)*)", section[1], re.MULTILINE):
            found[entry[1].lstrip("*")] = " ".join(entry[2].split())
    return found


def _violations(thing: Callable[..., Any], docstring: str) -> Iterator[str]:
    """What is missing or wrong in the explanation of a callable's parameters."""
    parameters = [name for name in inspect.signature(thing).parameters if name not in ("self", "cls")]
    documented = _documented(docstring)
    for name in parameters:
        if name not in documented:
            yield f"{name} is not explained"
        elif not documented[name] or _NO_WORDS.fullmatch(documented[name]):
            yield f"{name} is explained elsewhere: {documented[name]!r}"
    if inspect.isfunction(thing):
        yield from (f"{name} is no parameter" for name in documented if name not in parameters)
    if _LIKEWISE.search(docstring):
        yield "likewise: say it in words of its own"


def _inherited(cls: type, name: str) -> str:
    """The docstrings of a method and of those that it overrides: what they say together counts."""
    held = [base.__dict__[name] for base in cls.__mro__ if name in base.__dict__]
    methods = [inspect.unwrap(getattr(method, "__func__", method)) for method in held]
    return "\n\n".join(inspect.cleandoc(method.__doc__) for method in methods if method.__doc__)


def _exported() -> Iterator[tuple[str, Callable[..., Any], str]]:
    """Name, callable and docstring of every function, class and method that a room exports."""
    modules = [
        module.name for module in pkgutil.walk_packages(fmq_theory.__path__, "fmq_theory.") if module.ispkg
    ]
    for module in map(importlib.import_module, ("fmq_theory", *modules, *SINGLE_FILES)):
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            home = getattr(thing, "__module__", "")
            if not home.startswith("fmq_theory"):
                continue
            if inspect.isclass(thing):
                yield from _of_class(f"{module.__name__}.{name}", thing)
            elif inspect.isfunction(thing):
                yield f"{module.__name__}.{name}", thing, inspect.cleandoc(thing.__doc__ or "")


def _of_class(name: str, cls: type) -> Iterator[tuple[str, Callable[..., Any], str]]:
    if not issubclass(cls, BaseException) and not getattr(cls, "_is_protocol", False):
        yield name, cls, inspect.cleandoc(cls.__doc__ or "")
    for key, value in vars(cls).items():
        method = getattr(value, "__func__", value)
        if not key.startswith("_") and inspect.isfunction(method):
            yield f"{name}.{key}", method, _inherited(cls, key)


def test_every_exported_argument_is_explained() -> None:
    seen = list(_exported())
    assert len(seen) > 400  # an empty list would pass
    wrong = {name: found for name, thing, text in seen if (found := list(_violations(thing, text)))}
    assert wrong == {}


def test_nothing_in_the_package_is_explained_by_likewise() -> None:
    """Of no function, exported or not: a reader of one argument need not have read the one before."""
    files = sorted(Path(fmq_theory.__path__[0]).rglob("*.py"))
    assert len(files) > 300
    assert [str(path) for path in files if _LIKEWISE.search(path.read_text("utf-8"))] == []


def _example(first: float, *, second: float = 0.0) -> float:
    """first + second, with nothing else in it.

    Args:
        first: a number of the caller's choice,
            explained on two lines: one and two.
        second: what is added; 0 unless given.

    Returns:
        The sum.
    """
    return first + second


def test_a_full_explanation_passes_and_near_ones_do_not() -> None:
    text = inspect.cleandoc(_example.__doc__ or "")
    second = "second: what is added; 0 unless given."
    assert list(_violations(_example, text)) == []
    for wrong in (
        "",
        text.replace(f"    {second}\n", ""),  # a keyword is left out
        text.replace("second:", "seconds:"),  # misspelt
        text.replace(f"    {second}\n", "").replace("The sum.", second),  # under Returns
        text.replace(f"    {second}\n", f"        {second}\n"),  # swallowed by the text of the first
        text.replace("what is added; 0 unless given.", "see ``first``."),
        text.replace("what is added; 0 unless given.", "likewise."),
        text.replace("what is added; 0 unless given.", ""),
        text.replace("what is added", "what is added likewise"),
        text.replace("    second", "    third: not there.\n    second"),
    ):
        assert wrong != text
        assert list(_violations(_example, wrong)) != [], wrong
