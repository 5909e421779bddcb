"""What a plan proves of the file that was made by it, and of no other."""

import math
from collections.abc import Mapping, Sequence

from fmq_theory.checkpoint.io.files import Readable, opened
from fmq_theory.checkpoint.io.reader import iter_tensors
from fmq_theory.checkpoint.io.tensors import weights_digest
from fmq_theory.checkpoint.plan.plan import Plan, PlanError
from fmq_theory.errors import FmqError

__all__ = ["check_plan", "input_digests", "proven_gap"]


def check_plan(checkpoint: Readable, plan: Plan) -> None:
    """Whether a plan can be of this checkpoint: its tensors are there, in their sizes.

    Raises:
        PlanError: it cannot.
        CheckpointError: the file cannot be read.
    """
    with opened(checkpoint) as stored:
        path = stored.path
        sizes = {e.name: math.prod(e.stored.shape) for e in stored.entries() if not e.excluded}
    for tensor in plan.tensors:
        size = sizes.get(tensor.name)
        has = "no such tensor" if size is None else f"{size} weights in it, not {tensor.weights}"
        if size != tensor.weights:
            raise PlanError(
                f"tensor {tensor.name!r} of the plan",
                f"checkpoint {str(path)!r} has {has}",
                "make a plan for this file",
            )


def input_digests(checkpoint: Readable, names: Sequence[str]) -> dict[str, str]:
    """A digest of the numbers of each tensor.

    Raises:
        FmqError: see ``iter_tensors``.
    """
    return {
        t.name: weights_digest(t.array, t.array.dtype.name) for t in iter_tensors(checkpoint, names=names)
    }


def proven_gap(plan: Plan, checkpoint: Readable, errors: Mapping[str, float]) -> float | None:
    """By how much sum_l s_l SSE_l exceeds the least possible at most, relatively; None if that is not known.

    It is computed again: from the errors as planned and as written, the larger sum of the two, and from the
    lower bound of the plan. It counts only if the plan was made for these weights, bit for bit.

    Args:
        plan: as it was made or read.
        checkpoint: what was quantized.
        errors: sum of squared errors of each tensor as it was written.
    """
    config = plan.config
    if plan.optimality_gap is None or not {"input", "objective_lower_bound"} <= set(config):
        return None
    names = {tensor.name for tensor in plan.tensors}
    if not (
        names <= set(errors) and names <= set(config["input"]) and _same_input(checkpoint, config["input"])
    ):
        return None
    weight = {name: float(config.get("sensitivities", {}).get(name, 1.0)) for name in names}
    planned = math.fsum(weight[t.name] * t.sse for t in plan.tensors)
    objective = max(planned, math.fsum(weight[t.name] * errors[t.name] for t in plan.tensors))
    least = float(config["objective_lower_bound"])
    if objective == least == 0.0:
        return 0.0
    if not 0.0 < least <= planned * (1.0 + 1e-9):
        return None  # a lower bound above what was reached is none
    return max(0.0, objective / least - 1.0)


def _same_input(checkpoint: Readable, wanted: Mapping[str, str]) -> bool:
    try:
        return input_digests(checkpoint, list(wanted)) == dict(wanted)
    except FmqError:
        return False  # a tensor that is not there, or not as it was
