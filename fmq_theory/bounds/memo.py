"""Remembering heavy pieces of a prediction for laws, never for data."""

import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical

__all__ = ["remember_for_laws", "remembered_array"]

_MOST_BYTES = 1 << 26
"""Of arrays that are remembered, all together."""

P = ParamSpec("P")
R = TypeVar("R")


def remember_for_laws(
    function: Callable[Concatenate[Source, P], R],
) -> Callable[Concatenate[Source, P], R]:
    """Caches ``function(source, ...)`` for laws, which are frozen and compare by value.

    Data compare by identity: a cache would never hit for an equal copy, and would keep the weights alive.
    """
    cached = functools.lru_cache(maxsize=256)(function)

    @functools.wraps(function)
    def wrapper(source: Source, *args: P.args, **kwargs: P.kwargs) -> R:
        if isinstance(source, Empirical):
            return function(source, *args, **kwargs)
        return cached(source, *args, **kwargs)

    return wrapper


class _Remembered:
    """Arrays by key, those used last; threads may share it."""

    def __init__(self) -> None:
        self._arrays: OrderedDict[object, NDArray[np.float64]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: object) -> NDArray[np.float64] | None:
        with self._lock:
            found = self._arrays.get(key)
            if found is not None:
                self._arrays.move_to_end(key)
            return found

    def put(self, key: object, values: NDArray[np.float64]) -> None:
        with self._lock:
            if key in self._arrays or values.nbytes > _MOST_BYTES:
                return
            self._arrays[key] = values
            self._bytes += values.nbytes
            while self._bytes > _MOST_BYTES:
                _, oldest = self._arrays.popitem(last=False)
                self._bytes -= oldest.nbytes


_REMEMBERED = _Remembered()


def remembered_array(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    law: Source,
    what: str,
    argument: NDArray[np.float64],
) -> NDArray[np.float64]:
    """``function(argument)``, or what it gave for a law before; read-only.

    The rules of several statements of one law share their nodes, and quantiles take most of the time.

    Args:
        function: of the law; its values depend on nothing but the law and the argument.
        law: no data.
        what: name of the function.
        argument: numbers of any shape.
    """
    if isinstance(law, Empirical):
        return function(argument)
    key = (law, what, argument.shape, hashlib.blake2b(argument.tobytes(), digest_size=16).digest())
    found = _REMEMBERED.get(key)
    if found is None:
        found = np.array(function(argument))
        found.flags.writeable = False
        _REMEMBERED.put(key, found)
    return found
