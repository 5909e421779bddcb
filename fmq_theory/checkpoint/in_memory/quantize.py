"""One call for a network in memory: its layers are replaced by ones that keep their weight packed."""

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from fmq_theory.checkpoint.in_memory.choices import (
    Asked,
    check_asked,
    check_numbers,
    choices_to_budget,
    finite_numbers,
    wanted_names,
    with_one_choice,
)  # fmt: skip
from fmq_theory.checkpoint.io.number_types import safetensors_type
from fmq_theory.checkpoint.io.packed.tensor import CodebookType, pack
from fmq_theory.checkpoint.modules.folding import folded_layers
from fmq_theory.checkpoint.modules.packable import by_layer, packable_places
from fmq_theory.checkpoint.modules.packed_layers import with_packed
from fmq_theory.checkpoint.modules.packed_weight import PackedWeight, checked_decode
from fmq_theory.checkpoint.plan.options import Progress, Search
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Planned
from fmq_theory.errors import FmqError, SchemeError

__all__ = ["quantize_module"]


def quantize_module(
    module: nn.Module,
    scheme: str | None = None,
    bits: int | None = None,
    granularity: str | None = None,
    group_size: int | None = None,
    *,
    budget: float | None = None,
    plan: Iterable[Planned] | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    sensitivities: Mapping[str, float] | None = None,
    search: Search | None = None,
    decode: str = "each_call",
    codebook_type: CodebookType | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> nn.Module:
    """Replaces the layers of ``module`` by packed ones, in place: with one scheme, to a budget, or by a plan.

    Linear layers, convolutions and transposed convolutions of 1 to 3 dimensions, embeddings and
    ``nn.MultiheadAttention`` are packed. A weight that is made of others (weight norm, spectral norm,
    pruning, any parametrization) is made once and packed as what it is. Layers that a subclass of those made
    different, and all other parameters, stay as they are; so do, with one scheme, weights that would not be
    smaller.

    A packed layer has no gradient of its weight; inputs and biases have theirs, and what is decoded for a
    layer is kept until the gradient of its input is known.

    Args:
        module: any; a weight that several layers share stays shared.
        scheme: for all layers, a name that ``get_scheme`` knows; None for "lloyd_max".
        bits: of the codes, 1 to 8; None for 4.
        granularity: "tensor", "channel" or "group"; None for "channel", and for "group" with a group size.
        group_size: consecutive weights of a channel that share a codebook.
        budget: bits a weight over all weights that are decided on, codebooks and scales counted, in place of
            the scheme, its bits and granularity: each weight then gets the choice that makes the whole lose
            least, or stays as it is. What ``save_packed`` writes has a header besides.
        plan: how each weight is quantized, by its name (``Plan.tensors``), in place of all of these.
        include: patterns of names of weights that are quantized; all where there are none.
        exclude: patterns of names that are left as they are.
        sensitivities: s_l >= 0 by the name of the weight, for a budget: sum_l s_l SSE_l is made least.
            Without them the first and the last layer get 4 bits at least.
        search: which choices a budget has; None for the default.
        decode: "each_call" decodes a weight whenever it is used: memory stays packed. "once" keeps the
            decoded weights beside the packed ones: the speed and more than the memory of the dense layer.
        codebook_type: of the stored levels.
        threads: at most so many at once; None for FMQ_THREADS, or all CPUs. No result depends on it.
        progress: told after each weight that a budget measured.

    Returns:
        ``module``, or what takes its place if it is itself a layer.

    Raises:
        CheckpointError: the module has no weight that can be packed, a pattern fits none, none would be
            smaller, or the plan names one that no layer has.
        BudgetError: the budget comes with what it decides, or is out of reach; where it is so by the sizes
            alone, that is said before anything is measured.
        PlanError: a sensitivity of a weight that is not there.
        SchemeError: see ``quantize``; or the plan is no list of weights and choices.
        WeightsError: a weight cannot be quantized so; it is named.
        SettingError: there is no such ``decode``.

        The module is then as it was.

    Examples:
        >>> import torch
        >>> import fmq_theory
        >>> layer = fmq_theory.quantize_module(torch.nn.Linear(1024, 4), "lloyd_max", bits=3)
        >>> isinstance(layer, torch.nn.Linear), [row.unique().numel() for row in layer.weight]
        (True, [8, 8, 8, 8])
        >>> layer(torch.ones(2, 1024)).shape
        torch.Size([2, 4])
    """
    checked_decode(decode)
    asked = Asked(
        scheme, bits, granularity, group_size, codebook_type, budget,
        _listed(plan), search, sensitivities, include, exclude,
    )  # fmt: skip
    check_asked(asked)
    names = wanted_names(module, places := packable_places(module), asked)
    made = [n.removesuffix(places[n].parameter).removesuffix(".") for n in names if places[n].made]
    with folded_layers(module, made) as module:
        places = {name: place for name, place in packable_places(module).items() if name in set(names)}
        check_numbers(places)
        if asked.plan is not None:
            choices = by_layer({planned.name: planned.choice for planned in asked.plan}, places)
        elif budget is not None:
            choices = choices_to_budget(places, asked, threads=threads, progress=progress)
        else:
            choices = with_one_choice(places, asked.choice)
        weights: dict[int, PackedWeight] = {}
        for name, choice in choices.items():
            tensor = places[name].weight  # the layers keep them, so that no id is used twice
            if id(tensor) not in weights:
                packed = _quantized(name, tensor, choice, codebook_type, threads)
                packed.decode = decode
                weights[id(tensor)] = packed.to(tensor.device)
        # Nothing was changed so far, and nothing fails from here on.
        found = {name: weights[id(places[name].weight)] for name in choices}
        return with_packed(module, {name: places[name] for name in choices}, found)


def _quantized(
    name: str, tensor: Tensor, choice: Choice, codebook_type: CodebookType | None, threads: int | None
) -> PackedWeight:
    dtype = safetensors_type(name, tensor.dtype)
    weights = finite_numbers(name, tensor)
    tensor = tensor.detach().cpu().resolve_neg()
    try:
        choice.check(tuple(tensor.shape))
        found = choice.quantize(tensor, threads)
        return PackedWeight(pack(found, dtype, codebook_type or choice.codebook_type, weights, threads))
    except FmqError as error:
        raise error.renamed(f"tensor {name!r}: {error.thing}") from error


def _listed(plan: Iterable[Planned] | None) -> list[Planned] | None:
    """The weights of a plan; None for none."""
    if plan is None:
        return None
    try:
        found = list(plan)
    except TypeError:  # a whole Plan, for one
        found = []
    if not found or not all(hasattr(one, "name") and hasattr(one, "choice") for one in found):
        raise SchemeError(
            f"plan of type {type(plan).__name__}",
            "it is no list that says of weights how they are quantized",
            "pass the tensors of a Plan, or a list of Recipe",
        )
    return found
