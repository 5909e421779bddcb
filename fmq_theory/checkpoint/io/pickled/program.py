"""The program of a pickle, carried out without calling anything that it names.

What it says of plain data becomes data. What it calls is handed on by name, and only the names of a fixed
list are taken. Nothing is recursive and nothing hashes or prints what the file has nested, so that the time
is linear in the number of operations.

Reference: Python, Lib/pickletools.py (the operations of protocols 2 to 5 that plain data and tensors take).
"""

import pickle
import struct
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from fmq_theory.checkpoint.io import limits
from fmq_theory.errors import CheckpointError

__all__ = ["Call", "Name", "NeedsCodeError", "Opaque", "PickleError", "Readable", "hashable", "run"]


class PickleError(Exception):
    """A pickle that is damaged, or does what plain data and tensors do not need."""


class NeedsCodeError(PickleError):
    """A pickle that names what is neither plain data nor a tensor."""


class Readable(Protocol):
    """A file opened for reading."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""
        ...

    def readline(self, size: int, /) -> bytes:
        """At most so many bytes, up to the end of the line."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A class or function that the pickle names.

    Attributes:
        text: module and name.
    """

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """An object that is no tensor and holds none that counts.

    Attributes:
        kind: what made it.
        arguments: of what.
    """

    kind: str
    arguments: tuple[object, ...] = ()


Call = Callable[[str, tuple[object, ...]], object]
Pointer = Callable[[tuple[object, ...]], object]

_LONGEST_NAME = 1000
_LONGEST_KEY = 64
_LARGEST_KEY = 2**63
_LONGEST_INTEGER = 255  # bytes; torch reads no longer ones
_SCALARS = (str, int, float, bytes, type(None))
_SET = Opaque("set")


def run(file: Readable, call: Call, pointer: Pointer, allowed: Callable[[str], bool], thing: str) -> object:
    """What the pickle at the beginning of ``file`` makes.

    Args:
        file: read up to the end of the pickle.
        call: gives the object for a name and arguments.
        pointer: gives the object that a persistent identifier stands for.
        allowed: whether a name is one of the list.
        thing: what to call the file in the error about its size.

    Raises:
        PickleError: it is damaged or needs code.
        CheckpointError: it takes more operations than are allowed.
    """
    machine = _Machine(file, call, pointer, allowed)
    operations, read = machine.operations, file.read
    steps, most = 0, limits.MOST_STEPS
    try:
        while True:
            key = read(1)
            if key == pickle.STOP:
                return machine.stack.pop()
            operation = operations.get(key)
            if operation is None:
                if not key:
                    raise PickleError("it ends in the middle of its structure")
                raise PickleError(f"Unsupported operand {key[0]}")
            operation()
            steps += 1
            if steps > most:
                limits.check_count(thing, "operations of a pickle", steps, "MOST_STEPS")
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, struct.error) as error:
        # A stack that is empty, a memo that has no such number, an argument of another kind.
        if isinstance(error, CheckpointError):
            raise
        raise PickleError(f"its structure contradicts itself ({type(error).__name__})") from error


class _Machine:
    """The stack, the stacks below the marks, and the memo."""

    def __init__(self, file: Readable, call: Call, pointer: Pointer, allowed: Callable[[str], bool]) -> None:
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, object] = {}
        self._file, self._call, self._pointer, self._allowed = file, call, pointer, allowed
        self.operations = self._table()

    def _table(self) -> dict[bytes, Callable[[], None]]:
        return {
            pickle.PROTO: lambda: self._skip(1),
            pickle.FRAME: lambda: self._skip(8),
            pickle.NONE: lambda: self.stack.append(None),
            pickle.NEWTRUE: lambda: self.stack.append(True),
            pickle.NEWFALSE: lambda: self.stack.append(False),
            pickle.BININT: lambda: self._number("<i"),
            pickle.BININT1: lambda: self._number("<B"),
            pickle.BININT2: lambda: self._number("<H"),
            pickle.BINFLOAT: lambda: self._number(">d"),
            pickle.LONG1: lambda: self._long("<B"),
            pickle.LONG4: lambda: self._long("<i"),
            pickle.BINUNICODE: lambda: self._text("<I"),
            pickle.SHORT_BINUNICODE: lambda: self._text("<B"),
            pickle.BINUNICODE8: lambda: self._text("<Q"),
            pickle.BINBYTES: lambda: self._bytes("<I"),
            pickle.SHORT_BINBYTES: lambda: self._bytes("<B"),
            pickle.BINBYTES8: lambda: self._bytes("<Q"),
            pickle.BYTEARRAY8: lambda: self._bytes("<Q"),
            pickle.SHORT_BINSTRING: self._old_text,
            pickle.EMPTY_TUPLE: lambda: self.stack.append(()),
            pickle.EMPTY_LIST: lambda: self.stack.append([]),
            pickle.EMPTY_DICT: lambda: self.stack.append({}),
            pickle.EMPTY_SET: lambda: self.stack.append(_SET),
            pickle.FROZENSET: self._frozenset,
            pickle.MARK: self._mark,
            pickle.POP: self._pop,
            pickle.POP_MARK: self._pop_mark,
            pickle.DUP: lambda: self.stack.append(self.stack[-1]),
            pickle.TUPLE: self._tuple_from_mark,
            pickle.TUPLE1: lambda: self._tuple(1),
            pickle.TUPLE2: lambda: self._tuple(2),
            pickle.TUPLE3: lambda: self._tuple(3),
            pickle.APPEND: lambda: self._append([self.stack.pop()]),
            pickle.APPENDS: lambda: self._append(self._popped()),
            pickle.ADDITEMS: lambda: self._add(self._popped()),
            pickle.SETITEM: lambda: self._set([self.stack.pop(-2), self.stack.pop()]),
            pickle.SETITEMS: lambda: self._set(self._popped()),
            pickle.BINPUT: lambda: self._put("<B"),
            pickle.LONG_BINPUT: lambda: self._put("<I"),
            pickle.MEMOIZE: self._memoize,
            pickle.BINGET: lambda: self._get("<B"),
            pickle.LONG_BINGET: lambda: self._get("<I"),
            pickle.GLOBAL: self._global,
            pickle.STACK_GLOBAL: self._stack_global,
            pickle.REDUCE: self._reduce,
            pickle.NEWOBJ: self._reduce,
            pickle.BUILD: self._build,
            pickle.BINPERSID: self._persistent,
        }

    def _exactly(self, count: int) -> bytes:
        if count < 0 or count > limits.MOST_PICKLE_BYTES:
            raise PickleError(f"a part of its structure would be {count} bytes long")
        data = self._file.read(count)
        if len(data) < count:
            raise PickleError("it ends in the middle of its structure")
        return data

    def _unpacked(self, form: str) -> Any:
        return struct.unpack(form, self._exactly(struct.calcsize(form)))[0]

    def _skip(self, count: int) -> None:
        self._exactly(count)

    def _number(self, form: str) -> None:
        self.stack.append(self._unpacked(form))

    def _long(self, form: str) -> None:
        length = self._unpacked(form)
        if length > _LONGEST_INTEGER:
            raise PickleError(f"it holds an integer of {length} bytes")
        self.stack.append(int.from_bytes(self._exactly(length), "little", signed=True))

    def _text(self, form: str) -> None:
        self.stack.append(self._exactly(self._unpacked(form)).decode("utf-8", "surrogatepass"))

    def _bytes(self, form: str) -> None:
        self.stack.append(self._exactly(self._unpacked(form)))

    def _old_text(self) -> None:
        """A text of Python 2."""
        data = self._exactly(self._unpacked("<B"))
        self.stack.append(data.decode("utf-8"))

    def _mark(self) -> None:
        self._below.append(self.stack)
        self.stack = []

    def _popped(self) -> list[Any]:
        """All that lies above the last mark."""
        items = self.stack
        self.stack = self._below.pop()
        return items

    def _pop_mark(self) -> None:
        self._popped()

    def _pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._popped()

    def _tuple_from_mark(self) -> None:
        items = tuple(self._popped())
        self.stack.append(items)

    def _tuple(self, count: int) -> None:
        if len(self.stack) < count:
            raise PickleError("its structure contradicts itself")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _frozenset(self) -> None:
        self._popped()
        self.stack.append(_SET)

    def _append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise PickleError("it appends to what is no list")
        cast("list[Any]", target).extend(items)

    def _add(self, _items: list[Any]) -> None:
        if self.stack[-1] is not _SET:
            raise PickleError("it adds to what is no set")

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise PickleError("it sets an item of what is no dict")
        if len(items) % 2:
            raise PickleError("a key has no value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            cast("dict[Any, Any]", target)[hashable(key)] = value

    def _put(self, form: str) -> None:
        self._memo[self._unpacked(form)] = self.stack[-1]

    def _memoize(self) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def _get(self, form: str) -> None:
        self.stack.append(self._memo[self._unpacked(form)])

    def _line(self) -> str:
        line = self._file.readline(_LONGEST_NAME)
        if not line.endswith(b"\n"):
            raise PickleError("a name in its structure has no end")
        return line[:-1].decode("utf-8")

    def _global(self) -> None:
        self._name(self._line(), self._line())

    def _stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise PickleError("a name in its structure is no text")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        if not self._allowed(f"{module}.{name}"):
            raise NeedsCodeError(f"{module}.{name}")
        self.stack.append(Name(f"{module}.{name}"))

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not Name or type(arguments) is not tuple:
            raise PickleError("it calls what is no function")
        self.stack.append(self._call(function.text, cast("tuple[object, ...]", arguments)))

    def _build(self) -> None:
        """The state of an object: attributes of a dict or a tensor, which say nothing of numbers."""
        self.stack.pop()
        if type(self.stack[-1]) in _SCALARS or type(self.stack[-1]) in (list, tuple):
            raise PickleError("it gives a state to what has none")

    def _persistent(self) -> None:
        identifier = self.stack.pop()
        if type(identifier) is not tuple:
            raise PickleError("an identifier in it is no tuple")
        self.stack.append(self._pointer(cast("tuple[object, ...]", identifier)))


def hashable(key: object) -> object:
    """A key that is hashed in constant time: tuples could hold themselves many times over.

    Python hashes an integer to its remainder by ``2**61 - 1``: of long ones any number could have one hash,
    and a dict of n such keys takes n**2 comparisons.

    Raises:
        PickleError: it is none.
    """
    if type(key) is int and not -_LARGEST_KEY <= key < _LARGEST_KEY:
        raise PickleError("a key of a dict is an integer of more than 64 bits")
    if isinstance(key, (list, dict)):
        raise PickleError("a key of a dict cannot be one")
    if isinstance(key, tuple):
        parts = cast("tuple[object, ...]", key)
        if len(parts) > _LONGEST_KEY or any(type(part) in (list, dict, tuple) for part in parts):
            raise PickleError("a key of a dict is a tuple of more than numbers and texts")
    return cast("object", key)
