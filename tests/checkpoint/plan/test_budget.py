"""Plans for a size: against all combinations, against single choices, and against quantizing for real."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import iter_tensors, load, write_quantized
from fmq_theory.checkpoint.plan import Plan, PlanError
from fmq_theory.checkpoint.plan.budget import (
    BudgetError,
    best_single,
    plan_for_budget,
    plan_from_options,
    read_sensitivities,
)
from fmq_theory.checkpoint.plan.options import Search, TensorOptions, build_options
from fmq_theory.checkpoint.quantized.file_head import head_bytes
from fmq_theory.errors import CheckpointError, SchemeError, WeightsError
from fmq_theory.quantizers import quantize
from fmq_theory.quantizers.block_scaled import quantize_blocks
from tests.checkpoint.made_tensors import drawn, save

SMALL = Search(schemes=("lloyd_max",), bits=(2, 4), granularities=("channel", "tensor"), group_sizes=(32,))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tensors of different spread, tail and type, and a bias."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("plan") / "model.safetensors"
    save_file(
        {
            "wide.weight": torch.from_numpy(rng.standard_normal((32, 64)).astype(np.float32)),
            "narrow.weight": torch.from_numpy(0.05 * rng.standard_normal((48, 64)).astype(np.float32)),
            "tailed.weight": torch.from_numpy(rng.standard_t(3, (16, 96))).to(torch.bfloat16),
            "odd.weight": torch.from_numpy(rng.standard_normal((5, 7)).astype(np.float32)),
            "bias": torch.zeros(64),
        },
        path,
    )
    return path


@pytest.fixture(scope="module")
def options(checkpoint: Path) -> list[TensorOptions]:
    return build_options(checkpoint, SMALL)


@pytest.mark.parametrize("budget", [2.6, 3.0, 3.7, 4.4, 6.5, 20.0])
@pytest.mark.parametrize("sensitivities", [{}, {"narrow.weight": 300.0, "wide.weight": 0.5}])
def test_all_combinations(
    options: list[TensorOptions], budget: float, sensitivities: dict[str, float]
) -> None:
    total = sum(tensor.weights for tensor in options)
    table = [
        [(o.cost, sensitivities.get(t.name, 1.0) * o.sse) for o in t.options]
        + [(t.stored_bits * t.weights, 0.0)]
        for t in options
    ]
    least = min(
        math.fsum(e for _, e in choice)
        for choice in itertools.product(*table)
        if sum(c for c, _ in choice) <= budget * total
    )
    plan = plan_from_options(options, budget, sensitivities)
    assert plan.effective_bits <= budget
    assert math.isclose(plan.config["objective"], least, rel_tol=1e-9, abs_tol=1e-300)
    assert plan.config["objective_lower_bound"] <= least * (1 + 1e-12)
    assert plan.optimality_gap is not None
    assert plan.optimality_gap <= 1e-6


def test_the_plan_says_what_quantizing_gives(checkpoint: Path, options: list[TensorOptions]) -> None:
    plan = plan_from_options(options, 3.7)
    weights = {tensor.name: tensor.array for tensor in iter_tensors(checkpoint)}
    total = bits = 0.0
    for t in plan.tensors:
        w = weights[t.name]
        if t.scheme.startswith("block:"):
            q = quantize_blocks(w, t.scheme, t.bits, t.group_size or 0)
        else:
            q = quantize(w, t.scheme, t.bits, t.granularity, group_size=t.group_size)
        assert math.isclose(q.effective_bits, t.effective_bits, rel_tol=1e-12)
        assert math.isclose(q.mse * w.size, t.sse, rel_tol=1e-3)
        assert t.weights == w.size
        total += t.sse
        bits += q.effective_bits * w.size
    bits += sum(width * weights[name].size for name, width in plan.config["kept"].items())
    assert math.isclose(plan.mse, total / plan.config["weights"], rel_tol=1e-12)
    assert math.isclose(plan.effective_bits, bits / plan.config["weights"], rel_tol=1e-12)
    assert {t.name for t in plan.tensors} | set(plan.config["kept"]) == set(weights)


@pytest.mark.parametrize("budget", [1.2, 2.0, 2.5, 3.0, 4.0, 5.5])
def test_never_worse_than_one_choice_for_all(checkpoint: Path, budget: float) -> None:
    search = Search(schemes=("lloyd_max", "uniform"), bits=(1, 2, 3, 4), group_sizes=())
    options = build_options(checkpoint, search)
    plan, single = plan_from_options(options, budget), best_single(options, budget)
    assert single is not None
    assert single.effective_bits <= budget
    assert plan.config["objective"] <= single.objective * (1 + 1e-9)
    # At the same size as the single choice, too.
    assert plan_from_options(options, single.effective_bits).config["objective"] <= single.objective * (
        1 + 1e-9
    )


def test_a_larger_budget_is_never_worse(options: list[TensorOptions]) -> None:
    errors = [plan_from_options(options, b).mse for b in np.linspace(2.6, 20.0, 40)]
    assert all(later <= earlier * (1 + 1e-8) for earlier, later in itertools.pairwise(errors))
    assert errors[-1] < 1e-3 * errors[0]


def test_sensitive_tensors_get_more_bits(options: list[TensorOptions]) -> None:
    plain = plan_from_options(options, 3.5)
    partial = plan_from_options(options, 3.5, {"narrow.weight": 1e6})
    assert "narrow.weight" in partial.config["kept"] or (
        partial["narrow.weight"].effective_bits > plain["narrow.weight"].effective_bits
    )


def test_keeping_can_be_ruled_out(options: list[TensorOptions]) -> None:
    assert plan_from_options(options, 40.0).tensors == ()
    plan = plan_from_options(options, 40.0, keep=False)
    assert plan.config["kept"] == {}
    assert len(plan.tensors) == 4


def test_stored_width_of_what_is_kept(options: list[TensorOptions]) -> None:
    widths = {t.name: t.stored_bits for t in options}
    assert widths == {"wide.weight": 32, "narrow.weight": 32, "tailed.weight": 16, "odd.weight": 32}


def test_one_call(checkpoint: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    plan = plan_for_budget(checkpoint, 3.5, search=SMALL, progress=lambda *step: seen.append(step))
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.config["search"]["bits"] == [2, 4]
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1][1] == seen[-1][2] == plan.config["weights"]
    # Of a tensor of 35 weights the header is most of the file.
    assert (
        len(plan_for_budget(checkpoint, 175.0, search=SMALL, names=["odd.weight"], keep=False).tensors) == 1
    )


def test_impossible_budgets(options: list[TensorOptions]) -> None:
    with pytest.raises(
        BudgetError, match=r"0\.5 bits a weight: what these options allow is from 2\.\d+ to \d"
    ):
        plan_from_options(options, 0.5)
    for budget in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(BudgetError, match="no positive number"):
            plan_from_options(options, budget)


def test_the_least_possible_budget_is_possible(options: list[TensorOptions]) -> None:
    total = sum(t.weights for t in options)
    least = sum(min(o.cost for o in t.options) for t in options) / total
    assert plan_from_options(options, least).effective_bits == least
    named = math.ceil(1e4 * least) / 1e4
    assert plan_from_options(options, named).effective_bits <= named


def test_sensitivities_from_a_file(tmp_path: Path, options: list[TensorOptions]) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"wide.weight": 2, "odd.weight": 0.0}', "utf-8")
    found = read_sensitivities(path)
    assert found == {"wide.weight": 2.0, "odd.weight": 0.0}
    assert plan_from_options(options, 3.0, found).config["sensitivities"] == found


def test_sensitivity_of_an_unknown_tensor(options: list[TensorOptions]) -> None:
    with pytest.raises(PlanError, match=r"'wide\.wieght'"):
        plan_from_options(options, 3.0, {"wide.wieght": 2.0})


def test_searches_that_find_nothing(checkpoint: Path) -> None:
    for broken in (
        {"bits": (0,)},
        {"bits": ()},
        {"schemes": ("best",)},
        {"schemes": (), "block_schemes": ()},
        {"block_schemes": ("lloyd_max",)},
        {"granularities": ("row",)},
        {"group_sizes": (0,)},
        {"schemes": ("uniform", "uniform")},
    ):
        with pytest.raises(SchemeError):
            Search(**broken)  # pyright: ignore[reportArgumentType]
    only_groups = Search(schemes=(), group_sizes=(64,))
    with pytest.raises(SchemeError, match=r"'odd\.weight'"):
        build_options(checkpoint, only_groups)
    assert len(build_options(checkpoint, only_groups, names=["wide.weight"])) == 1


def test_bad_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        build_options(tmp_path / "none.safetensors")
    save_file({"w": torch.full((4, 4), math.nan)}, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsError, match="'w'"):
        build_options(tmp_path / "nan.safetensors")


def test_parametric_schemes_keep_their_parameter(checkpoint: Path) -> None:
    search = Search(
        schemes=("power:0.5", "ecq:0.2"),
        bits=(3,),
        granularities=("group",),
        group_sizes=(16,),
        block_schemes=(),
    )
    (found,) = build_options(checkpoint, search, names=["wide.weight"])
    assert {option.choice.scheme for option in found.options} == {"power:0.5", "ecq:0.2"}
    assert {option.choice.group_size for option in found.options} == {16}


def test_shared_checkpoint(shared_checkpoints: Path) -> None:
    search = Search(bits=(2, 3, 4, 5), schemes=("uniform_clipped", "lloyd_max"), granularities=("tensor",))
    path = shared_checkpoints / "mnist_unet.pt"
    plan = plan_for_budget(path, 3.5, search=search)
    header = 8 * head_bytes(path, plan.tensors) / plan.config["weights"]
    assert 3.49 <= plan.effective_bits + header <= 3.5
    assert 0.0 < header < 0.11
    assert plan.optimality_gap is not None
    assert plan.optimality_gap <= 1e-6
    assert plan.config["objective"] < 0.9 * plan.config["best_single"]["objective"]
    assert json.loads(plan.to_json())["format"] == "fmq plan"


def test_errors_beyond_float64(tmp_path: Path) -> None:
    """An option whose squared error is no float is none; a tensor that has no other is named."""
    path = tmp_path / "m.safetensors"
    line = torch.linspace(-1.0, 1.0, 64, dtype=torch.float64).reshape(2, 32)
    wide = torch.logspace(-300, 308, 64, dtype=torch.float64).reshape(2, 32)
    search = Search(schemes=("uniform",), bits=(2, 3), granularities=("tensor",), block_schemes=())
    save_file({"wide": wide, "w": line}, path)
    with pytest.raises(PlanError, match=r"'wide'.*leaves float64"):
        plan_for_budget(path, 100.0, search=search)
    (found,) = plan_for_budget(path, 100.0, search=search, names=["w"], keep=False).tensors  # control
    assert found.bits == 3
    mask = torch.full((2, 32), torch.finfo(torch.float64).min, dtype=torch.float64).triu(1)
    save_file({"mask": mask, "w": 1e110 * line}, path)
    plan = plan_for_budget(path, 100.0, search=search, keep=False)
    assert {tensor.name: tensor.sse > 0.0 for tensor in plan.tensors} == {"mask": False, "w": True}
    with pytest.raises(PlanError, match=r"'w'.*only their ratios matter"):
        plan_for_budget(path, 100.0, search=search, sensitivities={"w": 1e100, "mask": 1.0})


@pytest.mark.parametrize("num_bytes", [2_600, 3_500, 6_000])
def test_a_budget_in_bytes_is_the_size_of_the_file(tmp_path: Path, num_bytes: int) -> None:
    """Header and kept tensors included; and no room for another step is left unused."""
    state = {"a": drawn(16, 256), "b": drawn(8, 128, seed=1), "bias": drawn(100, seed=2)}
    path = save(tmp_path, "model", state)
    plan = plan_for_budget(path, num_bytes=num_bytes)
    written = write_quantized(path, tmp_path / "small.safetensors", plan.tensors)
    assert (tmp_path / "small.safetensors").stat().st_size == written.num_bytes <= num_bytes
    assert written.num_bytes > 0.93 * num_bytes
    lost = sum(float((load(written.path)[name] - state[name]).double().square().sum()) for name in "ab")
    energy = sum(float(state[name].double().square().sum()) for name in "ab")
    assert written.relative_error == pytest.approx((lost / energy) ** 0.5, rel=1e-5)


def test_bytes_that_cannot_be(tmp_path: Path) -> None:
    path = save(tmp_path, "model", {"a": drawn(16, 256), "bias": drawn(100)})
    with pytest.raises(BudgetError, match="the tensors that stay as they are take 400 of them"):
        plan_for_budget(path, num_bytes=400)
    with pytest.raises(BudgetError, match=r"budget of 500 bytes, which leaves 0\.1953 bits a weight"):
        plan_for_budget(path, num_bytes=500)
    for neither in ({}, {"budget_bits": 3.0, "num_bytes": 4000}):
        with pytest.raises(BudgetError, match="neither or both"):
            plan_for_budget(path, **neither)
