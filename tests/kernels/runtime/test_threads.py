import threading

import pytest

from fmq_theory.kernels.runtime.threads import default_threads, run_blocks


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("threads", [1, 2, 3, 200])
def test_blocks_cover_each_index_once_and_come_back_in_order(count: int, threads: int) -> None:
    blocks = run_blocks(lambda start, stop: (start, stop), count, threads)

    covered = [index for start, stop in blocks for index in range(start, stop)]
    assert covered == list(range(count))
    assert all(stop > start for start, stop in blocks)
    sizes = [stop - start for start, stop in blocks]
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_one_thread_stays_in_the_callers_own() -> None:
    here = threading.get_ident()
    assert run_blocks(lambda _start, _stop: threading.get_ident(), 5, 1) == [here]
    assert here not in run_blocks(lambda _start, _stop: threading.get_ident(), 5, 2)


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    def fail(start: int, _stop: int) -> None:
        if start > 0:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_blocks(fail, 4, 2)


@pytest.mark.parametrize(
    ("value", "expected"), [("3", 3), ("0", None), ("-1", None), ("two", None), ("²", None)]
)
def test_the_environment_names_the_threads(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: int | None
) -> None:
    monkeypatch.setenv("FMQ_THREADS", value)
    threads = default_threads()
    monkeypatch.delenv("FMQ_THREADS")
    assert threads == (expected or default_threads())
