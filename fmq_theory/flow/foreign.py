"""Code that others wrote, run inside ours: a factory of a model, a module's forward."""

import inspect
from collections.abc import Generator
from contextlib import contextmanager

from torch import nn

from fmq_theory.errors import FlowError, FmqError, is_lack_of_memory

__all__ = ["check_forward", "foreign_code", "required_arguments"]

_SIGNAL = 128  # exit codes above it are those of signals
_TIMES = frozenset(("t", "ts", "time", "times", "timestep", "timesteps", "sigma", "sigmas", "tau"))


class _Translated:
    """Turns what foreign code raises into a FlowError. It may raise anything: no list of kinds would do."""

    def __init__(self, thing: str, doing: str, remedy: str) -> None:
        self._thing, self._doing, self._remedy = thing, doing, remedy

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        # Our own errors say enough; a lack of memory and Ctrl-C are not the code's fault.
        if error is None or isinstance(error, (FmqError, KeyboardInterrupt, GeneratorExit)):
            return
        if is_lack_of_memory(error):
            return
        if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > _SIGNAL:
            return  # a signal ends the program, whatever it was doing
        words = " ".join(str(error).split())
        told = f"{type(error).__name__}: {words}" if words else type(error).__name__
        raise FlowError(self._thing, f"{self._doing} raised {told}", self._remedy) from error


@contextmanager
def foreign_code(thing: str, doing: str, remedy: str) -> Generator[None]:
    """While it lasts, every error but our own, a lack of memory and Ctrl-C becomes a FlowError.

    Args:
        thing: what the code belongs to, as the user named it.
        doing: what it was asked for, before "raised".
        remedy: what the user can do.

    Raises:
        FlowError: the code raised something, or called ``sys.exit``.
    """
    with _Translated(thing, doing, remedy):
        yield


def required_arguments(function: object) -> list[str]:
    """Names of the arguments without which ``function`` cannot be called; empty where that is not known."""
    if not callable(function):
        return []
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a function of another language tells nothing
        return []
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind not in starred]


def check_forward(module: nn.Module, parts: int) -> None:
    """Refuses a module that cannot be called as ``module(x, t, *condition)``, by the names in its forward.

    A forward of (t, x) might answer all the same, with nonsense.

    Args:
        module: the network.
        parts: of the condition.

    Raises:
        FlowError: its forward takes time first, or other arguments than it would be given.
    """
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):
        return
    thing = f"module {type(module).__name__}"
    takes = f"its forward takes {_in_words(signature)}"
    wrap = "wrap it in a module whose forward takes (x, t, *condition) and calls it as it wants to be called"
    names = list(signature.parameters)
    if len(names) > 1 and names[0].lower() in _TIMES and names[1].lower() not in _TIMES:
        raise FlowError(thing, f"{takes}, time first, and it is called as (x, t)", wrap)
    try:
        signature.bind(*range(2 + parts))
    except TypeError:
        given = ["x", "t", *(f"condition[{place}]" for place in range(parts))]
        remedy = (
            f"return the rest of the arguments from draw_condition of the FlowModel, or {wrap}"
            if _needs_more(signature, 2 + parts)
            else wrap
        )
        raise FlowError(thing, f"{takes}, and it is called as ({', '.join(given)})", remedy) from None


def _in_words(signature: inspect.Signature) -> str:
    words: list[str] = []
    for parameter in signature.parameters.values():
        star = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
        words.append(f"{star.get(parameter.kind, '')}{parameter.name}")
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            words[-1] += "=" if parameter.default is inspect.Parameter.empty else "=..."
    return f"({', '.join(words)})"


def _needs_more(signature: inspect.Signature, given: int) -> bool:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [p for p in signature.parameters.values() if p.kind in positional]
    return sum(p.default is inspect.Parameter.empty for p in parameters) > given
