"""The kernels' indices under numba's own checks, which compiled code does without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fmq_theory.kernels.runtime.threads import default_threads
from fmq_theory.kernels.uniform.cost import _bin_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("value", "bin_of_it"),
    [(float("nan"), 0), (float("inf"), 9), (float("-inf"), 0), (1e300, 9), (-1e300, 0), (0.55, 5), (1.0, 9)],
)
def test_what_is_no_number_becomes_no_index(value: float, bin_of_it: int) -> None:
    assert _bin_of(value, 0.0, 10.0, 10) == bin_of_it
    assert _bin_of(0.5, 0.0, float("nan"), 10) == 0


@pytest.mark.deep
def test_no_index_leaves_its_array_on_extreme_weights(tmp_path: Path) -> None:
    """With NUMBA_BOUNDSCHECK=1 an index that leaves its array is an IndexError; all is compiled anew."""
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "tests/quantizers/test_extremes.py",
        ],
        cwd=ROOT,
        env=os.environ
        | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path), "FMQ_THREADS": str(default_threads())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
