"""The one decorator through which every kernel is compiled."""

import gc
import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import numba  # pyright: ignore[reportMissingTypeStubs]
from numba import config, types  # pyright: ignore[reportMissingTypeStubs]
from numba.core import cgutils, event  # pyright: ignore[reportMissingTypeStubs]
from numba.extending import intrinsic  # pyright: ignore[reportMissingTypeStubs]

from fmq_theory.errors import FmqError
from fmq_theory.kernels.runtime.sealed_cache import seal_cache

__all__ = ["cache_directory", "fused_multiply_add", "kernel", "unowned"]

P = ParamSpec("P")
R = TypeVar("R")


KERNELS = Path(__file__).parents[1]


def sources_digest(folder: Path = KERNELS) -> str:
    """Digest of all kernel sources, in subfolders too, and the numba version.

    Numba's own index sees an edit of the file that holds a function, but not one of a callee in
    another file; a directory per digest makes a stale kernel impossible.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cache_directory() -> Path | None:
    """Where compiled kernels are kept; None where nothing can be written or hashed."""
    try:
        root = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
        directory = Path(root or Path.home() / ".cache") / "fmq_theory" / sources_digest()
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None


class _Uncollected(event.Listener):  # pyright: ignore[reportUntypedBaseClass]
    """Holds garbage collection while anything is compiled.

    A compilation makes millions of objects that live until its end: looking for dead cycles among them takes
    a tenth of its time.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._was_enabled = False

    def on_start(self, event: Any) -> None:  # noqa: ARG002
        if self._depth == 0:
            self._was_enabled = gc.isenabled()
            gc.disable()
        self._depth += 1

    def on_end(self, event: Any) -> None:  # noqa: ARG002
        self._depth -= 1
        if self._depth == 0 and self._was_enabled:
            gc.enable()


@cache
def _hold_collection() -> None:
    """Once a process. Numba compiles one function at a time, so the depth needs no lock of its own."""
    cast(Any, event).register("numba:compile", _Uncollected())


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles ``function`` at its first call, for each combination of argument types.

    No fastmath: it would delete the compensated sums. No eager signatures: read-only and
    memory-mapped arrays have types of their own. The GIL is released. Division by zero gives inf or nan.

    Raises:
        FmqError: NUMBA_DISABLE_JIT is set. Run as Python, a kernel rounds and overflows otherwise.
    """
    if cast(Any, config).DISABLE_JIT:
        raise FmqError(
            "NUMBA_DISABLE_JIT is set", "the kernels give their results as compiled code alone", "unset it"
        )
    _hold_collection()
    directory = cache_directory()
    if directory is not None and (kept := _kept(function, directory)) is not None:
        return kept
    return _compiled_lazily(function, cache=False)


def _compiled_lazily(function: Callable[P, R], *, cache: bool) -> Callable[P, R]:
    compile_lazily = cast(Any, numba).njit(
        nogil=True, error_model="numpy", cache=cache, no_cfunc_wrapper=True
    )
    return compile_lazily(function)


def _kept(function: Callable[P, R], directory: Path) -> Callable[P, R] | None:
    """The kernel with its compiled code kept in ``directory``; None where that does not work any more."""
    # The setting is global to the process, so it is ours only while this function is decorated.
    settings = cast(Any, config)
    previous = settings.CACHE_DIR
    settings.CACHE_DIR = str(directory)
    try:
        compiled = _compiled_lazily(function, cache=True)
        return compiled if seal_cache(compiled, directory) else None
    except (OSError, RuntimeError):  # no place where numba could write, by its own words or by the system's
        return None
    finally:
        settings.CACHE_DIR = previous


def _lower_fused_multiply_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001
    """a*b + c with one rounding: one instruction where the processor has it, else libm's fma."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.fma(*arguments)

    real = cast(Any, types).float64
    return real(real, real, real), generate


fused_multiply_add: Callable[[float, float, float], float] = cast(Any, intrinsic)(_lower_fused_multiply_add)


def _lower_unowned(typing_context: Any, array: Any) -> Any:  # noqa: ARG001
    """The same array, of which nobody counts the references."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        view.meminfo = cast(Any, cgutils).get_null_value(view.meminfo.type)
        view.parent = cast(Any, cgutils).get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), generate


Array = TypeVar("Array")


class _View(Protocol):
    def __call__(self, array: Array) -> Array: ...


# In a loop of a few dozen instructions, counting references by locked instructions takes a quarter of the
# time. Such a view is valid while its caller holds the array; it must not be returned or kept.
unowned: _View = cast(Any, intrinsic)(_lower_unowned)
