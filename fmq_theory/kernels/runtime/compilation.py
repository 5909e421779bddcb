"""Who wants to know that kernels are being compiled: once a version, a long wait without any result."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

__all__ = ["watched_compilation"]

Told = Callable[[bool, int], None]
"""Called with whether a compilation has just begun (or ended), and how many kernels are done."""


@contextmanager
def watched_compilation(told: Told) -> Generator[None]:
    """While it lasts, ``told`` hears of every kernel that is compiled, not of one read from the cache.

    A kernel that is compiled on the way to another one counts with it.

    Args:
        told: must be quick; it is called in the thread that compiles.
    """
    from numba.core import event  # pyright: ignore[reportMissingTypeStubs] (here: loading numba takes a while)

    class Listener(cast("type[Any]", event).Listener):
        depth = 0
        done = 0

        def on_start(self, event: Any) -> None:  # noqa: ARG002
            self.depth += 1
            if self.depth == 1:
                told(True, self.done)

        def on_end(self, event: Any) -> None:  # noqa: ARG002
            self.depth -= 1
            if self.depth == 0:
                self.done += 1
                told(False, self.done)

    listener = Listener()
    cast("Any", event).register("numba:compile", listener)
    try:
        yield
    finally:
        cast("Any", event).unregister("numba:compile", listener)
