"""How a tensor is quantized: the one answer that recipes, plans and options hold, checked when it is made."""

import math
from dataclasses import asdict, dataclass
from typing import Any, get_args

import torch

from fmq_theory.brief import brief_repr
from fmq_theory.checkpoint.io.packed.tensor import CodebookType
from fmq_theory.counts import whole_number
from fmq_theory.errors import SchemeError, Way
from fmq_theory.quantizers import QuantizedTensor, get_scheme, quantize
from fmq_theory.quantizers.block_scaled import BlockQuantized, BlockScheme, quantize_blocks
from fmq_theory.quantizers.layout import Layout
from fmq_theory.quantizers.tensor import checked_bits
from fmq_theory.shown import counted

__all__ = ["Choice"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A scheme and what it is applied to.

    Attributes:
        scheme: a name that ``get_scheme`` knows, or "block:..." as ``BlockScheme.parse`` reads it.
        bits: of a code, 1 to 8.
        granularity: "tensor", "channel" (axis 0) or "group"; a block scheme goes with "group".
        group_size: consecutive weights of a channel that share a codebook; None but for "group".
        codebook_type: of the stored levels, ends and table scales; None for the one that loses nothing.

    Raises:
        SchemeError: an unknown scheme, or one without a codebook of 2**bits levels; a granularity, a group
            size or a type that there is not, or that do not go together.

    Examples:
        >>> from fmq_theory import checkpoint
        >>> str(checkpoint.Choice("nf4", 4, "group", 64))
        'nf4, 4 bits, group 64'
    """

    scheme: str = "lloyd_max"
    bits: int = 4
    granularity: str = "channel"
    group_size: int | None = None
    codebook_type: CodebookType | None = None
    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if not isinstance(self.scheme, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise SchemeError(f"scheme {self.scheme!r}", "it is no name", "pass for example 'lloyd_max'")
        bits = checked_bits(self.bits)
        block = self.block
        get_scheme(self.scheme if block is None else block.scheme)._checked(2**bits)  # pyright: ignore[reportPrivateUsage]
        if block is not None and self.granularity != "group":
            raise SchemeError(
                f"scheme {self.scheme!r}",
                "it scales groups",
                ("pass ", Way("groups", "granularity='group' and group_size=64")),
            )
        Layout.of((1, whole_number(self.group_size) or 1), self.granularity, 0, self.group_size)
        if self.codebook_type not in (None, *get_args(CodebookType)):
            raise SchemeError(
                f"codebook_type {self.codebook_type!r}",
                "no such type",
                f"choose one of {', '.join(get_args(CodebookType))}, or None",
            )

    def __str__(self) -> str:
        group = "" if self.group_size is None else f" {self.group_size}"
        return f"{self.scheme}, {counted(self.bits, 'bit')}, {self.granularity}{group}"

    @property
    def block(self) -> BlockScheme | None:
        """What is done where each group has a scale; None where each row has a codebook."""
        return BlockScheme.parse(self.scheme)

    @property
    def by_channel(self) -> "Choice":
        """The same scheme with a codebook a channel; of a block scheme, that of its codebook."""
        scheme = self.scheme if self.block is None else self.block.scheme
        return Choice(scheme, self.bits, "channel", None, self.codebook_type)

    def as_json(self) -> dict[str, Any]:
        """Scheme, bits, granularity and group size: what documents say of it."""
        return {name: value for name, value in asdict(self).items() if name != "codebook_type"}

    def check(self, shape: tuple[int, ...]) -> None:
        """Whether a tensor of that shape can be quantized so.

        Args:
            shape: sizes of the tensor; axis 0 are its channels.

        Raises:
            WeightsError: groups do not divide its channels.
        """
        Layout.of(shape, self.granularity, 0, self.group_size)

    def saves(self, shape: tuple[int, ...], width: int) -> bool:
        """Whether codes and codebooks take fewer bytes than weights of ``width`` bytes each.

        With few weights a codebook they do not.

        Args:
            shape: of the tensor.
            width: bytes of one of its numbers.
        """
        if self.block is not None:
            return True
        rows = shape[0] if self.granularity == "channel" else 1
        columns = self.group_size or math.prod(shape) // rows
        numbers = min(get_scheme(self.scheme).codebook_overhead(2**self.bits), columns)
        return (columns * self.bits + 7) // 8 + numbers * (8 if width == 8 else 4) < columns * width

    def quantize(self, tensor: torch.Tensor, threads: int | None = None) -> QuantizedTensor | BlockQuantized:
        """The tensor, quantized.

        Args:
            tensor: of real numbers.
            threads: at most so many at once; None for FMQ_THREADS, or all CPUs. No result depends on it.

        Raises:
            FmqError: see ``quantizers.quantize`` and ``quantize_blocks``.
        """
        if self.block is not None:
            size = self.group_size or 0
            return quantize_blocks(tensor, self.scheme, self.bits, group_size=size, threads=threads)
        return quantize(
            tensor, self.scheme, self.bits, self.granularity, group_size=self.group_size, threads=threads
        )
