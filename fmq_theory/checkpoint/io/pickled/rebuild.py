"""What a pickle says of tensors: where their numbers lie, and how they are laid out.

A tensor of a pickle is a call of one of torch's functions with a storage and with integers. Here the call
becomes a description, and every integer is checked against the storage before any memory is taken.

Reference: torch, ``_utils.py`` and ``_tensor.py`` (``Tensor.__reduce_ex__``); the names are those that
``torch.load(weights_only=True)`` takes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, cast

import torch

from fmq_theory.checkpoint.io.limits import MOST_AXES
from fmq_theory.checkpoint.io.pickled.program import Name, Opaque, PickleError, hashable

__all__ = ["Described", "Storage", "call", "is_allowed"]


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A row of numbers in the file.

    Attributes:
        key: its name there.
        dtype: of its numbers.
        count: how many there are.
        start: the first of them, where it is a part of the row of that name.
    """

    key: str
    dtype: torch.dtype
    count: int
    start: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """A tensor whose numbers were not read yet.

    Attributes:
        storage: where its numbers are; None where ``kind`` says that there are none to read.
        dtype: of its numbers.
        offset: of its first number in the storage.
        shape: of the tensor.
        strides: how far apart in the storage neighbours along each axis are.
        negated: whether its numbers are minus those of the storage.
        conjugated: whether they are the conjugates.
        kind: why it is not read, where it is no row of numbers ("sparse"); empty for all others.
    """

    storage: Storage | None
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    negated: bool = False
    conjugated: bool = False
    kind: str = ""

    @property
    def count(self) -> int:
        """How many numbers it shows."""
        return math.prod(self.shape)

    @property
    def span(self) -> int:
        """How many numbers of the storage lie between its first and its last one, both included."""
        if self.count == 0:
            return 0
        return 1 + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))


STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "QUInt8Storage": torch.quint8,
    "QInt8Storage": torch.qint8,
    "QInt32Storage": torch.qint32,
    "QUInt4x2Storage": torch.quint4x2,
    "QUInt2x4Storage": torch.quint2x4,
    "UntypedStorage": torch.uint8,
}
_DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
_OPAQUE = frozenset(
    {
        "_codecs.encode", "builtins.bytearray", "builtins.complex", "builtins.set", "builtins.frozenset",
        "torch.device", "torch.serialization._get_layout", "torch.per_tensor_affine",
        "torch.per_tensor_symmetric", "torch.per_channel_affine", "torch.per_channel_symmetric",
        "torch.per_channel_affine_float_qparams",
    }
)  # fmt: skip
_CLASSES = frozenset({"torch.Tensor", "torch.nn.parameter.Parameter"})
_LARGEST = 2**62
_MOST_SEARCHED = 8
_DENSE_NOT = "sparse or already quantized"


def is_allowed(name: str) -> bool:
    """Whether a pickle may name it. What the user has told torch to take is taken, and not called either."""
    if name in _CALLS or name in _OPAQUE or name in _CLASSES or name in _DTYPES or storage_type(name):
        return True
    trusted: list[Any] = cast("Any", torch).serialization.get_safe_globals()
    return any(name == _full_name(known) for known in trusted)


def _full_name(known: Any) -> str:
    if isinstance(known, tuple):
        return str(cast("Any", known)[1])
    return f"{known.__module__}.{known.__qualname__}"


def storage_type(name: str) -> torch.dtype | None:
    """The type of the numbers of torch's storage of that name, on whatever device it was."""
    package, _, last = name.rpartition(".")
    return STORAGE_TYPES.get(last) if package in ("torch", "torch.storage", "torch.cuda") else None


def call(name: str, arguments: tuple[object, ...]) -> object:
    """What a call of ``name`` would make.

    Raises:
        PickleError: the arguments are none for it.
    """
    function = _CALLS.get(name)
    if function is not None:
        return function(*arguments)
    held = None if name in _OPAQUE else _first_tensor(arguments)
    if held is not None:  # it counts, and must not vanish without a word
        return _odd("of a class of its own", held.dtype, held.shape)
    return Opaque(name, arguments)


def _first_tensor(arguments: tuple[object, ...]) -> Described | None:
    """A tensor among the arguments or right inside of one; few are looked at, as calls are many."""
    found: list[object] = list(arguments[:_MOST_SEARCHED])
    for item in list(found):
        if isinstance(item, (tuple, list)):
            found += cast("tuple[object, ...]", item)[:_MOST_SEARCHED]
        elif isinstance(item, dict):
            found += islice(cast("dict[object, object]", item).values(), _MOST_SEARCHED)
    return next((item for item in found if isinstance(item, Described)), None)


def _dense(storage: object, offset: object, shape: object, strides: object, *rest: object) -> Described:
    """``_rebuild_tensor`` and ``_rebuild_tensor_v2``, whose arguments 4 to 6 say: gradient, hooks, bits."""
    if not isinstance(storage, Storage):
        raise PickleError("a tensor has no storage")
    return _checked(storage, storage.dtype, offset, shape, strides, rest[2] if len(rest) > 2 else None)


def _dense_typed(storage: object, offset: object, shape: object, strides: object, *rest: object) -> Described:
    """``_rebuild_tensor_v3``: as above, with a type before the bits."""
    if not isinstance(storage, Storage) or len(rest) < 3:
        raise PickleError("a tensor has no storage")
    bits = rest[3] if len(rest) > 3 else None
    return _checked(storage, _dtype(rest[2]), offset, shape, strides, bits)


