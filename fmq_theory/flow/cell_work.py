"""Who measures which cell: this process and others, each takes the next one as soon as it is free."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import nn

from fmq_theory.flow.cell import Cell

__all__ = ["CellHelper", "is_small", "measured_in_turn", "one_thread"]

_SMALL = 1 << 20
"""Weights up to which operations are too short to share: two threads then take a third more processor time
for no gain by the clock (the bundled digits, 120,000 weights)."""

Task = tuple[str, int]


class CellHelper(Protocol):
    """Another process that measures cells of the same run."""

    def measure(self, scheme: str, bits: int) -> Cell | None:
        """The cell; None once the process is no help any more."""
        ...

    def stop(self) -> None:
        """Ends it at once; a ``measure`` that waits then gives None."""
        ...


def is_small(module: nn.Module) -> bool:
    """Whether one thread serves a network best.

    Args:
        module: the network.
    """
    return sum(parameter.numel() for parameter in module.parameters()) <= _SMALL


@contextmanager
def one_thread(module: nn.Module) -> Generator[None]:
    """Runs torch on one thread meanwhile if the network is small.

    Its numbers then do not depend, in their last digits, on how many cores a machine has.
    """
    before = torch.get_num_threads()
    if is_small(module):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def measured_in_turn(
    tasks: Sequence[Task],
    here: Callable[[str, int], Cell],
    helpers: Sequence[CellHelper],
    begun: Callable[[str, int], None],
    finished: Callable[[Cell], None],
) -> None:
    """Has every cell measured, here or by a helper; what a helper leaves undone is done here.

    Args:
        tasks: scheme and bit-width of each cell.
        here: measures a cell in this thread.
        helpers: each has a thread that waits for it.
        begun: told of a cell that is taken; one call at a time.
        finished: told of a cell that is measured; one call at a time.
    """
    waiting, turn = deque(tasks), threading.Lock()

    def work(measure: Callable[[str, int], Cell | None]) -> None:
        while True:
            try:
                task = waiting.popleft()
            except IndexError:
                return
            with turn:
                begun(*task)
            cell = measure(*task)
            if cell is None:
                waiting.appendleft(task)
                return
            with turn:
                finished(cell)

    if not helpers:
        work(here)
        return
    with ThreadPoolExecutor(len(helpers)) as pool:
        try:
            others = [pool.submit(work, helper.measure) for helper in helpers]
            work(here)
            for other in others:
                other.result()
            work(here)
        finally:
            waiting.clear()
            for helper in helpers:
                helper.stop()
