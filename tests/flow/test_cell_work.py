"""Cells shared out between this process and helpers: each is measured once, whatever a helper does."""

import threading

import pytest
import torch

from fmq_theory.flow.cell import Cell
from fmq_theory.flow.cell_work import is_small, measured_in_turn, one_thread

TASKS = [("uniform", b) for b in range(2, 9)]


class Helper:
    """Measures in its thread; after ``most`` cells it is no help any more."""

    def __init__(self, most: int = 100) -> None:
        self.left = most
        self.stopped = False
        self.began = threading.Event()

    def measure(self, scheme: str, bits: int) -> Cell | None:
        self.began.set()
        self.left -= 1
        return Cell(scheme, bits, note="helper") if self.left >= 0 and not self.stopped else None

    def stop(self) -> None:
        self.stopped = True


def _run(helpers: list[Helper]) -> tuple[list[Cell], list[tuple[str, int]]]:
    cells: list[Cell] = []
    begun: list[tuple[str, int]] = []

    def here(scheme: str, bits: int) -> Cell:
        for helper in helpers:
            assert helper.began.wait(10.0)  # a helper has its turn before this thread takes everything
        return Cell(scheme, bits)

    measured_in_turn(TASKS, here, helpers, lambda *task: begun.append(task), cells.append)
    return cells, begun


@pytest.mark.parametrize("most", [0, 2, 100])
def test_each_cell_is_measured_once_also_where_a_helper_fails(most: int) -> None:
    helper = Helper(most)
    cells, begun = _run([helper])
    assert sorted((cell.scheme, cell.bits) for cell in cells) == TASKS
    assert set(begun) == set(TASKS)
    assert any(cell.note == "helper" for cell in cells) == (most > 0)  # control: it did help
    assert helper.stopped


def test_alone_cells_come_in_order() -> None:
    cells, begun = _run([])
    assert begun == TASKS == [(cell.scheme, cell.bits) for cell in cells]


class Waiting(Helper):
    """Waits for an answer that does not come before it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()

    def measure(self, scheme: str, bits: int) -> Cell | None:
        assert self.ended.wait(10.0), "nobody stopped it"
        return super().measure(scheme, bits)

    def stop(self) -> None:
        super().stop()
        self.ended.set()


def test_an_error_here_stops_the_helpers() -> None:
    helper = Waiting()

    def broken(_scheme: str, _bits: int) -> Cell:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured_in_turn(TASKS, broken, [helper], lambda *_: None, lambda _: None)
    assert helper.stopped


def test_a_small_network_has_one_thread_and_a_large_one_its_own() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread(torch.nn.Linear(8, 8)):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        large = torch.nn.Linear(2000, 600)
        assert not is_small(large)
        with one_thread(large):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
