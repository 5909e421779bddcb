"""How much a squared error in each tensor matters: given in a file, or measured by ``fmq flow``."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from fmq_theory.checkpoint.plan.checks import PlanError, check, is_real, is_text
from fmq_theory.errors import Way
from fmq_theory.storage.json_objects import json_value, text_of_json

__all__ = ["check_sensitivity", "read_sensitivities"]

# The JSON of ``fmq flow`` says so.
_FLOW = "fmq-flow-"
_PASS = (
    "pass a JSON object with a number for some tensors, or what ",
    Way("flow_json", "report.write_flow_json"),
    " wrote",
)
_MOST = 1e100
"""A product with a sum of squared errors stays a float."""


def read_sensitivities(path: Path | str) -> dict[str, float]:
    """Sensitivities by tensor, from a JSON object of numbers or from what ``fmq flow --json`` wrote.

    Of ``fmq flow`` they are mean ||e_l||**2 / ||theta_q - theta||_l**2: the squared error of the samples when
    tensor l alone is quantized, over that of its weights. They are scaled to a geometric mean of 1, so that
    tensors without one (those that were quantized without error) count as average.

    Raises:
        PlanError: the file cannot be read, or holds neither.
    """
    thing = f"sensitivities {str(path)!r}"

    def refused(cause: str) -> PlanError:
        return PlanError(thing, cause, _PASS)

    body = json_value(text_of_json(Path(path), refused), refused)
    if not isinstance(body, dict):
        raise PlanError(thing, "they are no JSON object", 'write {"name of a tensor": 1.5}')
    found = cast("dict[str, object]", body)
    if str(found.get("format", "")).startswith(_FLOW):
        return _of_flow(thing, found)
    for name, value in found.items():
        check_sensitivity(name, value)
    return {name: float(cast(float, value)) for name, value in found.items()}


def check_sensitivity(name: str, value: object) -> None:
    """A finite number >= 0.

    Raises:
        PlanError: it is none.
    """
    check(f"sensitivity of {name!r}", "its name", name, is_text(name), "text without half surrogate pairs")
    value_fits = 0.0 <= _number(value) <= _MOST and not 0.0 < _number(value) < 1.0 / _MOST
    wanted = f"a finite number >= 0, within {1 / _MOST:g} to {_MOST:g} where it is not 0"
    check(f"sensitivity of {name!r}", "it", value, value_fits, wanted)


def _number(value: object) -> float:
    return float(cast(float, value)) if is_real(value) else -1.0


def _of_flow(thing: str, body: Mapping[str, object]) -> dict[str, float]:
    layers = body.get("layers")
    squared: dict[str, float] = {}
    for layer in cast("list[object]", layers) if isinstance(layers, list) else []:
        fields = cast("dict[str, object]", layer) if isinstance(layer, dict) else dict[str, object]()
        name, change, error = fields.get("name"), _number(fields.get("weight_change")), fields.get("measured")
        measured = _number(error)
        if not is_text(name) or change < 0.0 or measured < 0.0:
            raise PlanError(thing, "a layer lacks its name, weight_change or measured", "run fmq flow again")
        if change > 0.0:
            ratio = measured / change  # infinite at worst
            fits = ratio <= math.sqrt(_MOST)
            check(thing, f"measured/weight_change of {name!r}", ratio, fits, f"at most {math.sqrt(_MOST):g}")
            squared[cast(str, name)] = ratio**2
    positive = [math.log(value) for value in squared.values() if value > 0.0]
    if not positive:
        raise PlanError(
            thing, "that run of fmq flow measured no layers", "run it with a scheme that is not lossless"
        )
    scale = math.exp(-math.fsum(positive) / len(positive))
    return {name: scale * value for name, value in squared.items()}
