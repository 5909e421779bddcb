"""Remembering heavy pieces of a prediction for laws, never for data."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical

__all__ = ["remember_for_laws"]

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
