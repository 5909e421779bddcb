"""A velocity field with quantized weights, and how far they are from the original ones."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

import torch
from torch import Tensor

from fmq_theory.brief import brief_repr
from fmq_theory.errors import FlowError, SchemeError, WeightsError
from fmq_theory.flow.field import VelocityField
from fmq_theory.quantizers import Scheme, get_scheme, quantize

__all__ = ["Include", "QuantizedField", "has_channels", "quantize_field"]

Include = Callable[[str, Tensor], bool]
"""``include(name, weights)``: whether a tensor is quantized."""

AnyField = TypeVar("AnyField", bound=VelocityField)


def has_channels(name: str, weights: Tensor) -> bool:
    """Real tensors with two or more dimensions: no biases, no scales of norms."""
    del name
    return weights.ndim >= 2 and weights.is_floating_point()


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedField(Generic[AnyField]):
    """A field with quantized weights.

    Attributes:
        field: the same field with the quantized weights in place of the others.
        scheme: name of the scheme.
        bits: per code.
        effective_bits: bits a quantized weight, with the codebooks; what was not quantized is not counted.
        weight_error: ||theta_q - theta||^2 of each quantized tensor, as the field uses it.
        num_weights: how many numbers were quantized.
        num_lossless: how many of them lie in channels of at most 2**bits weights, where some
            codebook loses nothing, so that they say nothing about the scheme.
    """

    field: AnyField
    scheme: str
    bits: int
    effective_bits: float
    weight_error: Mapping[str, float]
    num_weights: int
    num_lossless: int

    __repr__ = brief_repr

    @property
    def mse(self) -> float:
        """||theta_q - theta||^2 over the number of quantized weights."""
        return math.fsum(self.weight_error.values()) / self.num_weights

    @property
    def weight_error_norm(self) -> float:
        """||theta_q - theta||."""
        return math.sqrt(math.fsum(self.weight_error.values()))


def quantize_field(
    field: AnyField,
    scheme: str | Scheme,
    bits: int,
    granularity: str = "channel",
    include: Include = has_channels,
    *,
    group_size: int | None = None,
) -> QuantizedField[AnyField]:
    """Quantize the weights of a field, tensor by tensor, channels along axis 0.

    Args:
        field: what to quantize; it stays as it is.
        scheme: a name ``get_scheme`` knows, or a Scheme.
        bits: 1 to 8.
        granularity: "tensor", "channel" or "group".
        include: which tensors; by default the real ones with two or more dimensions.
        group_size: for granularity "group".

    Raises:
        FlowError: ``include`` takes no tensor.
        WeightsError: a tensor holds nan or inf, or groups do not fit; the message names the tensor.
        SchemeError: an unknown scheme, or one without a codebook of that size.

    Examples:
        >>> import torch
        >>> from fmq_theory.flow import load_digits, quantize_field
        >>> model = load_digits()
        >>> field = model.field(2, torch.Generator().manual_seed(0))
        >>> quantized = quantize_field(field, "lloyd_max", 4)
        >>> round(quantized.effective_bits, 2)  # codebooks counted: the channels of this network are short
        6.04
    """
    scheme = get_scheme(scheme)
    chosen = {name: weights for name, weights in field.parameters.items() if include(name, weights)}
    if not chosen:
        raise FlowError(
            f"the field's {len(field.parameters)} tensors",
            "none of them is to be quantized",
            "pass include=lambda name, weights: True, or name some",
        )
    replaced: dict[str, Tensor] = {}
    errors: dict[str, float] = {}
    bits_used: list[float] = []
    lossless = 0
    for name, weights in chosen.items():
        try:
            quantized = quantize(weights, scheme, bits, granularity, group_size=group_size)
        except (WeightsError, SchemeError) as error:
            raise error.renamed(f"tensor {name!r}: {error.thing}") from error
        decoded = torch.as_tensor(quantized.dequantize()).to(weights)
        replaced[name] = decoded
        errors[name] = float((decoded.double() - weights.double()).square().sum())
        bits_used.append(quantized.effective_bits * weights.numel())
        share = int(quantized.lossless_by_construction.sum()) / len(quantized.lossless_by_construction)
        lossless += round(share * weights.numel())
    num_weights = sum(weights.numel() for weights in chosen.values())
    return QuantizedField(
        field=field.with_parameters(replaced),
        scheme=scheme.name,
        bits=bits,
        effective_bits=math.fsum(bits_used) / num_weights,
        weight_error=MappingProxyType(errors),
        num_weights=num_weights,
        num_lossless=lossless,
    )
