"""Arguments and surroundings that are none: a named error before any work, or the right result."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from fmq_theory.errors import FmqError
from fmq_theory.quantizers import SCHEMES, design_grid, quantize
from fmq_theory.quantizers.block_scaled import quantize_blocks
from tests.quantizers.measured import measured

X = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)


@pytest.mark.parametrize("axis", [0.0, 1.5, "0", None, [0], 2, -3, 10**30])
def test_an_axis_that_is_none(axis: object) -> None:
    for granularity in ("channel", "group"):
        size = 2 if granularity == "group" else None
        with pytest.raises(FmqError, match="axis"):
            quantize(X, "uniform", 2, granularity, axis=axis, group_size=size)  # pyright: ignore[reportArgumentType]
    with pytest.raises(FmqError, match="axis"):
        quantize_blocks(X, group_size=4, axis=axis)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("axis", [1, -1, np.int64(1), np.uint8(1)])
def test_control_whole_numbers_of_any_type_are_axes(axis: int) -> None:
    assert quantize(X, "uniform", 2, axis=axis).codebooks.shape == (8, 4)


@pytest.mark.parametrize("threads", [1.5, "4", [2], 0, -3, True])
def test_threads_that_are_none(threads: object) -> None:
    with pytest.raises(FmqError, match="threads"):
        quantize(X, threads=threads)  # pyright: ignore[reportArgumentType]
    with pytest.raises(FmqError, match="threads"):
        quantize_blocks(X, group_size=4, threads=threads)  # pyright: ignore[reportArgumentType]
    with pytest.raises(FmqError, match="threads"):
        list(design_grid(X, ["uniform"], [2], threads=threads))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("threads", [2, 10**6, 10**30, np.int64(3)])
def test_any_number_of_threads_will_do(threads: int) -> None:
    one = quantize(X, threads=1)
    assert quantize(X, threads=threads).mse == one.mse
    cell = next(design_grid(X, ["lloyd_max"], [4], threads=threads))
    assert measured(cell).mse == pytest.approx(one.mse, rel=1e-9)


@pytest.mark.parametrize("scheme", [None, 3, ["uniform"], {}, "", b"uniform"])
def test_a_scheme_that_is_none(scheme: object) -> None:
    with pytest.raises(FmqError, match="scheme"):
        quantize(X, scheme)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("number", [3.0, -1e-310, np.float32(0.1), np.array(7), torch.tensor(2.5)])
@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_one_number_without_dimensions_is_kept(number: object, granularity: str) -> None:
    for scheme in SCHEMES:
        q = quantize(number, scheme, 4, granularity)
        assert q.codes.shape == () == q.dequantize().shape
        assert q.mse == 0.0
        assert float(q.dequantize()) == float(number)  # pyright: ignore[reportArgumentType]


def test_kernels_that_may_not_be_compiled_are_refused_by_name() -> None:
    code = (
        "import fmq_theory\n"
        "for _ in range(2):\n"
        "    try:\n        fmq_theory.quantize([1.0, 2.0])\n"
        "    except fmq_theory.FmqError as error:\n        print(error)\n"
    )
    for value, expected in (("1", 2), ("0", 0)):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"NUMBA_DISABLE_JIT": value},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.count("NUMBA_DISABLE_JIT is set") == expected
