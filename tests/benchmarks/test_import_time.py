"""What ``import fmq_theory`` costs beyond numpy. The design asks for less than 0.5 s."""

import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.benchmark(group="import")
@pytest.mark.parametrize(
    "code", ["import numpy", "import numpy, fmq_theory", "import numpy, fmq_theory.bounds"]
)
def test_import(benchmark: BenchmarkFixture, code: str) -> None:
    benchmark(lambda: subprocess.run([sys.executable, "-c", code], check=True))
