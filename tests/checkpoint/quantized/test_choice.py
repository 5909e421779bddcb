"""A choice is checked once, when it is made; what holds one says the same of it."""

from typing import Any

import pytest
import torch

from fmq_theory.checkpoint.plan import TensorPlan
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.errors import FmqError, SchemeError, WeightsError

FIELDS: dict[str, Any] = {"scheme": "nf4", "bits": 4, "granularity": "group", "group_size": 64}


@pytest.mark.parametrize(
    "wrong",
    [
        {"scheme": "magic"},
        {"scheme": 3},
        {"scheme": "block:nf4", "granularity": "channel", "group_size": None},
        {"scheme": "block:lloyd_max:float7"},
        {"bits": 3},  # NF4 has 16 levels
        {"bits": 0},
        {"bits": 9, "scheme": "uniform"},
        {"bits": 4.0},
        {"bits": True, "scheme": "uniform"},
        {"granularity": "row"},
        {"granularity": "channel"},  # which has no groups
        {"group_size": None},
        {"group_size": 0},
        {"group_size": "64"},
        {"codebook_type": "float8"},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_when_it_is_made(wrong: dict[str, Any]) -> None:
    Choice(**FIELDS)  # control
    with pytest.raises(SchemeError):
        Choice(**(FIELDS | wrong))


def test_a_shape_may_not_fit() -> None:
    Choice(**FIELDS).check((3, 128))
    with pytest.raises(WeightsError, match="does not divide the 100"):
        Choice(**FIELDS).check((3, 100))


def test_by_channel_is_the_scheme_of_the_codebook() -> None:
    assert Choice("block:uniform:signed", 3, "group", 32, "float16").by_channel == Choice(
        "uniform", 3, "channel", None, "float16"
    )


def test_small_rows_save_nothing() -> None:
    # 16 levels of 4 bytes and 8 bytes of codes for each row of 16 weights of 4 bytes.
    assert not Choice("lloyd_max", 4, "channel").saves((2, 16), 4)
    assert Choice("lloyd_max", 4, "channel").saves((2, 160), 4)
    assert Choice("lloyd_max", 4, "tensor").saves((20, 16), 4)


@pytest.mark.parametrize(
    "choice", [Choice("uniform", 3, "tensor"), Choice("block:nf4", 4, "group", 16)], ids=str
)
def test_what_is_quantized_is_what_was_chosen(choice: Choice) -> None:
    weights = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    found = choice.quantize(weights)
    assert (found.bits, found.layout.granularity) == (choice.bits, choice.granularity)
    assert found.layout.group_size == choice.group_size
    assert found.codes.max() < 2**choice.bits
    block = choice.block
    assert found.scheme == (choice.scheme if block is None else block.name)


def test_a_plan_holds_it_and_its_document_is_flat() -> None:
    planned = TensorPlan("w", Choice(**FIELDS), 0.5, 4.5, 640)
    body = planned.as_json()
    assert list(body) == ["name", *FIELDS, "sse", "effective_bits", "weights"]
    assert TensorPlan.from_json("tensor 0 of the plan", body) == planned
    with pytest.raises(FmqError, match=r"tensor 'w' of the plan: .*nf4 has 16 levels; correct the plan"):
        TensorPlan.from_json("tensor 0 of the plan", body | {"bits": 3})
