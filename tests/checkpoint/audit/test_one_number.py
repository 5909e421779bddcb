"""What an audit, a plan and ``fmq bounds`` say of a checkpoint is what the quantized file holds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import QuantizedFile, write_quantized
from fmq_theory.checkpoint.audit import audit
from fmq_theory.checkpoint.plan.measured import measured_plan
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.claims.comparison.on_checkpoint import compare_checkpoint
from fmq_theory.quantizers.layout import Layout

SCHEMES = ("uniform", "uniform_clipped", "equal_mass", "pwl", "log2", "panter_dite", "lloyd_max")
PUBLISHED = tuple(f"published:{rule}" for rule in ("equal_mass", "uniform", "pwl", "log2"))


def tensors() -> dict[str, torch.Tensor]:
    """Rounded weights, few weights, both at once, sixteen bits, sixty-four."""
    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    return {
        "rounded": (10.0 * draw(8, 200)).round() / 10.0,
        "few": draw(6, 2, 2, 2),
        "two values": (draw(4, 8) > 0.5).float(),
        "half": draw(4, 300).to(torch.bfloat16),
        "many halves": draw(256, 256).half(),
        "double": draw(3, 100).double(),
        "scale": 1.0 + 0.1 * draw(2, 64).abs(),
    }


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "in.safetensors"
    save_file(tensors(), path)
    return path


def in_file(path: Path, folder: Path, scheme: str, bits: int, granularity: str) -> dict[str, float]:
    """The summed squared error of each tensor's codes and codebooks in the file that is written."""
    plan = [Recipe(name, Choice(scheme, bits, granularity)) for name in tensors()]
    write_quantized(path, folder, plan)
    found: dict[str, float] = {}
    with QuantizedFile(folder / "model.safetensors") as file:
        for name, tensor in tensors().items():
            weights = tensor.double().numpy()
            rows = Layout.of(weights.shape, granularity, 0, None).rows(weights)
            codes = Layout.of(weights.shape, granularity, 0, None).rows(file.codes(name)).astype(np.intp)
            levels = np.atleast_2d(file.codebook(name)).astype(np.float64)
            found[name] = float(np.square(rows - np.take_along_axis(levels, codes, axis=1)).sum())
    return found


@pytest.mark.deep
@pytest.mark.parametrize("granularity", ["channel", "tensor"])
@pytest.mark.parametrize(("bits", "schemes"), [(1, SCHEMES), (3, (*SCHEMES, *PUBLISHED)), (8, SCHEMES)])
def test_an_audit_has_the_error_of_the_file(
    stored: Path, tmp_path: Path, granularity: str, bits: int, schemes: tuple[str, ...]
) -> None:
    told = audit(stored, schemes=schemes, bits=(bits,), granularity=granularity)
    for scheme in schemes:
        file = in_file(stored, tmp_path / scheme.replace(":", "-"), scheme, bits, granularity)
        plan = measured_plan(stored, [Recipe(name, Choice(scheme, bits, granularity)) for name in tensors()])
        planned = {tensor.name: tensor for tensor in plan.tensors}
        for tensor in told.tensors:
            cell = tensor.cell(scheme, bits)
            assert cell is not None
            tolerance = 1e-5 if tensor.dtype != "float64" else 1e-12
            assert cell.sse == pytest.approx(file[tensor.name], rel=tolerance, abs=1e-12 * tensor.energy)
            assert planned[tensor.name].sse == pytest.approx(cell.sse, rel=1e-12, abs=1e-30)


def test_bounds_and_audit_count_the_same_bits(stored: Path) -> None:
    """With fewer weights a channel than levels, one counted 256 levels for each, the other those in use."""
    told = audit(stored, schemes=SCHEMES, bits=(4, 8))
    compared = compare_checkpoint(stored, bits=(4, 8), schemes=SCHEMES)
    for row in compared.rows:
        cell = told.totals.cell(row.scheme, row.bits)
        assert cell is not None
        assert row.effective_bits == pytest.approx(cell.effective_bits, rel=1e-12)
        assert row.own_hat == pytest.approx(cell.mse, rel=1e-6)
        assert row.own_exact == pytest.approx(cell.mse, rel=1e-6)
        assert row.entropy_bits == pytest.approx(cell.entropy_bits, rel=1e-9)
        # POT's transport of the weights to the stored ones, another road
        assert row.w2_squared_pot == pytest.approx(cell.mse, rel=1e-6, abs=1e-15)
    few = audit(stored, schemes=("equal_mass",), bits=(8,), include=("few",)).totals.cell("equal_mass", 8)
    assert few is not None
    assert few.effective_bits == 8 + 32  # a level a weight
