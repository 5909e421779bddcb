"""The names of the room: each is there, and each loads what it needs and no more."""

import json
import subprocess
import sys

import pytest

from fmq_theory import checkpoint

_CODE = (
    "import json, sys\n"
    "from fmq_theory import checkpoint\n"
    "{use}\n"
    "print(json.dumps([name for name in sys.modules if name.startswith('fmq_theory.checkpoint.')]))\n"
)


def _loaded(use: str) -> set[str]:
    """The rooms of checkpoint that are loaded after ``use``."""
    code = _CODE.format(use=use)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return {name.split(".")[2] for name in json.loads(done.stdout)}


def test_each_name_is_what_it_says() -> None:
    for name in checkpoint.__all__:
        found = getattr(checkpoint, name)
        assert found.__name__.rpartition(".")[2] == name
        assert name in dir(checkpoint)
    assert checkpoint._HOMES.keys() == set(checkpoint.__all__)
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        _ = checkpoint.quantise  # pyright: ignore[reportAttributeAccessIssue]


def test_a_limit_is_set_by_the_name_that_the_errors_say() -> None:
    from fmq_theory.checkpoint.io import limits

    assert checkpoint.limits is limits


@pytest.mark.parametrize(
    ("use", "rooms"),
    [
        ("", set[str]()),
        ("checkpoint.load", {"io"}),
        ("checkpoint.write_quantized", {"io", "quantized"}),
        ("checkpoint.plan_for_budget", {"io", "quantized", "plan", "allocation"}),
        ("checkpoint.audit.audit", {"io", "quantized", "audit", "allocation", "foreign"}),
        ("checkpoint.load_packed", {"io", "modules"}),
        ("checkpoint.save_packed", {"io", "quantized", "modules"}),
        ("checkpoint.quantize_module", {"io", "quantized", "modules", "plan", "in_memory", "allocation"}),
    ],
    ids=[
        "nothing",
        "load",
        "write_quantized",
        "plan_for_budget",
        "audit",
        "load_packed",
        "save_packed",
        "quantize_module",
    ],
)
def test_a_name_loads_its_own_rooms(use: str, rooms: set[str]) -> None:
    assert _loaded(use) == rooms
