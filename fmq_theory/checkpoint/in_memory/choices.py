"""How each weight of a network is to be quantized, settled before any work is done."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from fmq_theory.checkpoint.io.naming import check_pattern_names, matches
from fmq_theory.checkpoint.io.packed.tensor import CodebookType
from fmq_theory.checkpoint.io.tensors import as_numpy
from fmq_theory.checkpoint.modules.packable import Place, by_layer, check_packable
from fmq_theory.checkpoint.modules.packed_layers import packed_weights
from fmq_theory.checkpoint.plan.budget import BudgetError, plan_from_options
from fmq_theory.checkpoint.plan.end_layers import END_BITS
from fmq_theory.checkpoint.plan.options import (
    Progress,
    Search,
    TensorOptions,
    least_bits_of_sizes,
    measured_options,
)  # fmt: skip
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Planned, misfit_error, smaller_codebooks
from fmq_theory.errors import CheckpointError, SchemeError, WeightsError, argument

__all__ = [
    "Asked",
    "check_asked",
    "check_numbers",
    "choices_to_budget",
    "finite_numbers",
    "wanted_names",
    "with_one_choice",
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller of ``quantize_module`` asks for; None and empty where nothing is said."""

    scheme: str | None = None
    bits: int | None = None
    granularity: str | None = None
    group_size: int | None = None
    codebook_type: CodebookType | None = None
    budget: float | None = None
    plan: Iterable[Planned] | None = None
    search: Search | None = None
    sensitivities: Mapping[str, float] | None = None
    include: Sequence[str] = field(default=())
    exclude: Sequence[str] = field(default=())

    @property
    def choice(self) -> Choice:
        """The one choice for all weights.

        Raises:
            SchemeError: there is no such scheme, or its parts do not go together.
        """
        granularity = self.granularity or ("channel" if self.group_size is None else "group")
        bits = 4 if self.bits is None else self.bits
        return Choice(self.scheme or "lloyd_max", bits, granularity, self.group_size, self.codebook_type)


