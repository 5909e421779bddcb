"""A packed weight inside of a module: buffers that move with it, and the tensor that they stand for."""

import math
from collections.abc import Callable
from typing import Any, Literal, Self, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from fmq_theory.checkpoint.io.number_types import safetensors_type, torch_type
from fmq_theory.checkpoint.io.packed.tensor import PackedTensor, Scales
from fmq_theory.checkpoint.modules.decoding import codes_at, decode_rows
from fmq_theory.checkpoint.modules.torch_levels import LevelRule
from fmq_theory.errors import SettingError
from fmq_theory.shown import counted

__all__ = ["PREFIX", "Decode", "PackedWeight", "checked_decode"]

PREFIX = "packed_"
"""Of the name of a packed weight in its layer; in a state dict it goes without, as in a quantized file."""

Decode = Literal["each_call", "once"]


def checked_decode(decode: str) -> Decode:
    """When packed weights are decoded.

    Raises:
        SettingError: there is no such time.
    """
    if decode not in get_args(Decode):
        raise SettingError(
            f"decode {decode!r}",
            "no such time",
            "choose 'each_call' (memory stays packed) or 'once' (the speed of the dense layer)",
        )
    return cast(Decode, decode)


class PackedWeight(nn.Module):
    """Codes, codebook and scales as buffers: their keys are those of a quantized file.

    ``half`` and ``to(dtype)`` change the type of what ``dequantize`` gives, never the stored numbers.

    Args:
        packed: its arrays are copied.
        decode: "each_call", or "once": the decoded weights are then kept beside the packed ones.

    Attributes:
        scheme: name of the scheme.
        mse: mean squared error of the levels, before they are cast to the weights' type.
    """

    codes: Tensor
    codebook: Tensor
    scales: Tensor | None
    scale_unit: Tensor | None
    decoded: Tensor | None

    def __init__(self, packed: PackedTensor, decode: str = "each_call") -> None:
        super().__init__()
        self._decode: Decode = checked_decode(decode)
        self._layout, self._columns = packed.layout, packed.columns
        self.scheme, self.mse = packed.scheme, packed.mse
        self._rule, numbers = LevelRule.of(packed.rule, packed.codebook, packed.bits)
        self._first_type = self._dtype = torch_type(packed.dtype)
        largest = torch.finfo(self._first_type).max
        wide = torch.float32 if numbers.dtype.itemsize <= torch.float32.itemsize else torch.float64
        self._largest = largest if largest < torch.finfo(wide).max else None
        self.register_buffer("codes", _tensor(packed.codes))
        self.register_buffer("codebook", _tensor(numbers))
        scales, unit = (None, None) if packed.scales is None else _scales_and_unit(packed.scales)
        self.register_buffer("scales", scales)
        self.register_buffer("scale_unit", unit)
        self.register_buffer("decoded", None, persistent=False)
        self._keep_decoded()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weights."""
        return self._layout.shape

    @property
    def bits(self) -> int:
        """Of a code."""
        return self._rule.bits

    @property
    def num_bytes(self) -> int:
        """What codes, codebooks and scales take; decoded weights that are kept come on top."""
        return sum(
            b.nbytes for b in (self.codes, self.codebook, self.scales, self.scale_unit) if b is not None
        )

    @property
    def effective_bits(self) -> float:
        """Bits a weight of ``num_bytes``."""
        return 8.0 * self.num_bytes / math.prod(self.shape)

    @property
    def decode(self) -> Decode:
        """When the weights are decoded: "each_call" or "once"."""
        return self._decode

    @decode.setter
    def decode(self, when: str) -> None:
        self._decode = checked_decode(when)
        self._keep_decoded()

    def dequantize(self) -> Tensor:
        """The weights, on the device of the codes; those that are kept, where they are decoded once."""
        if self.decoded is not None:
            return self.decoded
        rows = self._cast(decode_rows(self.codes, self.codebook, self._factors(), self._rule, self._columns))
        layout = self._layout
        if layout.axis in (None, 0):
            return rows.reshape(layout.shape)
        others = layout.shape[: layout.axis] + layout.shape[layout.axis + 1 :]
        return rows.reshape(layout.shape[layout.axis], *others).movedim(0, layout.axis).contiguous()

    def rows(self, index: Tensor) -> Tensor:
        """weights[index] for indices of axis 0, shape ``[len(index), ...]``; only those are dequantized.

        Args:
            index: int64, one-dimensional, each from 0 to below the size of axis 0.
        """
        layout = self._layout
        if self.decoded is not None or layout.axis not in (None, 0):
            return self.dequantize()[index]
        shape = (index.shape[0], *layout.shape[1:])
        if layout.axis is None:
            size = math.prod(layout.shape[1:])
            at = (index.unsqueeze(1) * size + torch.arange(size, device=index.device)).reshape(-1)
            unpacked = codes_at(self.codes[0], at * self.bits, self.bits).to(torch.int64)
            return self._cast(self._rule.levels(self.codebook)[0][unpacked]).reshape(shape)
        each = self.codes.shape[0] // layout.shape[0]
        at = (index.unsqueeze(1) * each + torch.arange(each, device=index.device)).reshape(-1)
        numbers = self.codebook[at] if self.scales is None else self.codebook
        decoded = decode_rows(self.codes[at], numbers, self._factors(at), self._rule, self._columns)
        return self._cast(decoded).reshape(shape)

    def packed(self) -> PackedTensor:
        """The weights as a file holds them; their type is the narrower one of those that they had."""
        wider = torch.finfo(self._dtype).bits > torch.finfo(self._first_type).bits
        dtype = self._first_type if wider else self._dtype
        scales = None
        if self.scales is not None:
            scales = Scales(self.scales.detach().cpu().clone(), float(cast(Tensor, self.scale_unit)))
        return PackedTensor(
            codes=_array(self.codes),
            codebook=_array(self.codebook),
            rule=self._rule.name,
            scheme=self.scheme,
            bits=self.bits,
            layout=self._layout,
            dtype=safetensors_type("weight", dtype),
            mse=self.mse,
            scales=scales,
        )

    def extra_repr(self) -> str:
        """What ``print(module)`` says."""
        bits = counted(self.bits, "bit")
        once = ", decoded once" if self._decode == "once" else ""
        return f"{list(self.shape)}, {self.scheme}, {bits}, {self._layout.granularity}{once}"

    def _factors(self, rows: Tensor | None = None) -> Tensor | None:
        if self.scales is None:
            return None
        chosen = self.scales if rows is None else self.scales[rows]
        return chosen.to(torch.float32) * cast(Tensor, self.scale_unit)

    def _cast(self, decoded: Tensor) -> Tensor:
        """In the weights' type, whose largest number a clipped range or a rounded scale may pass."""
        if self._largest is not None:
            decoded = torch.clamp(decoded, -self._largest, self._largest)
        return decoded.to(self._first_type).to(self._dtype)

    def _keep_decoded(self) -> None:
        self.decoded = None
        if self._decode == "once":
            with torch.no_grad():
                self.decoded = self.dequantize()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:  # noqa: ARG002
        self._dtype = fn(torch.empty(0, dtype=self._dtype, device=self.codes.device)).dtype
        self.decoded = None
        for name, buffer in list(self._buffers.items()):
            if buffer is not None:
                found = fn(buffer)
                self._buffers[name] = found if found.dtype == buffer.dtype else buffer.to(found.device)
        if self.codes.device.type == "meta":
            return self
        self._keep_decoded()
        return self

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        parent, dot, own = prefix.removesuffix(".").rpartition(".")
        if own.startswith(PREFIX):
            prefix = f"{parent}{dot}{own.removeprefix(PREFIX)}."
        super()._save_to_state_dict(  # pyright: ignore[reportUnknownMemberType]
            destination, prefix, keep_vars
        )

    def _load_from_state_dict(self, *args: Any, **named: Any) -> None:
        super()._load_from_state_dict(*args, **named)  # pyright: ignore[reportUnknownMemberType]
        self._keep_decoded()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        buffers = {**self._buffers, "decoded": None}  # what codes say is not said twice
        if self.scales is not None and self.scales.dtype.itemsize == 1:  # which pickle does not restore
            buffers["scales"] = self.scales.view(torch.uint8)
        return {
            **state,
            "_buffers": buffers,
            "_scale_type": None if self.scales is None else self.scales.dtype,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        scale_type = state.pop("_scale_type")
        super().__setstate__(state)  # pyright: ignore[reportUnknownMemberType]
        if self.scales is not None and self.scales.dtype != scale_type:
            self.scales = self.scales.view(scale_type)
        self._keep_decoded()


def _scales_and_unit(scales: Scales) -> tuple[Tensor, Tensor]:
    """Scales whose product with the unit float32 gives to the bit: any, but for units beyond its range."""
    numbers, unit = scales.numbers.detach().cpu().clone(), torch.tensor(scales.unit, dtype=torch.float32)
    values = scales.values()[:, 0]
    if np.array_equal(_array(numbers.to(torch.float32) * unit), values):
        return numbers, unit
    return _tensor(values), torch.ones(())


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array, order="C"))  # pyright: ignore[reportUnknownMemberType]


def _array(tensor: Tensor) -> Any:
    return np.array(cast("Any", tensor.detach().cpu().contiguous()).numpy())
