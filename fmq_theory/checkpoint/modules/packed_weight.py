"""A packed weight inside of a module: buffers that move with it, and the tensor that they stand for."""

import math
import sys
from collections.abc import Callable
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from fmq_theory.checkpoint.io.number_types import torch_type
from fmq_theory.checkpoint.io.packed.tensor import PackedTensor, Scales
from fmq_theory.quantizers.layout import Layout
from fmq_theory.shown import counted

__all__ = ["SUBMODULE", "PackedWeight", "decode_on_device"]

SUBMODULE = "packed_weight"
"""Name of a packed weight in its layer; in a state dict it is "weight", as in a quantized file."""


class PackedWeight(nn.Module):
    """Codes, codebook and scales as buffers: their keys are those of a quantized file.

    ``half`` and ``to(dtype)`` change the type of what ``dequantize`` gives, never the stored numbers.

    Args:
        packed: its arrays are copied.
    """

    codes: Tensor
    codebook: Tensor
    scales: Tensor | None

    def __init__(self, packed: PackedTensor) -> None:
        super().__init__()
        self._like = _without_arrays(packed)
        self._dtype = torch_type(packed.dtype)
        self.register_buffer("codes", _tensor(packed.codes))
        self.register_buffer("codebook", _tensor(packed.codebook))
        self.register_buffer("scales", None if packed.scales is None else packed.scales.numbers.clone())

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weights."""
        return self._like.layout.shape

    @property
    def num_bytes(self) -> int:
        """What the buffers take."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def dequantize(self) -> Tensor:
        """The weights, in memory of their own, on the device of the codes."""
        return _untraced(self._dequantized)

    def rows(self, index: Tensor) -> Tensor:
        """weights[index] for indices of axis 0, shape ``[len(index), ...]``; only those are dequantized."""
        return _untraced(lambda: self._rows(index))

    def _dequantized(self) -> Tensor:
        if self.codes.device.type == "cpu":
            return self._packed().dequantize().to(self._dtype)
        return decode_on_device(self._packed_off_device(), self.codes).to(self._dtype)

    def _rows(self, index: Tensor) -> Tensor:
        layout = self._like.layout
        if len(index) == 0:
            return torch.empty((0, *layout.shape[1:]), dtype=self._dtype, device=self.codes.device)
        if self.codes.device.type != "cpu" or layout.axis != 0:
            return self.dequantize()[index]
        each = self.codes.shape[0] // layout.shape[0]
        at = (index[:, None] * each + torch.arange(each)).reshape(-1)
        packed = self._packed()
        shared = packed.scales is not None
        part = PackedTensor(
            codes=_array(self.codes[at]),
            codebook=packed.codebook if shared else _array(self.codebook[at]),
            rule=packed.rule,
            scheme=packed.scheme,
            bits=packed.bits,
            layout=Layout((len(index), *layout.shape[1:]), layout.granularity, 0, layout.group_size),
            dtype=packed.dtype,
            mse=packed.mse,
            scales=Scales(cast(Scales, packed.scales).numbers[at], cast(Scales, packed.scales).unit)
            if shared
            else None,
        )
        return part.dequantize().to(self._dtype)

    def extra_repr(self) -> str:
        """What ``print(module)`` says."""
        like = self._like
        bits = counted(like.bits, "bit")
        return f"{list(like.layout.shape)}, {like.scheme}, {bits}, {like.layout.granularity}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:  # noqa: ARG002
        probe = fn(torch.empty(0, dtype=self._dtype, device=self.codes.device))
        self._dtype = probe.dtype
        for name, buffer in list(self._buffers.items()):
            if buffer is not None:
                self._buffers[name] = buffer.to(probe.device)
        return self

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        if prefix.endswith(f"{SUBMODULE}."):
            prefix = f"{prefix.removesuffix(f'{SUBMODULE}.')}weight."
        super()._save_to_state_dict(  # pyright: ignore[reportUnknownMemberType]
            destination, prefix, keep_vars
        )

    def _packed(self) -> PackedTensor:
        return self._with(_array(self.codes), _array(self.codebook))

    def _packed_off_device(self) -> PackedTensor:
        """On the CPU, but for the codes, which stay where they are."""
        return self._with(np.empty((self.codes.shape[0], 0), dtype=np.uint8), _array(self.codebook.cpu()))

    def _with(self, codes: Any, codebook: Any) -> PackedTensor:
        like = self._like
        return PackedTensor(
            codes=codes,
            codebook=codebook,
            rule=like.rule,
            scheme=like.scheme,
            bits=like.bits,
            layout=like.layout,
            dtype=like.dtype,
            mse=like.mse,
            scales=None if self.scales is None else Scales(self.scales, cast(Scales, like.scales).unit),
        )


def decode_on_device(packed: PackedTensor, codes: Tensor) -> Tensor:
    """``packed.dequantize`` with operations that every device has, of codes that lie on one.

    Args:
        packed: its own codes are not looked at.
        codes: uint8, shape ``[rows, bytes of a row]``.
    """
    device, bits = codes.device, packed.bits
    columns = math.prod(packed.layout.shape) // codes.shape[0]
    first = torch.arange(columns, device=device) * bits
    # A code of up to 8 bits lies in two bytes at most; behind the last one there is a zero.
    wide = nn.functional.pad(codes, (0, 1)).to(torch.int32)
    pair = wide[:, first // 8] | (wide[:, first // 8 + 1] << 8)
    unpacked = (pair >> (first % 8)) & (2**bits - 1)
    levels = _tensor(packed.levels()).to(device)
    rows = levels.expand(codes.shape[0], -1).gather(1, unpacked.to(torch.int64))
    layout = packed.layout
    if layout.axis is None:
        found = rows.reshape(layout.shape)
    else:
        others = layout.shape[: layout.axis] + layout.shape[layout.axis + 1 :]
        found = rows.reshape(layout.shape[layout.axis], *others).movedim(0, layout.axis).contiguous()
    return found.to(torch_type(packed.dtype))


def _untraced(work: Callable[[], Tensor]) -> Tensor:
    """What ``work`` gives; torch.compile runs it as it is, between two graphs: kernels cannot be traced."""
    if "torch._dynamo" not in sys.modules:  # to import the compiler takes seconds
        return work()
    return cast("Any", torch.compiler).disable(work)()


cast("Any", _untraced)._torchdynamo_disable = True  # the mark that torch.compiler.disable leaves


def _without_arrays(packed: PackedTensor) -> PackedTensor:
    """What is not in the buffers."""
    scales = None if packed.scales is None else Scales(torch.empty(0), packed.scales.unit)
    return PackedTensor(
        codes=np.empty((0, 0), dtype=np.uint8),
        codebook=np.empty((0, 0), dtype=np.float32),
        rule=packed.rule,
        scheme=packed.scheme,
        bits=packed.bits,
        layout=packed.layout,
        dtype=packed.dtype,
        mse=packed.mse,
        scales=scales,
    )


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array, order="C"))  # pyright: ignore[reportUnknownMemberType]


def _array(tensor: Tensor) -> Any:
    return cast("Any", tensor.detach().contiguous()).numpy()
