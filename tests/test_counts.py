"""Whole numbers that callers give: each wrong one is refused by its name."""

from collections.abc import Callable

import numpy as np
import pytest

import fmq_theory
from fmq_theory.checkpoint.audit.workers import WorkersError, check_workers
from fmq_theory.counts import checked_threads, whole_number
from fmq_theory.errors import FmqError, SettingError
from fmq_theory.kernels.runtime.threads import default_threads
from fmq_theory.quantizers import design_grid, get_scheme
from fmq_theory.quantizers.block_scaled import quantize_blocks
from tests.cli.codebook_runs import run

X = np.arange(64.0).reshape(4, 16)
WRONG = (0, -1, True, False, 2.0, "2", np.bool_(True))

TAKES_THREADS: dict[str, Callable[[object], object]] = {
    "quantize": lambda n: fmq_theory.quantize(X, threads=n),  # pyright: ignore[reportArgumentType]
    "design_grid": lambda n: list(design_grid(X, ["uniform"], [2], threads=n)),  # pyright: ignore[reportArgumentType]
    "quantize_blocks": lambda n: quantize_blocks(X, bits=3, group_size=16, threads=n),  # pyright: ignore[reportArgumentType]
    "w2_squared": lambda n: fmq_theory.w2_squared([0.0], [1.0], threads=n),  # pyright: ignore[reportArgumentType]
}


@pytest.mark.parametrize("name", TAKES_THREADS)
@pytest.mark.parametrize("threads", WRONG, ids=repr)
def test_threads_are_whole_numbers_from_1_on(name: str, threads: object) -> None:
    with pytest.raises(SettingError, match="threads"):
        TAKES_THREADS[name](threads)


@pytest.mark.parametrize("name", TAKES_THREADS)
def test_control_real_numbers_of_threads_are_taken(name: str) -> None:
    for threads in (1, np.int64(3), None):
        TAKES_THREADS[name](threads)


@pytest.mark.parametrize("name", TAKES_THREADS)
@pytest.mark.parametrize("wanted", ["0", "-2", "two", "1.5", "²", "4 threads"])
def test_a_useless_variable_is_refused_rather_than_all_cpus_used(
    monkeypatch: pytest.MonkeyPatch, name: str, wanted: str
) -> None:
    monkeypatch.setenv("FMQ_THREADS", wanted)
    with pytest.raises(SettingError, match="FMQ_THREADS"):
        TAKES_THREADS[name](None)
    TAKES_THREADS[name](2)  # where the caller says how many, the variable is not asked


@pytest.mark.parametrize("wanted", ["", "  ", " 3 ", "003"])
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.delenv("FMQ_THREADS", raising=False)
    usual = default_threads()
    monkeypatch.setenv("FMQ_THREADS", wanted)
    assert checked_threads(None) == (3 if wanted.strip() else usual)


def test_a_command_refuses_it_before_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMQ_THREADS", "none")
    ended = run("--source", "gaussian", "--levels", "4")
    assert ended.exit_code == 2
    assert "FMQ_THREADS" in ended.output
    assert "Traceback" not in ended.output
    assert run("--help").exit_code == 0
    monkeypatch.setenv("FMQ_THREADS", "1")
    assert run("--source", "gaussian", "--levels", "4").exit_code == 0


@pytest.mark.parametrize("value", [True, False, np.bool_(True)], ids=repr)
def test_a_truth_value_counts_nothing(value: bool) -> None:
    assert whole_number(value) is None
    for call in (
        lambda: fmq_theory.quantize(X, bits=value),
        lambda: fmq_theory.quantize(X, axis=value),
        lambda: fmq_theory.quantize(X, granularity="group", group_size=value),
        lambda: get_scheme("uniform").design(fmq_theory.sources.Empirical(X.ravel()), value),
    ):
        with pytest.raises(FmqError, match=repr(value).replace("(", r"\(").replace(")", r"\)")):
            call()
    with pytest.raises(WorkersError):
        check_workers("local", None, value)