def check_asked(asked: Asked) -> None:
    """Refuses what does not go together, before anything is looked at.

    Raises:
        SchemeError: the scheme is no name, or patterns are one text.
        BudgetError: a budget or a plan beside what it decides; a budget that is no number; what only a budget
            uses, without one.
    """
    if asked.scheme is not None and not isinstance(asked.scheme, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SchemeError(
            f"scheme of type {type(asked.scheme).__name__}", "it is no name", "pass a plan as plan=..."
        )
    for what, patterns in (("include", asked.include), ("exclude", asked.exclude)):
        if isinstance(patterns, str):
            raise SchemeError(f"{what}={patterns!r}", "it is one text", f"pass a list: [{patterns!r}]")
    decided = [
        f"{name}={value!r}"
        for name in ("scheme", "bits", "granularity", "group_size")
        if (value := getattr(asked, name)) is not None
    ]
    if asked.budget is not None:
        thing = f"budget={asked.budget!r}"
        decided += ["plan=..."] if asked.plan is not None else []
        if decided:
            raise BudgetError(
                f"{thing} with {', '.join(decided)}",
                "a budget chooses these for each weight",
                "pass the one or the other, or narrow the choice with search=plan.options.Search(...)",
            )
        if not _is_positive(asked.budget):
            raise BudgetError(thing, "it is no positive number", "pass for example budget=3.5")
        return
    for name, value in (("sensitivities", asked.sensitivities), ("search", asked.search)):
        if value is not None:
            raise BudgetError(f"{name}=...", "only a budget uses it", "pass for example budget=3.5 as well")
    if asked.plan is None:
        _ = asked.choice
    elif decided or asked.include or asked.exclude:
        raise BudgetError(
            f"plan=... with {', '.join(decided) or 'include or exclude'}",
            "a plan says for each weight how it is quantized",
            "pass the one or the other",
        )


def wanted_names(module: nn.Module, places: Mapping[str, Place], asked: Asked) -> list[str]:
    """The weights that are asked for.

    Raises:
        CheckpointError: the module has none that can be packed, a pattern fits none, or none is left; a plan
            names one that is not there.
    """
    if not places:
        packed = bool(packed_weights(module))
        raise CheckpointError(
            f"module {type(module).__name__}",
            "its layers are packed already" if packed
            else "it has no weight that is quantized (of linear layers, convolutions, embeddings, attention)",
            "call dequantize_module on it first" if packed else "pass the network that has the weights",
        )  # fmt: skip
    if asked.plan is not None:
        return list(by_layer({planned.name: planned for planned in asked.plan}, places))
    check_pattern_names(list(places), asked.include, asked.exclude)
    names = [name for name in places if matches(name, asked.include, asked.exclude)]
    if not names:
        raise CheckpointError(
            f"module {type(module).__name__}",
            f"of its {len(places)} weights exclude leaves none",
            "exclude fewer",
        )
    return names


def check_numbers(places: Mapping[str, Place]) -> None:
    """Refuses weights that cannot be packed, before one is.

    Raises:
        WeightsError: the first such weight, with the reason.
    """
    for name, place in places.items():
        check_packable(name, place)


def finite_numbers(name: str, weight: Tensor) -> NDArray[np.floating]:
    """The numbers of a weight.

    Raises:
        WeightsError: some are nan or infinite.
    """
    weights = as_numpy(weight)
    if not np.isfinite(weights).all():
        nans, infs = int(np.isnan(weights).sum()), int(np.isinf(weights).sum())
        raise WeightsError(
            f"tensor {name!r}", f"{nans} of its numbers are nan and {infs} are infinite", "exclude it"
        )
    return weights


def with_one_choice(places: Mapping[str, Place], choice: Choice) -> dict[str, Choice]:
    """The same choice for each weight that becomes smaller by it; the others stay as they are.

    Raises:
        WeightsError: groups do not divide; all such weights are counted and a size that fits is named.
        CheckpointError: none becomes smaller.
    """
    shapes = {name: tuple(place.weight.shape) for name, place in places.items()}
    size = choice.group_size
    channels = {name: math.prod(shape[1:] if len(shape) > 1 else shape) for name, shape in shapes.items()}
    if size is not None and (misfits := [(name, n) for name, n in channels.items() if n % size]):
        raise misfit_error(misfits, size, ("exclude for them, or ", argument("granularity", "channel")))
    found = {
        name: choice
        for name, place in places.items()
        if choice.saves(shapes[name], place.weight.dtype.itemsize)
    }
    if not found:
        name = next(iter(places))
        ways = smaller_codebooks(choice.scheme, choice.bits, choice.granularity) or ["ask for fewer bits"]
        raise CheckpointError(
            f"tensor {name!r} of shape {list(shapes[name])}",
            f"by {choice} neither it nor another weight of the module would be smaller",
            ", or ".join(ways),
        )
    return found


def choices_to_budget(
    places: Mapping[str, Place],
    asked: Asked,
    *,
    end_bits: int = END_BITS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Choice]:
    """The choices of least sum_l s_l SSE_l within the budget; see ``plan_from_options``.

    Weights that are left out stay as they are. One that is there under several names is measured once.

    Raises:
        BudgetError: the budget is out of reach. By the sizes alone that is known before anything is measured.
        PlanError: a sensitivity of a weight that is not there, or a negative one.
        FmqError: no option fits a weight.
    """
    budget, search = float(asked.budget or 0.0), asked.search or Search()
    first: dict[int, str] = {}
    for name, place in places.items():
        first.setdefault(id(place.weight), name)
    names = list(first.values())
    sizes = [(places[n].weight.numel(), 8 * places[n].weight.dtype.itemsize) for n in names]
    least = least_bits_of_sizes(sizes, search)
    if budget < least:
        raise BudgetError(
            f"budget={budget:g}",
            f"by the sizes alone, a weight takes {math.floor(1e4 * least) / 1e4:g} bits at least",
            "raise the budget, or allow coarser options",
        )
    sensitivities = _by_first_name(places, asked.sensitivities or {}, first)
    total, done = sum(size for size, _ in sizes), 0
    options: list[TensorOptions] = []
    for name, (size, stored) in zip(names, sizes, strict=True):
        options.append(
            measured_options(name, finite_numbers(name, places[name].weight), stored, search, threads)
        )
        done += size
        if progress is not None:
            progress(name, done, total)
    plan = plan_from_options(options, budget, sensitivities, end_bits=end_bits)
    if not plan.tensors:
        raise BudgetError(
            f"budget={budget:g}", "it allows every weight to stay as it is", "pass fewer bits a weight"
        )
    chosen = {tensor.name: tensor.choice for tensor in plan.tensors}
    return {
        name: chosen[first[id(place.weight)]]
        for name, place in places.items()
        if first[id(place.weight)] in chosen
    }


def _by_first_name(
    places: Mapping[str, Place], sensitivities: Mapping[str, float], first: Mapping[int, str]
) -> dict[str, float]:
    """A weight of several names has the sensitivity of any of them."""
    return {
        first[id(places[name].weight)] if name in places else name: value
        for name, value in sensitivities.items()
    }


def _is_positive(budget: object) -> bool:
    if not isinstance(budget, int | float | np.floating | np.integer) or isinstance(budget, bool):
        return False
    return 0.0 < float(cast("Any", budget)) < math.inf
