"""What a plan proves is said of the weights it was made for, as it was made, and of nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint.plan import Plan, PlanError
from fmq_theory.checkpoint.plan.budget import (
    BudgetError,
    plan_for_budget,
    plan_from_options,
    read_sensitivities,
)
from fmq_theory.checkpoint.plan.end_layers import end_layers
from fmq_theory.checkpoint.plan.options import Search, build_options
from fmq_theory.checkpoint.plan.proof import check_plan, proven_gap
from fmq_theory.errors import FmqError
from tests.corpus.json_mutations import broken_files, mutations

SMALL = Search(schemes=("lloyd_max",), bits=(1, 2, 4), granularities=("tensor",), block_schemes=())
NAMES = ("conv_in.weight", "blocks.0.weight", "blocks.1.weight", "conv_out.weight")


def saved(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    spread = dict(zip(NAMES, (0.05, 1.0, 1.0, 0.01), strict=True))
    save_file({n: torch.from_numpy(s * rng.standard_normal((16, 32))) for n, s in spread.items()}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("proof") / "model.safetensors", 0)


@pytest.fixture(scope="module")
def plan(checkpoint: Path) -> Plan:
    return plan_for_budget(checkpoint, 5.4, search=SMALL, keep=False)


def as_planned(plan: Plan) -> dict[str, float]:
    return {tensor.name: tensor.sse for tensor in plan.tensors}


def test_the_gap_is_computed_again(checkpoint: Path, plan: Plan) -> None:
    again = Plan.from_json(plan.to_json())
    assert again == plan
    gap = proven_gap(again, checkpoint, as_planned(plan))
    assert gap is not None
    assert gap <= 1e-9
    worse = {name: 1.5 * error for name, error in as_planned(plan).items()}
    assert proven_gap(again, checkpoint, worse) == pytest.approx(0.5, rel=1e-6)


def test_nothing_is_proven_of_other_weights(plan: Plan, tmp_path: Path) -> None:
    other = saved(tmp_path / "other.safetensors", 1)
    check_plan(other, plan)  # it can be quantized so
    assert proven_gap(plan, other, as_planned(plan)) is None


def test_nothing_is_proven_of_a_plan_that_was_changed(checkpoint: Path, plan: Plan) -> None:
    body = json.loads(plan.to_json())
    for tensor in body["tensors"]:
        tensor["bits"] = 1
    changed = Plan.from_json(json.dumps(body))
    assert changed.optimality_gap is None
    assert "objective" not in changed.config
    assert proven_gap(changed, checkpoint, as_planned(changed)) is None
    del body["digest"]
    assert Plan.from_json(json.dumps(body)).optimality_gap is None


def test_a_lower_bound_above_the_plan_is_none(checkpoint: Path, plan: Plan) -> None:
    lower = 2 * plan.config["objective_lower_bound"]
    forged = replace(plan, config={**plan.config, "objective_lower_bound": lower})
    assert proven_gap(Plan.from_json(forged.to_json()), checkpoint, as_planned(plan)) is None


@pytest.mark.parametrize("size", [(16, 31), (1, 2)])
def test_a_plan_of_another_checkpoint_is_refused_before_work(
    plan: Plan, size: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "other.safetensors"
    save_file({name: torch.ones(size) for name in NAMES}, path)
    with pytest.raises(PlanError, match="weights in it, not 512"):
        check_plan(path, plan)
    save_file({name: torch.ones(16, 32) for name in NAMES[1:]}, path)
    with pytest.raises(PlanError, match="no such tensor"):
        check_plan(path, plan)


def test_no_mutated_plan_ends_in_a_traceback(checkpoint: Path, plan: Plan) -> None:
    """Each is refused by name, or proves nothing."""
    document = json.loads(plan.to_json())
    read, tried, proven = 0, 0, list[str]()
    for what, data in [*mutations(document), *broken_files(document)]:
        tried += 1
        try:
            found = Plan.from_json(data.decode("utf-8", "replace"))
            found.to_json()
            check_plan(checkpoint, found)
        except FmqError as error:
            str(error).encode()
            continue
        read += 1
        if found.optimality_gap is not None and json.loads(data) != document:
            proven.append(what)
    assert tried > 1000
    assert read > 10  # a renamed tensor's error, say, is a plan too
    assert proven == []


@pytest.mark.parametrize(
    "value", ["1e308", "1e-320", "1" + "0" * 40, "-1", "true", "NaN", "Infinity", '"1"', "[]"]
)
def test_a_sensitivity_is_a_number_that_can_be_computed_with(value: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(f'{{"conv_in.weight": {value}}}')
    with pytest.raises(PlanError):
        read_sensitivities(path)


def test_no_mutated_sensitivities_end_in_a_traceback(checkpoint: Path, tmp_path: Path) -> None:
    flow = {
        "format": "fmq-flow-3",
        "layers": [
            {"name": n, "weight_change": 0.5, "measured": 0.25 * (k + 1)} for k, n in enumerate(NAMES)
        ],
    }
    options = build_options(checkpoint, SMALL)
    path = tmp_path / "s.json"
    for document in ({NAMES[0]: 1.5, NAMES[1]: 2}, flow):
        path.write_text(json.dumps(document))
        plan_from_options(options, 3.2, read_sensitivities(path))  # the control
        for _, data in [*mutations(document), *broken_files(document)]:
            path.write_bytes(data)
            try:
                plan_from_options(options, 3.2, read_sensitivities(path)).to_json()
            except FmqError as error:
                str(error).encode()


def test_an_impossible_budget_is_refused_from_the_sizes(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*_: object, **__: object) -> None:
        raise AssertionError("a tensor was measured")

    monkeypatch.setattr("fmq_theory.checkpoint.plan.budget.build_options", measured)
    with pytest.raises(BudgetError, match="by the sizes alone"):
        plan_for_budget(checkpoint, 1.0)
    with pytest.raises(AssertionError, match="measured"):
        plan_for_budget(checkpoint, 1.1)


# --- the first and the last layer -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "ends"),
    [
        (NAMES, ["conv_in.weight", "conv_out.weight"]),
        (sorted(NAMES), ["conv_in.weight", "conv_out.weight"]),
        (["net.0.weight", "net.10.weight", "net.2.weight"], ["net.0.weight", "net.10.weight"]),
        (["a.weight", "blocks.3.attn.out_proj.weight", "z.weight"], ["a.weight", "z.weight"]),
        (["model.x_embedder.weight", "model.b.weight", "model.final_layer.linear.weight"],
         ["model.x_embedder.weight", "model.final_layer.linear.weight"]),
        (["a.weight", "b.weight"], []),
    ],
)  # fmt: skip
def test_ends_are_recognised(names: list[str], ends: list[str]) -> None:
    assert end_layers(names) == ends


def test_the_ends_have_a_floor_where_nothing_tells_their_weight(checkpoint: Path) -> None:
    options = build_options(checkpoint, SMALL)
    free = plan_from_options(options, 4.6, keep=False)
    assert free["conv_out.weight"].bits < 4
    held = plan_from_options(options, 4.6, keep=False, end_bits=4)
    assert (held["conv_in.weight"].bits, held["conv_out.weight"].bits) == (4, 4)
    assert held.config["ends"] == ["conv_in.weight", "conv_out.weight"]
    assert held.effective_bits <= 4.6
    weighed = plan_from_options(options, 4.6, {"blocks.0.weight": 2.0}, keep=False, end_bits=4)
    assert weighed.config["ends"] == []
    assert weighed["conv_out.weight"].bits < 4
    tight = plan_from_options(options, 1.5, keep=False, end_bits=4)  # as far as the budget allows
    assert tight.config["end_bits"] in (1, 2)
