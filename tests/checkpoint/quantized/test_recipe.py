"""Which tensors are quantized, and how."""

from pathlib import Path
from typing import Any

import pytest

from fmq_theory.checkpoint.io.naming import matches
from fmq_theory.checkpoint.quantized.recipe import KeptTensor, Recipe, recipes_for
from fmq_theory.errors import CheckpointError, WeightsError
from tests.checkpoint.quantized.mixed_checkpoint import mixed_checkpoint, recipe


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return mixed_checkpoint(tmp_path)


def test_patterns(checkpoint: Path) -> None:
    assert matches("a.b", (), ())
    assert matches("a.b", ("a*",), ())
    assert not matches("a.b", ("b*",), ())
    assert not matches("a.b", (), ("*.b",))
    recipes, kept = recipes_for(checkpoint, recipe("", "uniform").choice, exclude=("half*",))
    assert {r.name for r in recipes} == {"double.weight", "conv.weight"}
    assert KeptTensor("half.weight", (6, 40), "not asked for") in kept
    with pytest.raises(CheckpointError, match=r"include 'x\*': it fits no tensor"):
        recipes_for(checkpoint, recipe("").choice, include=("x*",))
    with pytest.raises(CheckpointError, match=r"exclude 'x\*': it fits no tensor"):
        recipes_for(checkpoint, recipe("").choice, exclude=("x*",))
    with pytest.raises(CheckpointError, match="none of its tensors is left"):
        recipes_for(checkpoint, recipe("").choice, include=("ids",))


def test_groups_that_do_not_divide(tmp_path: Path, checkpoint: Path) -> None:
    wanted = recipe("", "uniform", granularity="group", group_size=48).choice
    with pytest.raises(
        WeightsError, match=r"of 2 tensors .*'half\.weight' has 40.*group_size=8, which divides all"
    ):
        recipes_for(checkpoint, wanted, exclude=("e8",))
    recipes, kept = recipes_for(checkpoint, wanted, misfit="keep")
    assert [r.name for r in recipes] == ["conv.weight"]
    assert {t.name: t.reason for t in kept}["half.weight"] == "48 does not divide the 40 weights of a channel"
    by_name = {r.name: r for r in recipes_for(checkpoint, wanted, misfit="channel")[0]}
    assert by_name["half.weight"].choice.granularity == "channel"
    assert by_name["conv.weight"].choice.group_size == 48


def test_tensors_that_would_not_become_smaller_are_kept(checkpoint: Path) -> None:
    recipes, kept = recipes_for(checkpoint, recipe("", "lloyd_max", 6).choice)
    assert {r.name for r in recipes}.isdisjoint({"half.weight"})
    assert {t.name: t.reason for t in kept}["half.weight"] == "quantized it would not be smaller"


@pytest.mark.parametrize(("name", "choice"), [("a.weight", "uniform"), (3, recipe("a").choice)])
def test_what_is_no_recipe_is_refused_when_it_is_made(name: Any, choice: Any) -> None:
    with pytest.raises(CheckpointError, match="it needs the name of a tensor and a Choice"):
        Recipe(name, choice)
