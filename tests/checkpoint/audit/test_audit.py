"""The audit: its rows against quantizing, its totals against its rows, and what it leaves out."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from fmq_theory.bounds import predict
from fmq_theory.checkpoint import read_tensors
from fmq_theory.checkpoint.audit import AUDIT_SCHEMES, AuditError, audit
from fmq_theory.checkpoint.audit.advice import frontier
from fmq_theory.checkpoint.audit.result import Audit, TensorAudit, totals_of
from fmq_theory.checkpoint.audit.workers import WorkersError
from fmq_theory.errors import CheckpointError, SchemeError, WeightsError
from fmq_theory.quantizers import quantize
from fmq_theory.sources import Empirical
from tests.checkpoint.audit.made import without_seconds

SCHEMES = ("uniform", "equal_mass", "panter_dite", "lloyd_max", "nf4")


def _small(path: Path, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    state = {
        "first.weight": torch.from_numpy(rng.normal(size=(4, 60)).astype(np.float32)),
        "first.bias": torch.zeros(4),
        "conv.weight": torch.from_numpy(rng.standard_t(4, size=(3, 5, 3, 3)).astype(np.float32)).half(),
        "step": torch.tensor(3),
        "phase": torch.zeros(3, 3, dtype=torch.complex64),
        "double": torch.from_numpy(rng.laplace(size=(2, 70))),
        "zero": torch.zeros(2, 9),
    }
    save_file(state, path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _small(tmp_path_factory.mktemp("audit") / "small.safetensors")


@pytest.fixture(scope="module")
def found(small: Path) -> Audit:
    return audit(small, schemes=SCHEMES, bits=(2, 4))


def test_each_row_is_what_quantize_measures(small: Path, found: Audit) -> None:
    tensors = {tensor.name: tensor.array for tensor in read_tensors(small).tensors}
    assert {tensor.name for tensor in found.tensors} == set(tensors)
    for tensor in found.tensors:
        array = tensors[tensor.name]
        assert tensor.energy == pytest.approx(float(np.sum(array.astype(np.float64) ** 2)), rel=1e-12)
        for cell in tensor.cells:
            want = quantize(array, cell.scheme, cell.bits)
            # quantize rounds levels to the codebook's type; the audit does not.
            assert cell.mse == pytest.approx(want.mse, rel=1e-5, abs=1e-12)
            assert cell.effective_bits == pytest.approx(want.effective_bits, rel=1e-12)
            assert cell.lossless == bool(want.lossless_by_construction.all())
            assert cell.weights == array.size


def test_high_rate_is_the_mean_over_channels(small: Path, found: Audit) -> None:
    array = read_tensors(small, names=["first.weight"]).tensors[0].array
    cell = found.tensors[[t.name for t in found.tensors].index("first.weight")].cell("lloyd_max", 4)
    assert cell is not None
    bounds = [predict("lloyd_max", Empirical(row), 16, row.size).own.high_rate for row in array]
    assert cell.high_rate_mse == pytest.approx(np.mean([b.value for b in bounds if b is not None]), rel=1e-9)
    nf4 = found.tensors[0].cell("nf4", 4)
    assert nf4 is not None
    assert nf4.high_rate_mse is None


def test_nf4_has_four_bits_only(found: Audit) -> None:
    assert {cell.bits for cell in found.totals.cells if cell.scheme == "nf4"} == {4}


def test_what_is_left_out_has_a_reason(found: Audit) -> None:
    reasons = {name: reason for name, _, reason in found.skipped}
    assert set(reasons) == {"first.bias", "step", "phase"}
    assert "dimensions" in reasons["first.bias"]
    assert "complex" in reasons["phase"]
    assert reasons["step"]


def test_json_holds_everything_and_comes_back(found: Audit) -> None:
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert [TensorAudit.from_json(tensor) for tensor in told["tensors"]] == list(found.tensors)
    assert told["totals"]["weights"] == found.totals.weights
    assert len(told["skipped"]) == len(found.skipped)


def test_a_tensor_of_zeros_costs_nothing(found: Audit) -> None:
    zero = next(tensor for tensor in found.tensors if tensor.name == "zero")
    assert all(cell.sse == 0.0 and cell.relative_error is None for cell in zero.cells)
    assert not zero.spread.tail.theory_applies


# --- totals ---------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 40)), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
    granularity=st.sampled_from(["channel", "tensor"]),
)
def test_property_totals_are_sums_of_rows(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[tuple[int, int]], seed: int, granularity: str
) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("totals") / "m.safetensors"
    save_file({f"w{i}": torch.from_numpy(rng.normal(size=s)) for i, s in enumerate(shapes)}, path)
    found = audit(path, schemes=("uniform", "equal_mass", "nf4"), bits=(2, 3, 4), granularity=granularity)
    totals = found.totals
    assert totals.weights == sum(tensor.weights for tensor in found.tensors) == sum(a * b for a, b in shapes)
    assert totals.tensors == len(shapes)
    assert sum(totals.histogram) == totals.weights
    assert {(c.scheme, c.bits) for c in totals.cells} == {
        *((s, b) for s in ("uniform", "equal_mass") for b in (2, 3, 4)),
        ("nf4", 4),
    }
    for cell in totals.cells:
        rows = [row for t in found.tensors if (row := t.cell(cell.scheme, cell.bits)) is not None]
        assert cell.sse == pytest.approx(math.fsum(row.sse for row in rows), rel=1e-14)
        assert cell.mse * cell.weights == pytest.approx(cell.sse, rel=1e-14)
        for name in ("effective_bits", "entropy_bits"):
            mean = math.fsum(getattr(row, name) * row.weights for row in rows) / totals.weights
            assert getattr(cell, name) == pytest.approx(mean, rel=1e-12, abs=1e-12)
        assert cell.relative_error == pytest.approx(math.sqrt(cell.sse / totals.energy))
    for ratio in totals.ratios:
        uniform, other = totals.cell("uniform", ratio.bits), totals.cell("equal_mass", ratio.bits)
        assert uniform is not None
        assert other is not None
        assert ratio.rho_em == (pytest.approx(other.sse / uniform.sse) if uniform.sse > 0 else None)


def test_control_a_forgotten_tensor_changes_the_totals(found: Audit) -> None:
    fewer = totals_of([tensor for tensor in found.tensors if tensor.name != "double"], (2, 4))
    cell, less = found.totals.cell("uniform", 4), fewer.cell("uniform", 4)
    assert cell is not None
    assert less is not None
    assert less.sse < cell.sse


def test_parts_of_a_tensor_give_what_the_whole_gives(
    small: Path, found: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fmq_theory.checkpoint.audit.tensor._PART_BYTES", 1)
    parts = audit(small, schemes=SCHEMES, bits=(2, 4))
    for one, other in zip(found.totals.cells, parts.totals.cells, strict=True):
        assert other.sse == pytest.approx(one.sse, rel=1e-13)
        assert other.effective_bits == pytest.approx(one.effective_bits, rel=1e-13)
        assert other.entropy_bits == pytest.approx(one.entropy_bits, rel=1e-12)
        assert (other.high_rate_mse is None) == (one.high_rate_mse is None)


def test_two_spellings_of_one_name_are_two_rows(small: Path) -> None:
    """Rows were told apart by the scheme's name, and the errors of both added up."""
    pair = ("ecq:0.1", "ecq:5", "equal_mass", "power:1")
    both = audit(small, schemes=pair, bits=(3,)).totals
    assert [cell.scheme for cell in both.cells] == list(pair)
    assert [cell.sse for cell in both.cells] == [
        audit(small, schemes=(name,), bits=(3,)).totals.cells[0].sse for name in pair
    ]
    assert both.cells[0].sse < both.cells[1].sse
    assert both.cells[2].sse == both.cells[3].sse


