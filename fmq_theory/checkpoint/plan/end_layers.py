"""The first and the last layer of a network, by the names that its tensors have, and a floor for their bits.

The squared error of weights does not tell what an error in them does to the output. Nothing behind the last
layer could average its error out, and the first one hands its own to all others; both are small. So a plan
that knows no sensitivities gives them a number of bits at least.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from fmq_theory.checkpoint.plan.options import TensorOptions

__all__ = ["END_BITS", "end_layers", "raised"]

END_BITS = 4

# Parts of a dotted name, as diffusers, transformers, timm, and the published flow models call them.
_FIRST = (
    r"conv_in|in_conv|conv_first|first_conv|init_conv|input_conv|inc|stem|patch_embed|x_embedder|pos_embed_input|"
    r"in_proj|proj_in|input_proj|input_layer|embed_in|lifting|lift|fc0|first"
)
_LAST = (
    r"conv_out|out_conv|conv_last|last_conv|final_conv|output_conv|outc|final|final_layer|final_proj|"
    r"out_proj|proj_out|output_proj|output_layer|head|lm_head|to_out_final|projection|last|out|output"
)
_DEEPEST = 2
"""Parts of a name that can stand for the whole network: "blocks.3.attn.out_proj" is no last layer."""


def end_layers(names: Sequence[str]) -> list[str]:
    """The names of the first and the last layer: none, one or two of ``names``.

    By their names where these say it ("conv_in", "head"; at most two parts deep); otherwise the first and the
    last in the order of the file, or of their numbers ("net.2" before "net.10") where only numbers tell the
    names apart.

    Examples:
        >>> from fmq_theory.checkpoint.plan.end_layers import end_layers
        >>> end_layers(["blocks.0.weight", "conv_in.weight", "conv_out.weight"])
        ['conv_in.weight', 'conv_out.weight']
        >>> end_layers(["net.0.weight", "net.10.weight", "net.2.weight"])
        ['net.0.weight', 'net.10.weight']
    """
    if len(names) < 3:
        return []  # all there is would be an end
    ordered = list(names)
    if len({re.sub("[0-9]+", "#", name) for name in names}) == 1:
        ordered.sort(key=_numbers)
    first = _named(ordered, _FIRST) or ordered[0]
    last = _named(ordered[::-1], _LAST) or ordered[-1]
    return [first] if first == last else [first, last]


def raised(
    tensors: Sequence[TensorOptions], ends: Sequence[str], end_bits: int, budget_bits: float
) -> tuple[list[TensorOptions], int]:
    """The tensors, those of ``ends`` without options of fewer bits than the floor; and the floor kept.

    Args:
        tensors: with all their options.
        ends: names.
        end_bits: the floor; lowered as far as the budget asks for it.
        budget_bits: bits a weight over all tensors.
    """
    total = sum(tensor.weights for tensor in tensors)
    for floor in range(end_bits if ends else 0, 0, -1):
        held = [_without(tensor, floor) if tensor.name in ends else tensor for tensor in tensors]
        least = sum(min(option.cost for option in tensor.options) for tensor in held)
        if least <= budget_bits * total:
            return held, floor
    return list(tensors), 0


def _without(tensor: TensorOptions, floor: int) -> TensorOptions:
    kept = tuple(option for option in tensor.options if option.choice.bits >= floor)
    return replace(tensor, options=kept or tensor.options)


def _named(names: Sequence[str], parts: str) -> str | None:
    wanted = re.compile(rf"(?:{parts})")
    for name in names:
        if any(wanted.fullmatch(part) for part in name.split(".")[:_DEEPEST]):
            return name
    return None


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall("[0-9]+", name)]
