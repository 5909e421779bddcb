"""Whole numbers that a caller gives: of bits, levels, threads. A truth value is none of them."""

import operator
import os

import numpy as np

from fmq_theory.errors import SettingError
from fmq_theory.kernels.runtime.threads import THREADS_VARIABLE, default_threads, threads_of_environment

__all__ = ["check_environment", "checked_threads", "whole_number"]


def whole_number(value: object) -> int | None:
    """``value`` as a Python integer; None where it is none: ``2.0``, ``"2"``, ``True``."""
    if isinstance(value, bool | np.bool_):  # which numpy 2.0 takes for an index
        return None
    try:
        return operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return None


def checked_threads(threads: int | None) -> int:
    """``threads``; for None FMQ_THREADS, or the CPUs of this process where it is not set.

    Raises:
        SettingError: it is no whole number from 1 on, or FMQ_THREADS, which was to be used, is none.
    """
    if threads is None:
        check_environment()
        return default_threads()
    number = whole_number(threads)
    if number is None or number < 1:
        raise SettingError(
            f"threads = {threads!r}",
            "threads are counted from 1 on",
            "pass for example 4, or None for all CPUs",
        )
    return number


def check_environment() -> None:
    """Refuses an FMQ_THREADS that says nothing, rather than to use all CPUs in its place.

    Raises:
        SettingError: it is set, and no whole number from 1 on.
    """
    wanted = os.environ.get(THREADS_VARIABLE, "").strip()
    if wanted and threads_of_environment() is None:
        raise SettingError(
            f"environment variable {THREADS_VARIABLE} = {wanted!r}",
            "threads are counted from 1 on",
            f"set it to for example 4, or unset {THREADS_VARIABLE} for all CPUs",
        )
