"""The best mix at a size: brute force, properties, the file that a mix becomes."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from fmq_theory.checkpoint import Choice, Recipe, load, write_quantized
from fmq_theory.checkpoint.audit import Audit, audit
from fmq_theory.checkpoint.audit.budgets import BudgetListError, best_at
from tests.checkpoint.made_tensors import drawn, save

SCHEMES = ("uniform", "lloyd_max")
BUDGETS = (1.0, 2.4, 3.0, 3.7, 5.0, 90.0)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Three tensors that matter unequally."""
    return {"a": drawn(4, 300), "b": 7.0 * drawn(2, 90, seed=1), "c": 0.2 * drawn(8, 250, seed=2)}


@pytest.fixture(scope="module")
def path(state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("budgets"), "model", state)


@pytest.fixture(scope="module")
def found(path: Path) -> Audit:
    return audit(path, schemes=SCHEMES, bits=(2, 3, 4, 5), budgets=BUDGETS)


def test_no_other_mix_of_the_size_has_less_error(found: Audit) -> None:
    """All 8**3 mixes."""
    mixes = [
        (math.fsum(cell.sse for cell in mix), sum(cell.effective_bits * cell.weights for cell in mix))
        for mix in itertools.product(*(tensor.cells for tensor in found.tensors))
    ]
    assert [point.budget_bits for point in found.budgets] == [2.4, 3.0, 3.7, 5.0, 90.0]
    for point in found.budgets:
        room = point.budget_bits * found.totals.weights
        assert point.sse == pytest.approx(min(sse for sse, cost in mixes if cost <= room), rel=1e-12)
        assert point.optimality_gap == pytest.approx(0.0, abs=1e-9)
        assert point.effective_bits <= point.budget_bits
        cells = {tensor.name: tensor for tensor in found.tensors}
        chosen = [cells[name].cell(scheme, bits) for name, scheme, bits in point.choices]
        bits = math.fsum(cell.effective_bits * cell.weights for cell in chosen if cell is not None)
        assert point.num_bytes == math.ceil(round(bits) / 8)
        single = best_at(found.totals, point.budget_bits)
        assert single is None or point.sse <= single.sse * (1 + 1e-12)


def test_larger_budgets_have_less_error_and_too_small_ones_none(found: Audit) -> None:
    errors = [point.sse for point in found.budgets]
    assert errors == sorted(errors, reverse=True)
    assert len(set(errors)) == len(errors)
    assert 1.0 not in [point.budget_bits for point in found.budgets]


def test_a_mix_is_what_its_file_loses(
    found: Audit, path: Path, state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    point = found.budgets[2]
    recipes = [Recipe(name, Choice(scheme, bits)) for name, scheme, bits in point.choices]
    write_quantized(path, tmp_path / "small.safetensors", recipes)
    stored = load(tmp_path / "small.safetensors")
    lost = sum(float(np.square((stored[name] - state[name]).double().numpy()).sum()) for name in state)
    # The levels are stored in float32.
    assert lost == pytest.approx(point.sse, rel=1e-5)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_budgets_that_cannot_be(path: Path, bad: float) -> None:
    with pytest.raises(BudgetListError, match="no positive number"):
        audit(path, schemes=("uniform",), bits=(2,), budgets=(3.0, bad))


def test_worst_layers_are_those_where_bits_help_most(found: Audit) -> None:
    """By share of error over share of weights; the plain share would put another first."""
    worst = found.advice["worst"]
    ratios = [layer["share_of_error"] / layer["share_of_weights"] for layer in worst]
    large = [ratio for layer, ratio in zip(worst, ratios, strict=True) if layer["share_of_error"] >= 0.01]
    assert large == sorted(large, reverse=True)
    assert worst[0]["name"] == "b"


def test_no_budget_is_too_large(path: Path, found: Audit) -> None:
    """The number of bits that it allows is no number of float64."""
    (point,) = audit(path, schemes=SCHEMES, bits=(2, 3, 4, 5), budgets=(1e308,)).budgets
    assert point.sse == found.budgets[-1].sse
    assert point.choices == found.budgets[-1].choices


@pytest.mark.parametrize(("rows", "columns"), [(7, 30), (13, 70)])
def test_at_the_very_size_of_a_choice_the_mix_is_no_worse(tmp_path: Path, rows: int, columns: int) -> None:
    """4.133333333333333, as it is told, times 210 is less than the 868 bits that it stands for."""
    path = save(tmp_path, "edge", {"w": drawn(rows, columns)})
    for bits in (2, 3, 4):
        (size,) = {cell.effective_bits for cell in audit(path, ("uniform",), (bits,)).totals.cells}
        edge = audit(path, ("uniform",), (bits,), budgets=(size,))
        single = best_at(edge.totals, size)
        assert single is not None
        assert [point.sse for point in edge.budgets] == pytest.approx([single.sse])


def test_where_no_mix_can_be_told_the_rest_of_the_audit_is(path: Path, tmp_path: Path) -> None:
    """A tensor without a cell, and errors whose sum float64 does not hold."""
    without = audit(path, schemes=("nf4",), bits=(2, 3))
    assert without.budgets == ()
    assert all(tensor.refused for tensor in without.tensors)
    assert without.advice["text"].startswith("No scheme has codebooks of these bits for every tensor")
    large = torch.tensor([[1e300, -1e308, 1e-300, 5e-324] * 8] * 4, dtype=torch.float64)
    extreme = audit(save(tmp_path, "extreme", {"large": large}), schemes=("uniform",), bits=(2,))
    assert extreme.budgets == ()
    assert extreme.tensors[0].cell("uniform", 2) is not None
    assert extreme.advice["text"] == "The squares of these weights leave float64: nothing to choose."
