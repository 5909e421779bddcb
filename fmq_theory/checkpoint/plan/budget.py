"""A plan for a size: which option each tensor takes so that the whole loses least within the budget."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fmq_theory.checkpoint.allocation.knapsack import MOST_STATES, BudgetError, allocate
from fmq_theory.checkpoint.io.files import OpenCheckpoint, Readable, opened
from fmq_theory.checkpoint.plan.end_layers import END_BITS, end_layers, raised
from fmq_theory.checkpoint.plan.options import (
    Option,
    Progress,
    Search,
    TensorOptions,
    build_options,
    least_bits,
)
from fmq_theory.checkpoint.plan.plan import Plan, PlanError, TensorPlan
from fmq_theory.checkpoint.plan.sensitivities import check_sensitivity, read_sensitivities
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.file_head import head_bytes

__all__ = [
    "BudgetError",
    "Single",
    "best_single",
    "plan_for_budget",
    "plan_from_options",
    "read_sensitivities",
]

_MOST_ROUNDS = 4


def plan_for_budget(
    path: Readable,
    budget_bits: float | None = None,
    *,
    num_bytes: int | None = None,
    search: Search | None = None,
    sensitivities: Mapping[str, float] | None = None,
    keep: bool = True,
    names: Sequence[str] = (),
    min_ndim: int = 2,
    end_bits: int = END_BITS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Plan:
    """The plan of least sum_l s_l SSE_l over all options of all tensors, within a mean of bits a weight.

    Args:
        path: of a checkpoint, or one that is open.
        budget_bits: bits a weight over the tensors that are decided on; codebook overhead counts, and room
            is left for the header of the file, which the plan's ``effective_bits`` leave out.
        num_bytes: in place of ``budget_bits``: what the whole file may take, with its header and the tensors
            that stay as they are.
        search: which options there are; None for the default.
        sensitivities: s_l >= 0 by tensor; 1 where there is none.
        keep: whether a tensor may stay as it is, at its stored width and without error.
        names: only these tensors; see ``iter_tensors``.
        min_ndim: tensors of fewer dimensions are left out, unless they are named.
        end_bits: fewest bits of the first and the last layer, where there are no sensitivities; 0 for none.
        threads: at most so many at once; None for FMQ_THREADS, or all CPUs. No result depends on it.
        progress: told after each tensor.

    Raises:
        BudgetError: no choice is that small (the possible range is named), or it is no positive number, or
            neither or both of bits and bytes are given.
        PlanError: a sensitivity for a tensor that does not exist, or a negative one.
        FmqError: see ``build_options``.

    Examples:
        Of two tensors of equal size, one with weights ten times as large, this one gets more bits:

        >>> import tempfile
        >>> from pathlib import Path
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> from fmq_theory import sources
        >>> from fmq_theory.checkpoint.plan.budget import plan_for_budget
        >>> from fmq_theory.checkpoint.plan.options import Search
        >>> weight = torch.from_numpy(sources.Gaussian().ppf((torch.arange(4096) + 0.5) / 4096))
        >>> only = Search(schemes=["lloyd_max"], granularities=["channel"], block_schemes=[])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "model.safetensors"
        ...     save_file({"large": 10 * weight[None], "small": weight[None]}, path)
        ...     plan = plan_for_budget(path, 5.5, search=only, keep=False, end_bits=0)
        >>> [(tensor.name, tensor.bits) for tensor in plan.tensors], plan.effective_bits <= 5.5
        ([('large', 6), ('small', 2)], True)
    """
    _check_end_bits(end_bits)
    with opened(path) as stored:
        bits = _bits_of(stored, budget_bits, num_bytes, names, min_ndim)
        try:
            least = least_bits(stored, search, names=names, min_ndim=min_ndim)
            if bits < least:
                known = f"what these options allow is from {math.floor(1e4 * least) / 1e4:g} on"
                raise BudgetError(
                    f"budget of {bits:g} bits a weight",
                    f"{known}, by the sizes alone",
                    "raise the budget, or allow coarser options",
                )
            options = build_options(
                stored, search, names=names, min_ndim=min_ndim, threads=threads, progress=progress
            )
            plan = plan_from_options(options, bits, sensitivities, keep=keep, end_bits=end_bits)
            for _ in range(_MOST_ROUNDS):  # what the header takes depends a little on what is chosen
                total = sum(tensor.weights for tensor in options)
                head = 8.0 * head_bytes(stored, plan.tensors) / total
                if plan.effective_bits + head <= bits or not plan.tensors:
                    break
                plan = plan_from_options(
                    options, bits, sensitivities, keep=keep, end_bits=end_bits, header_bits=head
                )
        except BudgetError as error:
            if num_bytes is None:
                raise
            thing = f"budget of {num_bytes:,} bytes, which leaves {bits:.4g} bits a weight"
            raise error.renamed(thing) from error
    plan.config["search"] = (search or Search()).as_config()
    return plan


def plan_from_options(
    tensors: Sequence[TensorOptions],
    budget_bits: float,
    sensitivities: Mapping[str, float] | None = None,
    *,
    keep: bool = True,
    most_states: int = MOST_STATES,
    end_bits: int = 0,
    header_bits: float = 0.0,
) -> Plan:
    """``plan_for_budget`` where the options are measured: plans for several budgets cost one measurement.

    Args:
        tensors: with their options.
        budget_bits: see ``plan_for_budget``.
        sensitivities: see ``plan_for_budget``.
        keep: see ``plan_for_budget``.
        most_states: see ``allocate``.
        end_bits: without sensitivities, the first and the last layer (``end_layers``) get codes of so many
            bits at least, or as many as the budget allows. What they do to a network's output, the error of
            their weights does not tell. 0 leaves them free: the least error is then sought among all options.
        header_bits: of the budget, what the header of the file takes.

    Raises:
        BudgetError: see ``plan_for_budget``.
        PlanError: see ``plan_for_budget``.
    """
    _check_budget(budget_bits)
    _check_end_bits(end_bits)
    ends = [] if sensitivities or not end_bits else end_layers([tensor.name for tensor in tensors])
    available = budget_bits - header_bits
    single = best_single(tensors, available, sensitivities)
    tensors, end_bits = raised(tensors, ends, end_bits, available)
    weight = _per_tensor(tensors, sensitivities or {})
    tensors = [_within_float64(tensor, s) for tensor, s in zip(tensors, weight, strict=True)]
    total = sum(tensor.weights for tensor in tensors)
    costs = [[option.cost for option in tensor.options] for tensor in tensors]
    errors = [
        [s * option.sse for option in tensor.options] for s, tensor in zip(weight, tensors, strict=True)
    ]
    if keep:
        for tensor, cost, error in zip(tensors, costs, errors, strict=True):
            cost.append(tensor.stored_bits * tensor.weights)
            error.append(0.0)
    budget = math.floor(min(available * total, sum(map(max, costs))))
    least = sum(map(min, costs)) / total + header_bits
    most = (
        sum(min(zip(error, cost, strict=True))[1] for cost, error in zip(costs, errors, strict=True)) / total
        + header_bits
    )
    if budget_bits < least:
        raise BudgetError(
            f"budget of {budget_bits:g} bits a weight",
            f"what these options allow is from {math.ceil(1e4 * least) / 1e4:g} to {most:g}",
            "raise the budget, or allow coarser options",
        )
    found = allocate(costs, errors, max(budget, sum(map(min, costs))), most_states)
    chosen = {
        tensor.name: tensor.options[j]
        for tensor, j in zip(tensors, found.choice, strict=True)
        if j < len(tensor.options)
    }
    config: dict[str, Any] = {
        "budget_bits": float(budget_bits),
        "weights": total,
        "kept": {t.name: t.stored_bits for t in tensors if t.name not in chosen},
        "sensitivities": dict(sensitivities or {}),
        "objective": found.error,
        "objective_lower_bound": found.lower_bound,
        "best_single": None if single is None else single.as_config(),
        "input": {t.name: t.digest for t in tensors if t.digest},
        "ends": ends,
        "end_bits": end_bits,
    }
    return Plan(
        tensors=tuple(_planned(t, chosen[t.name]) for t in tensors if t.name in chosen),
        effective_bits=found.cost / total,
        mse=math.fsum(option.sse for option in chosen.values()) / total,
        optimality_gap=found.gap if math.isfinite(found.gap) else None,
        config=config,
    )


@dataclass(frozen=True, slots=True)
class Single:
    """One scheme at one number of bits for all tensors.

    Attributes:
        choice: how all are quantized.
        effective_bits: bits a weight.
        mse: squared error a weight.
        objective: sum of sensitivity times squared error.
    """

    choice: Choice
    effective_bits: float
    mse: float
    objective: float

    def as_config(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            **self.choice.as_json(),
            "effective_bits": self.effective_bits,
            "mse": self.mse,
            "objective": self.objective,
        }


def best_single(
    tensors: Sequence[TensorOptions], budget_bits: float, sensitivities: Mapping[str, float] | None = None
) -> Single | None:
    """The best of the options that treat all tensors alike, within the budget; None where there is none."""
    weight = _per_tensor(tensors, sensitivities or {})
    total = sum(tensor.weights for tensor in tensors)
    by_choice = [{option.choice: option for option in tensor.options} for tensor in tensors]
    best: Single | None = None
    for choice in by_choice[0]:
        if not all(choice in options for options in by_choice):
            continue
        options = [found[choice] for found in by_choice]
        cost = sum(option.cost for option in options)
        objective = math.fsum(s * option.sse for s, option in zip(weight, options, strict=True))
        if cost <= budget_bits * total and (best is None or objective < best.objective):
            mse = math.fsum(option.sse for option in options) / total
            best = Single(choice, cost / total, mse, objective)
    return best


def _per_tensor(tensors: Sequence[TensorOptions], sensitivities: Mapping[str, float]) -> list[float]:
    """One sensitivity a tensor."""
    known = {tensor.name for tensor in tensors}
    for name, value in sensitivities.items():
        check_sensitivity(name, value)
        if name not in known:
            examples = ", ".join(repr(tensor.name) for tensor in tensors[:3])
            raise PlanError(
                f"sensitivity of {name!r}",
                "no tensor that is decided on has that name",
                f"names are like {examples}",
            )
    return [float(sensitivities.get(tensor.name, 1.0)) for tensor in tensors]


def _within_float64(tensor: TensorOptions, sensitivity: float) -> TensorOptions:
    """The tensor without the options whose error, times its sensitivity, is no float.

    Raises:
        PlanError: it has no other.
    """
    finite = tuple(option for option in tensor.options if math.isfinite(sensitivity * option.sse))
    if not finite:
        raise PlanError(
            f"tensor {tensor.name!r}",
            "the sum of its squared errors, times its sensitivity, leaves float64 whatever is chosen",
            "leave the tensor out, or make the sensitivities smaller: only their ratios matter",
        )
    return tensor if len(finite) == len(tensor.options) else replace(tensor, options=finite)


def _bits_of(
    stored: OpenCheckpoint,
    budget_bits: float | None,
    num_bytes: int | None,
    names: Sequence[str],
    min_ndim: int,
) -> float:
    """The budget in bits a weight of the tensors that are decided on.

    Raises:
        BudgetError: see ``plan_for_budget``.
    """
    if (budget_bits is None) == (num_bytes is None):
        raise BudgetError("budget", "it is neither or both of bits and bytes", "pass one of them")
    if num_bytes is None:
        budget_bits = 0.0 if budget_bits is None else budget_bits
        _check_budget(budget_bits)
        return budget_bits
    entries = [entry for entry in stored.entries() if not entry.tied and not entry.excluded]
    decided = [
        entry
        for entry in entries
        if (entry.name in names or entry.full_name in names if names else not entry.stored.unusable(min_ndim))
    ]
    rest = sum(entry.stored.num_bytes for entry in entries) - sum(e.stored.num_bytes for e in decided)
    weights = sum(math.prod(entry.stored.shape) for entry in decided)
    if num_bytes <= rest:
        raise BudgetError(
            f"budget of {num_bytes:,} bytes",
            f"the tensors that stay as they are take {rest:,} of them",
            "raise the budget",
        )
    return 8.0 * (num_bytes - rest) / max(1, weights)


def _check_budget(budget_bits: float) -> None:
    if not (math.isfinite(budget_bits) and budget_bits > 0.0):
        raise BudgetError(
            f"budget of {budget_bits!r} bits a weight", "it is no positive number", "pass for example 3.5"
        )


def _check_end_bits(end_bits: int) -> None:
    if not 0 <= end_bits <= 8:
        raise BudgetError(f"end_bits = {end_bits}", "a code has 1 to 8 bits", "pass 0 to 8; 0 sets no floor")


def _planned(tensor: TensorOptions, option: Option) -> TensorPlan:
    return TensorPlan(
        name=tensor.name,
        choice=option.choice,
        sse=option.sse,
        effective_bits=option.cost / tensor.weights,
        weights=tensor.weights,
    )