def _checked(
    storage: Storage, dtype: torch.dtype, offset: object, shape: object, strides: object, bits: object
) -> Described:
    found = Described(
        storage,
        dtype,
        _integers((offset,))[0],
        _shape(shape),
        _integers(strides),
        negated=_bit(bits, "neg"),
        conjugated=_bit(bits, "conj"),
        kind="" if dtype not in _QUANTIZED else _DENSE_NOT,
    )
    if len(found.shape) != len(found.strides):
        raise PickleError("a tensor has another number of strides than of axes")
    if found.count and (found.offset + found.span) * dtype.itemsize > storage.count * storage.dtype.itemsize:
        raise PickleError("a tensor reaches beyond its storage")
    if (found.negated and dtype == torch.bool) or (found.conjugated and not dtype.is_complex):
        raise PickleError("a tensor is conjugated or negated that cannot be")
    return found


_QUANTIZED = (torch.quint8, torch.qint8, torch.qint32, torch.quint4x2, torch.quint2x4)


def _bit(bits: object, name: str) -> bool:
    return isinstance(bits, dict) and bool(cast("dict[object, object]", bits).get(name))


def _integers(numbers: object) -> tuple[int, ...]:
    """Sizes, strides or an offset, none negative."""
    if not isinstance(numbers, (tuple, list)):
        raise PickleError("a shape is no tuple")
    found = tuple(cast("list[object]", numbers))
    if len(found) > MOST_AXES or not all(type(number) is int and 0 <= number < _LARGEST for number in found):
        raise PickleError("a shape holds what is no size, or too many of them")
    return cast("tuple[int, ...]", found)


def _shape(numbers: object) -> tuple[int, ...]:
    """Sizes whose product torch can hold, even where one of them is zero."""
    found = _integers(numbers)
    if math.prod(max(size, 1) for size in found) >= _LARGEST:
        raise PickleError("a shape is larger than any memory")
    return found


def _dtype(value: object) -> torch.dtype:
    found = _DTYPES.get(value.text) if isinstance(value, Name) else None
    if found is None:
        raise PickleError("a tensor has an unknown type")
    return found


def _odd(kind: str, dtype: torch.dtype, shape: tuple[int, ...]) -> Described:
    return Described(None, dtype, 0, shape, (0,) * len(shape), kind=kind)


def _sparse(_layout: object, data: object, *_rest: object) -> Described:
    """``data`` is indices, values, shape (COO), or two kinds of indices, values, shape (CSR and its kin)."""
    parts = cast("tuple[Any, ...]", data) if isinstance(data, tuple) else ()
    values = next((part for part in parts[1:3][::-1] if isinstance(part, Described)), None)
    shape = next((cast("object", part) for part in parts[2:4] if isinstance(part, (tuple, list))), None)
    if values is None or shape is None:
        raise PickleError("a sparse tensor lacks its numbers")
    return _odd(_DENSE_NOT, values.dtype, _shape(shape))


def _quantized(storage: object, _offset: object, shape: object, *_rest: object) -> Described:
    if not isinstance(storage, Storage):
        raise PickleError("a tensor has no storage")
    return _odd(_DENSE_NOT, storage.dtype, _shape(shape))


def _meta(dtype: object, shape: object, *_rest: object) -> Described:
    return _odd("a shape without numbers (on the meta device)", _dtype(dtype), _shape(shape))


def _nested(buffer: object, *_rest: object) -> Described:
    if not isinstance(buffer, Described):
        raise PickleError("a nested tensor lacks its numbers")
    return _odd("nested, of rows that are not equally long", buffer.dtype, buffer.shape)


def _wrapped(_class: object, dtype: object, shape: object, *_rest: object) -> Described:
    return _odd("of a class of its own, without numbers", _dtype(dtype), _shape(shape))


def _elsewhere(data: object, dtype: object, *_rest: object) -> object:
    """A tensor of a device without storages, saved as one of the CPU."""
    if not isinstance(data, Described) or data.dtype != _dtype(dtype):
        raise PickleError("a tensor of another device was not saved as one of the CPU")
    return data


def _parameter(data: object = None, *_rest: object) -> object:
    if not isinstance(data, Described):
        raise PickleError("a parameter is no tensor")
    return data


def _typed(function: object, _class: object, arguments: object, *_rest: object) -> object:
    """A tensor with attributes: the call that makes it, and then what is set on it."""
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise PickleError("a tensor with attributes is none")
    if function.text == _WITH_ATTRIBUTES:
        raise PickleError("a tensor with attributes is made of itself")
    return call(function.text, cast("tuple[object, ...]", arguments))


def _dict(items: object = (), *_rest: object) -> object:
    if isinstance(items, dict):
        return dict(cast("dict[object, object]", items))
    pairs = cast("list[Any]", items)
    return {hashable(pair[0]): pair[1] for pair in pairs}


def _size(numbers: object = (), *_rest: object) -> object:
    return _integers(numbers)


_WITH_ATTRIBUTES = "torch._tensor._rebuild_from_type_v2"
_CALLS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": _dict,
    "collections.Counter": _dict,
    "torch.Size": _size,
    "torch.nn.parameter.Parameter": _parameter,
    "torch._utils._rebuild_tensor": _dense,
    "torch._utils._rebuild_tensor_v2": _dense,
    "torch._utils._rebuild_tensor_v3": _dense_typed,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_qtensor": _quantized,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta,
    "torch._utils._rebuild_nested_tensor": _nested,
    "torch._utils._rebuild_wrapper_subclass": _wrapped,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _elsewhere,
    _WITH_ATTRIBUTES: _typed,
}


def as_storage(storage: Storage, offset: int, count: int) -> Storage:
    """A part of a storage (the older format has such).

    Raises:
        PickleError: it is none.
    """
    if not 0 <= offset <= offset + count <= storage.count:
        raise PickleError("a part of a storage reaches beyond it")
    return replace(storage, start=storage.start + offset, count=count)