def test_a_scheme_that_some_rows_refuse_has_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a part a row, the row that was refused was missing from the sum."""
    path = tmp_path / "m.safetensors"
    save_file({"w": torch.stack((torch.linspace(-1.0, 1.0, 9), torch.linspace(0.0, 1e-44, 9)))}, path)
    monkeypatch.setattr("fmq_theory.checkpoint.audit.tensor._PART_BYTES", 1)
    (tensor,) = audit(path, schemes=("published:uniform", "uniform", "nf4"), bits=(8,)).tensors
    assert [cell.scheme for cell in tensor.cells] == ["uniform"]
    assert {scheme: reason for scheme, _, reason in tensor.refused} == {
        "published:uniform": "the step between levels is no positive float32 number",
        "nf4": "nf4 has 16 levels",
    }


# --- theory ---------------------------------------------------------------------------------------


def test_theory_is_what_is_predicted_of_each_channel(small: Path, found: Audit) -> None:
    told = audit(small, schemes=SCHEMES, bits=(2, 4), theory=True)
    arrays = {tensor.name: tensor.array for tensor in read_tensors(small).tensors}
    bounded = 0
    for tensor in told.tensors:
        rows = arrays[tensor.name].reshape(tensor.shape[0], -1).astype(np.float64)
        for cell in tensor.cells:
            own = [predict(cell.scheme, Empirical(row), 2**cell.bits, row.size) for row in rows]
            uppers = [one.own.upper.value for one in own if one.own.upper is not None]
            assert (cell.upper_mse is None) == (len(uppers) < len(rows))
            if cell.upper_mse is not None:
                bounded += 1
                assert cell.upper_mse == pytest.approx(np.mean(uppers), rel=1e-12)
                assert cell.mse <= cell.upper_mse * (1.0 + 1e-12)
            orders = [one.order for one in own]
            if tensor.name == "zero":
                assert cell.order == math.inf
            else:
                assert cell.order == (None if None in orders else min(o for o in orders if o is not None))
            assert cell.coded_mse == pytest.approx(cell.mse, rel=1e-6, abs=1e-18)
            assert cell.w2_squared_pot == pytest.approx(cell.coded_mse, rel=1e-6, abs=1e-15)
    assert bounded > 0
    # Nothing else is another number for it, and nothing of it is there without.
    for one, other in zip(told.totals.cells, found.totals.cells, strict=True):
        assert (one.sse, one.high_rate_mse) == (other.sse, other.high_rate_mse)
        assert (other.upper_mse, other.order, other.coded_mse, other.w2_squared_pot) == (None,) * 4
        means = [(t.cell(one.scheme, one.bits), t.weights) for t in told.tensors]
        coded = sum((cell.coded_mse or 0.0) * weights for cell, weights in means if cell is not None)
        assert one.coded_mse == pytest.approx(coded / told.totals.weights, rel=1e-12)


def test_a_tensor_that_is_named_is_measured_whatever_it_is(small: Path) -> None:
    told = audit(small, schemes=("uniform",), bits=(2,), names=("first.bias", "conv.*"), exclude=("conv.*",))
    assert [tensor.name for tensor in told.tensors] == ["first.bias", "conv.weight"]
    assert told.skipped == ()
    with pytest.raises(CheckpointError, match="no tensor of that name"):
        audit(small, names=("decoder.*",))


# --- advice ---------------------------------------------------------------------------------------


def test_advice_follows_from_the_numbers(found: Audit) -> None:
    advice, totals = found.advice, found.totals
    choice, uniform = totals.cell(advice["scheme"], advice["bits"]), totals.cell("uniform", 4)
    assert choice is not None
    assert uniform is not None
    within = [cell for cell in totals.cells if cell.effective_bits <= uniform.effective_bits]
    assert choice.sse == min(cell.sse for cell in within)
    for target, scheme, bits, effective, error in advice["targets"]:
        cell = totals.cell(scheme, bits)
        assert cell is not None
        assert cell.relative_error == error <= target
        assert effective == min(c.effective_bits for c in totals.cells if (c.relative_error or 0.0) <= target)
    shares = [layer["share_of_error"] for layer in advice["worst"]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0)
    assert advice["scheme"] in advice["text"]


def test_nothing_on_the_frontier_is_beaten(found: Audit) -> None:
    kept = frontier(found.totals.cells)
    assert kept
    for cell in found.totals.cells:
        assert any(k.effective_bits <= cell.effective_bits and k.sse <= cell.sse for k in kept)


# --- choices and refusals -------------------------------------------------------------------------


def test_patterns(small: Path) -> None:
    found = audit(small, schemes=("uniform",), bits=(4,), include=("*.weight",), exclude=("conv*",))
    assert [tensor.name for tensor in found.tensors] == ["first.weight"]
    assert ("double", (2, 70), "not asked for") in found.skipped
    with pytest.raises(CheckpointError, match="fits no tensor"):
        audit(small, include=("decoder.*",))
    with pytest.raises(CheckpointError, match="left to measure"):
        audit(small, exclude=("*",))


def test_groups_that_do_not_divide_are_named_before_any_work(small: Path) -> None:
    begun: list[str] = []
    with pytest.raises(WeightsError, match=r"3 tensors \(.*'conv.weight' has 45") as caught:
        audit(small, group_size=20, granularity="group", progress=lambda _d, _t, what: begun.append(what))
    assert "exclude" in str(caught.value)
    assert begun == []


def test_groups(small: Path) -> None:
    found = audit(
        small, schemes=("uniform",), bits=(4,), granularity="group", group_size=5, exclude=("zero",)
    )
    assert {t.weights_per_codebook for t in found.tensors} == {5}
    assert all(tensor.lossless_bits == 4 for tensor in found.tensors)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_not_finite(tmp_path: Path, value: float) -> None:
    bad = torch.ones(3, 4)
    bad[1, 2] = value
    path = tmp_path / "m.safetensors"
    save_file({"good": torch.randn(3, 4), "bad": bad}, path)
    with pytest.raises(WeightsError, match=r"'bad': [01] of its 12 numbers are nan and [01] are"):
        audit(path, schemes=("uniform",), bits=(4,))
    found = audit(path, schemes=("uniform",), bits=(4,), on_nonfinite="skip")
    assert [tensor.name for tensor in found.tensors] == ["good"]
    (skipped,) = found.skipped
    assert skipped[0] == "bad"
    assert "of its 12 numbers" in skipped[2]
    save_file({"bad": bad}, path)
    with pytest.raises(CheckpointError, match="left to measure"):
        audit(path, schemes=("uniform",), bits=(4,), on_nonfinite="skip")


def test_refusals_before_the_file_is_opened(tmp_path: Path) -> None:
    missing = tmp_path / "none.safetensors"
    with pytest.raises(SchemeError, match="no such scheme"):
        audit(missing, schemes=("best",))
    with pytest.raises(SchemeError, match="bits"):
        audit(missing, bits=(9,))
    with pytest.raises(SchemeError, match="granularity"):
        audit(missing, granularity="row")
    with pytest.raises(SchemeError, match="group"):
        audit(missing, granularity="group")
    for arguments in ({"jobs": 0}, {"backend": "dask"}, {"scheduler": "tcp://x:1"}, {"backend": "ray"}):
        with pytest.raises(WorkersError):
            audit(missing, **arguments)  # pyright: ignore[reportArgumentType]
    with pytest.raises(AuditError):
        audit(missing, bits=())
    with pytest.raises(CheckpointError, match="no such file"):
        audit(missing)


def test_a_file_that_changes_meanwhile_is_told(small: Path, tmp_path: Path) -> None:
    path = _small(tmp_path / "m.safetensors")

    def touch(_done: int, _total: int, what: str) -> None:
        if what == "zero":
            path.touch()

    with pytest.raises(CheckpointError, match="changed"):
        audit(path, schemes=("uniform",), bits=(4,), progress=touch)


def test_progress_ends_at_the_whole(small: Path) -> None:
    told: list[tuple[int, int]] = []
    found = audit(small, schemes=("uniform",), bits=(4,), progress=lambda d, t, _w: told.append((d, t)))
    assert told[-1] == (found.totals.weights, found.totals.weights)
    assert [d for d, _ in told] == sorted(d for d, _ in told)


def test_several_processes_give_the_same(small: Path, found: Audit) -> None:
    other = audit(small, schemes=SCHEMES, bits=(2, 4), jobs=2)
    assert without_seconds(other) == without_seconds(found)


# --- real files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["mnist_unet.pt", "molecule_fno.pth", "molecule_mlp.pth", "pendulum_policy_epoch600.pth"],
)
def test_every_shared_checkpoint(shared_checkpoints: Path, name: str) -> None:
    found = audit(shared_checkpoints / name, schemes=("uniform", "equal_mass"), bits=(2, 4, 8))
    assert found.totals.weights == read_tensors(shared_checkpoints / name).num_weights
    assert all(reason for _, _, reason in found.skipped)
    assert found.totals.crossover_bits is not None


def test_complex_and_foreign_tensors_of_a_real_file_are_told(shared_checkpoints: Path) -> None:
    found = audit(shared_checkpoints / "molecule_fno.pth", schemes=("uniform",), bits=(4,))
    reasons = {name: reason for name, _, reason in found.skipped}
    assert "complex" in reasons["fno.fno_layers.0.spectral.weights"]
    assert reasons["laplacian"] == "not in the model's state dict"


@pytest.mark.deep
def test_the_default_grid_on_a_real_file(shared_checkpoints: Path) -> None:
    found = audit(shared_checkpoints / "mnist_unet.pt")
    assert {cell.scheme for cell in found.totals.cells} == set(AUDIT_SCHEMES)
    lloyd = {cell.bits: cell.sse for cell in found.totals.cells if cell.scheme == "lloyd_max"}
    for cell in found.totals.cells:
        assert lloyd[cell.bits] <= cell.sse * (1 + 1e-12)
    assert found.totals.crossover_bits == pytest.approx(3.34, abs=0.01)
