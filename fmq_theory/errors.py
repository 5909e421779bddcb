"""The errors a user can meet.

Each message has three parts: the thing that is wrong, why it is wrong, and what mends it. The
constructor asks for the three of them, so that none can be forgotten. What names of a file stand in
them is escaped and shortened here, so that a message is one line of ink whatever the file holds.

A message speaks to who calls Python. Where it names an argument it does so by a `Way`, which the command
line says in its options.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fmq_theory.shown import one_line

__all__ = [
    "CertificationError",
    "CheckpointError",
    "ConvergenceError",
    "FlowError",
    "FmqError",
    "OldFormatWarning",
    "OutputError",
    "SchemeError",
    "SettingError",
    "SourceError",
    "Way",
    "WeightsError",
    "Words",
    "argument",
    "is_lack_of_memory",
]


@dataclass(frozen=True, slots=True)
class Way:
    """A step that a caller can take, or what it is called.

    Attributes:
        key: under which another face, as the command line, has words of its own for it.
        python: what a Python caller writes.
        value: of the argument, where there is one.
    """

    key: str
    python: str
    value: object = None


def argument(name: str, value: object) -> Way:
    """The way of passing ``value`` as the argument ``name``.

    Args:
        name: of the argument, as Python spells it.
        value: what to pass.
    """
    return Way(name, f"{name}={value!r}", value)


Words = str | tuple[str | Way, ...]
"""A text, or its parts in their order."""


def _in_python(way: Way) -> str:
    return way.python


def _said(words: Words, say: Callable[[Way], str]) -> str:
    return words if isinstance(words, str) else "".join(w if isinstance(w, str) else say(w) for w in words)


class FmqError(Exception):
    """Base of every error that fmq_theory raises on purpose.

    Args:
        thing: what is wrong, named as the user named it ("tensor 'conv.weight'", "df = 1.5").
        cause: why it cannot be used.
        remedy: what the user can do next.

    Examples:
        >>> import fmq_theory
        >>> try:
        ...     fmq_theory.quantize([1.0, float("nan")])
        ... except fmq_theory.FmqError as error:
        ...     print(error)
        weights: 1 of its 2 weights are nan or infinite; remove or replace the entries that are not finite
    """

    def __init__(self, thing: Words, cause: str, remedy: Words) -> None:
        self._parts = thing, cause, remedy
        super().__init__(self.told(_in_python))
        self.thing = _said(thing, _in_python)
        self.cause = cause
        self.remedy = _said(remedy, _in_python)

    def told(self, say: Callable[[Way], str]) -> str:
        """The message with the ways in other words than Python's.

        Args:
            say: gives the words of a way.
        """
        thing, cause, remedy = self._parts
        return f"{one_line(_said(thing, say), 600)}: {one_line(cause)}; {one_line(_said(remedy, say))}"

    def __reduce__(self) -> tuple[type["FmqError"], tuple[Words, str, Words]]:
        # Exception pickles self.args, which holds the joined message and not the three parts.
        return type(self), self._parts

    def renamed(self, thing: str) -> "FmqError":
        """The same error about a thing that only the caller can name (a tensor, a channel).

        Args:
            thing: what the error is about in the caller's words, as "tensor 'a.weight'".

        Returns:
            An error of the same class, with the same cause and remedy.
        """
        _, cause, remedy = self._parts
        return type(self)(thing, cause, remedy)


# What libraries say in their own words where the system has no memory left.
_NO_MEMORY = (
    "not enough memory", "can't allocate memory", "cannot allocate memory", "out of memory",
    "start new thread", "allocate lock",
)  # fmt: skip


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error, of Python or of a library with words of its own, is about memory that is missing.

    Args:
        error: of any kind.
    """
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _NO_MEMORY)


class SourceError(FmqError, ValueError):
    """A law whose parameters are outside their domain, or that lacks what was asked of it."""


class WeightsError(FmqError, ValueError):
    """An array that cannot be quantized: empty, not finite, of the wrong kind or shape."""


class SchemeError(FmqError, ValueError):
    """An unknown scheme, or one that cannot design what was asked for."""


class ConvergenceError(FmqError, ArithmeticError):
    """An iteration that stopped before it met its tolerance."""


class CertificationError(FmqError, ArithmeticError):
    """A proof that was asked for and could not be given, or asked for with input that is not exact."""


class CheckpointError(FmqError, ValueError):
    """A checkpoint that is missing, corrupt, unsafe to read, or holds nothing to quantize."""


class FlowError(FmqError, ValueError):
    """A flow that cannot be run: a field that answers nan, a model that does not fit, unknown samplers."""


class OutputError(FmqError, ValueError):
    """A result that cannot be written where the user asked for it."""


class SettingError(FmqError, ValueError):
    """A setting of the work itself that cannot be used: a number of threads, an environment variable."""


class OldFormatWarning(UserWarning):
    """A file of an earlier version of a format: it is read, and lacks what later versions guard."""
