"""Audits of weights whose squares, sums and spacings leave float64."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint.audit import audit


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "row",
    [
        [sys.float_info.max] * 7,
        [sys.float_info.max, -sys.float_info.max] * 4,
        [-sys.float_info.max, *[0.0] * 6, 1.0],
        [5e-324, 1e-323, 0.0, 5e-323] * 4,
        [1e-300, -1e300, 1.0, 1e10, -1e-10] * 3,
    ],
    ids=["one largest", "both largest", "a mask", "subnormal", "decades"],
)
def test_weights_at_the_ends_of_float64(tmp_path: Path, row: list[float]) -> None:
    """They overflowed in spacings, in the mean, and made a grid from zero."""
    save_file({"w": torch.tensor([row, row[::-1]], dtype=torch.float64)}, tmp_path / "m.safetensors")
    schemes = ("uniform", "uniform_clipped", "lloyd_max", "equal_mass", "panter_dite")
    (tensor,) = audit(tmp_path / "m.safetensors", schemes, (2,)).tensors
    assert [cell.scheme for cell in tensor.cells] == list(schemes)
    assert abs(tensor.spread.mean) <= max(map(abs, row))
