"""Which numbers of a network the published scripts quantize: every floating point tensor of the checkpoint.

Their scripts go through the state dict, so vectors (biases, scales of norms) and running statistics are
quantized as well; a tensor of fewer than two dimensions has one codebook. The OT, PWL and log2 scripts
return a tensor with fewer than 2^b numbers as it is, the uniform one does not. Schemes that are not among
theirs follow the rule of OT.
"""

import math
from dataclasses import replace
from types import MappingProxyType
from typing import get_args

import torch
from torch import Tensor

from fmq_theory.errors import SchemeError, WeightsError
from fmq_theory.flow.field import TorchField
from fmq_theory.flow.quantized_field import QuantizedField, quantize_field
from fmq_theory.quantizers import Scheme, get_scheme, quantize
from fmq_theory.quantizers.published_rules import PublishedRule

__all__ = ["PROTOCOLS", "quantize_by_protocol", "quantize_published", "script_leaves"]

PROTOCOLS = ("weights", "published")
"""Tensors of two and more dimensions under every scheme alike; or what the published scripts do."""
_TAKES_ALL = "uniform"


def script_leaves(scheme: str, numbers: int, bits: int) -> bool:
    """Whether the published script of ``scheme`` returns a tensor of so many numbers as it is.

    Args:
        scheme: name; "uniform" takes every tensor.
        numbers: how many the tensor holds.
        bits: b; the others leave a tensor with fewer than 2^b numbers.
    """
    return scheme != _TAKES_ALL and numbers < 2**bits


def quantize_by_protocol(
    field: TorchField, scheme: str, bits: int, protocol: str = "weights", granularity: str = "channel"
) -> QuantizedField[TorchField]:
    """The field under a scheme, by one of ``PROTOCOLS``.

    Args:
        field: what to quantize; it stays as it is.
        scheme: a name that ``get_scheme`` knows.
        bits: 1 to 8.
        protocol: "weights" or "published".
        granularity: "channel" or "tensor"; the published scripts are by channel.

    Raises:
        FlowError, WeightsError, SchemeError: as ``quantize_field`` raises.
    """
    if protocol == "published":
        return quantize_published(field, scheme, bits)
    return quantize_field(field, scheme, bits, granularity)


def quantize_published(field: TorchField, scheme: str | Scheme, bits: int) -> QuantizedField[TorchField]:
    """The field with all tensors quantized that the published script of the scheme would quantize.

    Args:
        field: what to quantize; it stays as it is.
        scheme: a name that ``get_scheme`` knows, or a Scheme. "uniform", "equal_mass", "pwl" and "log2" stand
            for the published rules.
        bits: 1 to 8.

    Raises:
        WeightsError: a tensor holds nan or inf; the message names it.
        SchemeError: an unknown scheme, or one without a codebook of that size.

    Reference:
        Quantizer scripts of arXiv:2511.11418, in the authors' public repository; theory section 0.
    """
    scheme = get_scheme(scheme)
    name_of = scheme.name.removeprefix("published:")
    rule = get_scheme(f"published:{name_of}") if name_of in get_args(PublishedRule) else scheme
    tensors = {**field.parameters, **field.buffers}
    changed: dict[str, Tensor] = {}
    errors: dict[str, float] = {}
    bits_used: list[float] = []
    lossless = 0
    for name, weights in tensors.items():
        if not weights.is_floating_point() or script_leaves(name_of, weights.numel(), bits):
            continue
        try:
            quantized = quantize(weights, rule, bits)
        except (WeightsError, SchemeError) as error:
            raise error.renamed(f"tensor {name!r}: {error.thing}") from error
        changed[name] = torch.as_tensor(quantized.dequantize()).to(weights)
        errors[name] = float((changed[name].double() - weights.double()).square().sum())
        bits_used.append(quantized.effective_bits * weights.numel())
        share = int(quantized.lossless_by_construction.sum()) / len(quantized.lossless_by_construction)
        lossless += round(share * weights.numel())
    num_weights = sum(tensors[name].numel() for name in changed)
    made = replace(
        field,
        parameters=MappingProxyType({k: changed.get(k, v) for k, v in field.parameters.items()}),
        buffers=MappingProxyType({k: changed.get(k, v) for k, v in field.buffers.items()}),
    )
    return QuantizedField(
        field=made,
        scheme=rule.name,
        bits=bits,
        effective_bits=math.fsum(bits_used) / max(1, num_weights),
        weight_error=MappingProxyType(errors),
        num_weights=max(1, num_weights),
        num_lossless=lossless,
    )
