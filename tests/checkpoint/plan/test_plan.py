"""Plans as data: what is written is read back, and nothing impossible gets in."""

import json
import math
from typing import Any

import pytest

from fmq_theory.checkpoint.plan import Plan, PlanError, TensorPlan
from fmq_theory.errors import FmqError


def entry(**changes: Any) -> TensorPlan:
    fields: dict[str, Any] = {
        "name": "conv.weight",
        "scheme": "lloyd_max",
        "bits": 4,
        "granularity": "channel",
        "group_size": None,
        "sse": 0.25,
        "effective_bits": 4.5,
        "weights": 64,
    }
    return TensorPlan.from_json("tensor 0 of the plan", fields | changes)


def plan() -> Plan:
    second = entry(
        name="head.weight", scheme="block:lloyd_max:float8_e4m3:signed", granularity="group", group_size=32
    )
    return Plan((entry(), second), 4.5, 0.004, 1e-9, {"budget": 4.5, "kept": {}})


def test_round_trip() -> None:
    text = plan().to_json()
    assert Plan.from_json(text) == plan()
    assert Plan.from_json(text).to_json() == text


def test_by_name() -> None:
    assert plan()["head.weight"].group_size == 32
    with pytest.raises(KeyError):
        plan()["bias"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"bits": 0},
        {"bits": 9},
        {"bits": 4.0},
        {"bits": True},
        {"granularity": "row"},
        {"granularity": "group"},
        {"group_size": 64},
        {"granularity": "group", "group_size": 0},
        {"scheme": "best"},
        {"scheme": 3},
        {"scheme": "block:best", "granularity": "group", "group_size": 64},
        {"scheme": "block:lloyd_max:float7", "granularity": "group", "group_size": 64},
        {"scheme": "block:lloyd_max"},
        {"sse": -1.0},
        {"sse": math.nan},
        {"sse": "0"},
        {"effective_bits": 0.0},
        {"effective_bits": math.inf},
        {"weights": 0},
    ],
)
def test_impossible_entries(changes: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match=r"plan"):
        entry(**changes)
    # The same in a file.
    body = json.loads(plan().to_json())
    body["tensors"][0] |= changes
    with pytest.raises(PlanError):
        Plan.from_json(json.dumps(body))


def test_errors_have_three_parts() -> None:
    with pytest.raises(FmqError) as caught:
        entry(bits=9)
    assert str(caught.value) == (
        "tensor 'conv.weight' of the plan: bits = 9: codes have 1 to 8 bits; correct the plan"
    )


def changed(**changes: Any) -> str:
    return json.dumps(json.loads(plan().to_json()) | changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no JSON object"),
        ("{}", "format"),
        (changed(format="other"), "format"),
        (changed(version=2), "version"),
        (changed(tensors={}), "list"),
        (changed(tensors=[3]), "tensor 0 of the plan: it is no JSON object"),
        (changed(tensors=[{}]), "lacks 'name'"),
        (changed(extra=1), "unknown 'extra'"),
        (changed(mse=None), "mse"),
        (changed(mse=-1.0), "mse"),
        (changed(effective_bits="4"), "effective_bits"),
        (changed(optimality_gap=-0.5), "optimality_gap"),
        (changed(config=[]), "config"),
        (changed(tensors=[json.loads(plan().to_json())["tensors"][0]] * 2), "each tensor once"),
        (plan().to_json().replace("0.004", "NaN"), "mse"),
        (plan().to_json().replace('"bits": 4', '"bits": 1e999'), "bits"),
        (plan().to_json()[:-20], "no JSON"),
    ],
)
def test_what_is_no_plan(text: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        Plan.from_json(text)


def test_a_plan_without_a_gap_or_tensors() -> None:
    empty = Plan((), 32.0, 0.0, None)
    assert Plan.from_json(empty.to_json()) == empty
