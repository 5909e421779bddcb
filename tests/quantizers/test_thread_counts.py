"""Every number of threads gives the same bits, in one process and through the environment."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import write_quantized
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.metrics import mean_distortion
from fmq_theory.quantizers import SCHEMES, design_grid, get_scheme, quantize
from fmq_theory.quantizers.block_scaled import quantize_blocks
from fmq_theory.sources.sorted_rows import SortedRows
from tests.quantizers.measured import measured

COUNTS = (1, 2, 3, 4, 5, 7, 8, 12, 14, 16)


def weights(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    return {
        "one long row": lambda: rng.standard_normal((1, 100_000)).astype(np.float32),
        "three rows": lambda: rng.standard_t(3, (3, 66_001)),
        "rows and extremes": lambda: np.vstack(
            (rng.standard_normal((5, 300)), 1e308 * rng.uniform(-1, 1, (2, 300)), np.full((1, 300), 7.0))
        ),
    }[kind]()


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["one long row", "three rows", "rows and extremes"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_result_depends_on_the_number_of_threads(scheme: str, kind: str) -> None:
    x = weights(kind)
    for granularity in ("channel", "tensor"):
        found = set()
        for threads in COUNTS:
            q = quantize(x, scheme, 4, granularity, threads=threads)
            cell = next(design_grid(x, [scheme], [4], granularity, threads=threads))
            found.add(
                (
                    q.mse.hex(),
                    q.optimality_gap,
                    hashlib.sha256(q.codes.tobytes() + q.codebooks.tobytes()).hexdigest(),
                    measured(cell).mse.hex(),
                    measured(cell).entropy_bits,
                )
            )
        assert len(found) == 1


def test_measures_of_rows_do_not_depend_on_it() -> None:
    x = weights("three rows")
    found = set()
    for threads in COUNTS:
        rows = SortedRows.of(x, threads)
        books, ends = get_scheme("uniform").cells_of_rows(rows, 16)
        found.add(mean_distortion(books.levels, ends, rows))
    assert len(found) == 1


@pytest.mark.parametrize("sweeps", [0, 2])
def test_block_scaling_does_not_depend_on_it(sweeps: int) -> None:
    x = np.random.default_rng(0).standard_normal((64, 2048)).astype(np.float32)
    found = set()
    for threads in COUNTS:
        q = quantize_blocks(x, bits=3, group_size=32, sweeps=sweeps, threads=threads)
        found.add((q.mse.hex(), q.optimality_gap, q.codes.tobytes(), q.levels.tobytes(), q.scales.tobytes()))
    assert len(found) == 1


@pytest.mark.parametrize("scheme", ["lloyd_max", "uniform_clipped", "equal_mass"])
def test_no_file_depends_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    x = torch.from_numpy(weights("one long row").reshape(100, 1000))
    save_file({"w": x}, tmp_path / "m.safetensors")
    digests = set()
    for wanted in ("1", "2", "3", "5", "16"):
        monkeypatch.setenv("FMQ_THREADS", wanted)
        output = tmp_path / f"{wanted}.safetensors"
        write_quantized(tmp_path / "m.safetensors", output, [Recipe("w", Choice(scheme, 4, "tensor"))])
        digests.add(hashlib.sha256(output.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_control_other_weights_give_another_file(tmp_path: Path) -> None:
    digests = set()
    for seed in range(2):
        x = torch.from_numpy(np.random.default_rng(seed).standard_normal((4, 64)).astype(np.float32))
        save_file({"w": x}, tmp_path / f"m{seed}.safetensors")
        output = tmp_path / f"q{seed}.safetensors"
        write_quantized(
            tmp_path / f"m{seed}.safetensors", output, [Recipe("w", Choice("lloyd_max", 4, "channel"))]
        )
        digests.add(hashlib.sha256(output.read_bytes()).hexdigest())
    assert len(digests) == 2
