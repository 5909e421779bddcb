"""Things that the functions of others make, by name: ``package.module:function`` or ``file.py:function``."""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import cast

from fmq_theory.errors import FlowError
from fmq_theory.flow.foreign import foreign_code, required_arguments

__all__ = ["made_by"]

_EXAMPLE = "name a function, as in a.b:build or ./file.py:build"
_REMEDY = "correct it, and try it in a Python of your own"


def made_by(thing: str, name: str) -> object:
    """What a function returns that is called without arguments.

    The folder of a file is added to the end of ``sys.path``, so that the file may import what lies beside it.

    Args:
        thing: what messages call it: "model 'a.b:build'".
        name: a module or a Python file, a colon, and the name of a function in it.

    Raises:
        FlowError: there is no such module, file or function, or it needs arguments, or raises an error.
    """
    place, _, function = name.rpartition(":")
    if not (place and function):
        raise FlowError(thing, "it is not of the form package.module:factory", _EXAMPLE)
    module = _module(thing, place)
    made: object = getattr(module, function, None)
    if not callable(made):
        if hasattr(module, function):
            cause = f"{function} in {place} is of type {type(made).__name__}, and no function"
            raise FlowError(thing, cause, f"name a function without arguments that returns {function}")
        raise FlowError(thing, f"{place} has no function {function!r}", "check the name")
    if later := _answers_later(made):
        raise FlowError(
            thing,
            f"{function} in {place} is {later}: a call of it returns no value",
            f"name a plain function, which returns what {function} gives in the end",
        )
    if needed := required_arguments(made):
        raise FlowError(
            thing,
            f"it cannot be called without {', '.join(needed)}",
            f"give them defaults, or name a function without arguments that calls {function} with them",
        )
    with foreign_code(thing, "the factory", _REMEDY):
        return cast("Callable[[], object]", made)()


def _answers_later(function: object) -> str | None:
    """What a function is whose call returns a promise of a value, and None where it returns the value."""
    for one in (function, getattr(function, "__call__", None)):  # noqa: B004 (of an object with that method)
        if inspect.iscoroutinefunction(one):
            return "an async function"
        if inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one):
            return "a generator"
    return None


def _module(thing: str, place: str) -> ModuleType:
    if not (place.endswith(".py") or "/" in place or "\\" in place):
        try:
            with foreign_code(thing, "the module", _REMEDY):
                return importlib.import_module(place)
        except FlowError as error:
            if isinstance(error.__cause__, ImportError):
                cause = f"the module cannot be imported ({error.__cause__})"
                raise FlowError(thing, cause, "check the name and PYTHONPATH") from error.__cause__
            raise
    path = Path(place).absolute()
    if not path.is_file():
        raise FlowError(thing, f"there is no file {place}", _EXAMPLE)
    # Two files of one name in two folders are two modules; one file is loaded once.
    name = f"fmq_model_{path.stem}_{hashlib.sha256(str(path).encode(errors='replace')).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FlowError(thing, f"{place} is no Python file", "name a file that ends in .py")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with foreign_code(thing, f"{place}", _REMEDY):
            spec.loader.exec_module(module)
    except FlowError:
        del sys.modules[name]
        raise
    return module
