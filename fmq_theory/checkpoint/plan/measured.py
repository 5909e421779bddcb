"""The plan of recipes that somebody chose: the same document as one for a budget, with errors measured."""

import math
from collections.abc import Sequence

from fmq_theory.checkpoint.io.files import Readable
from fmq_theory.checkpoint.io.reader import iter_tensors
from fmq_theory.checkpoint.plan.options import Progress, Search, tensor_options
from fmq_theory.checkpoint.plan.plan import Plan, TensorPlan
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.errors import FmqError

__all__ = ["measured_plan"]


def measured_plan(
    checkpoint: Readable,
    recipes: Sequence[Recipe],
    progress: Progress | None = None,
    threads: int | None = None,
) -> Plan:
    """What ``recipes`` cost, tensor by tensor.

    Args:
        checkpoint: what is to be quantized.
        recipes: one for each tensor that is to be quantized; at least one.
        progress: told after each tensor.
        threads: see ``quantize``.

    Raises:
        CheckpointError: see ``iter_tensors``.
        WeightsError: see ``iter_tensors``.
    """
    by_name = {recipe.name: recipe.choice for recipe in recipes}
    tensors: list[TensorPlan] = []
    for tensor in iter_tensors(checkpoint, names=list(by_name)):
        choice = by_name[tensor.name]
        try:
            option = next(iter(tensor_options(tensor.array, _search(choice), threads)))
        except FmqError as error:
            raise error.renamed(f"tensor {tensor.name!r}: {error.thing}") from error
        tensors.append(
            TensorPlan(
                name=tensor.name,
                choice=choice,
                sse=option.sse,
                effective_bits=option.cost / tensor.array.size,
                weights=tensor.array.size,
            )
        )
        if progress is not None:
            progress(tensor.name, len(tensors), len(by_name))
    weights = sum(tensor.weights for tensor in tensors)
    return Plan(
        tensors=tuple(tensors),
        effective_bits=math.fsum(tensor.effective_bits * tensor.weights for tensor in tensors) / weights,
        mse=math.fsum(tensor.sse for tensor in tensors) / weights,
        optimality_gap=None,
        config={"weights": weights},
    )


def _search(choice: Choice) -> Search:
    """The search of one option."""
    sizes = () if choice.group_size is None else (choice.group_size,)
    if choice.block is not None:
        return Search((), (choice.bits,), (), sizes, (choice.scheme,))
    return Search((choice.scheme,), (choice.bits,), (choice.granularity,), sizes, ())
