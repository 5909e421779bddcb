"""One quantized tensor in the form in which it is stored, in a file or in memory."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.number_types import torch_type
from fmq_theory.checkpoint.io.packed.config import PackedConfig, damaged
from fmq_theory.checkpoint.io.packed.entropy_coding import decompress_codes
from fmq_theory.checkpoint.io.packed.level_rules import LEVELS, levels_of, stored_numbers
from fmq_theory.counts import checked_threads
from fmq_theory.errors import WeightsError
from fmq_theory.kernels.codes.decode import decode_packed
from fmq_theory.kernels.codes.packing import pack_codes, unpack_codes
from fmq_theory.kernels.squared_error import mean_of, scaled_squared_errors
from fmq_theory.quantizers import QuantizedTensor
from fmq_theory.quantizers.block_scaled import BlockQuantized
from fmq_theory.quantizers.layout import Layout

__all__ = ["CodebookType", "PackedTensor", "Scales", "pack"]

CodebookType = Literal["float16", "float32"]

Reals = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """A factor for each group of weights, on one shared codebook.

    Attributes:
        numbers: float32, float16 or float8_e4m3fn, shape ``[groups]``.
        unit: what they are multiples of: scale = number * unit, exactly.
    """

    numbers: torch.Tensor
    unit: float

    def values(self) -> NDArray[np.float32]:
        """The scales, float32, shape ``[groups, 1]``."""
        exact = cast("Any", self.numbers.detach().cpu().to(torch.float64) * self.unit)
        return exact.to(torch.float32).numpy()[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class PackedTensor:
    """Packed codes, and the numbers that the levels are rebuilt from.

    Attributes:
        codes: see ``kernels/codes/packing.py``; uint8, shape ``[rows, bytes of a row]``. A row is what has a
            codebook, or a scale, of its own.
        codebook: shape ``[rows, N]``, ``[1, N]`` beside scales: the levels, or what the rule needs; float16,
            float32 or float64.
        rule: how levels come of it, a key of ``RULES``.
        scheme: name of the scheme.
        bits: of a code.
        layout: which weights share a codebook.
        dtype: of the weights, as safetensors calls it.
        mse: mean squared error of the levels as stored, before they are cast to that type.
        scales: of the rows, with granularity "group"; else None.
    """

    codes: NDArray[np.uint8]
    codebook: Reals
    rule: str
    scheme: str
    bits: int
    layout: Layout
    dtype: str
    mse: float
    scales: Scales | None = None

    @property
    def columns(self) -> int:
        """Weights of a row."""
        return math.prod(self.layout.shape) // self.codes.shape[0]

    @property
    def num_bytes(self) -> int:
        """What it takes, in the file as in memory."""
        scales = 0 if self.scales is None else self.scales.numbers.nbytes
        return self.codes.nbytes + self.codebook.nbytes + scales

    @property
    def effective_bits(self) -> float:
        """Bits a weight of all that is stored, bytes of a row that are not full included."""
        return 8.0 * self.num_bytes / math.prod(self.layout.shape)

    def levels(self) -> Reals:
        """The levels of each row, shape ``[rows, 2**bits]``; float32, or float64 if stored so.

        None is beyond the largest number of the weights' type, which a clipped range or a rounded scale may
        pass: in that type it would be infinite.
        """
        levels = self.unscaled_levels()
        # Rounded to the levels' type, as each weight's product would be.
        levels = levels if self.scales is None else levels * self.scales.values()
        largest = torch.finfo(torch_type(self.dtype)).max
        return levels if largest >= float(np.finfo(levels.dtype).max) else np.clip(levels, -largest, largest)

    def unscaled_levels(self) -> Reals:
        """The levels before they meet their scales, shape ``[1, 2**bits]`` beside scales; never clipped."""
        narrow = np.float32 if self.codebook.dtype.itemsize <= 4 else np.float64
        numbers = self.codebook.astype(narrow, copy=False)
        return np.ascontiguousarray(levels_of(self.rule, numbers, self.bits, np.dtype(narrow)))

    def unpacked_codes(self) -> NDArray[np.uint8]:
        """One code a weight, of the weights' shape."""
        return self.layout.restore(unpack_codes(self.codes, self.bits, self.columns, checked_threads(None)))

    def dequantize(self, threads: int | None = None) -> torch.Tensor:
        """The level of each weight in the weights' type and shape, contiguous."""
        threads = checked_threads(threads)
        rows = decode_packed(self.codes, self.bits, self.columns, self.levels(), threads)
        return as_torch(self.layout.restore(rows), self.dtype)

    def config(self) -> dict[str, Any]:
        """What must be known besides the two arrays, as JSON values."""
        return {
            "shape": list(self.layout.shape),
            "dtype": self.dtype,
            "scheme": self.scheme,
            "bits": self.bits,
            "strategy": self.layout.granularity,
            "axis": self.layout.axis,
            "group_size": self.layout.group_size,
            "levels": self.rule,
            "mse": self.mse,
            "effective_bits": self.effective_bits,
            "scale_unit": None if self.scales is None else self.scales.unit,
        }

    @classmethod
    def from_config(
        cls,
        thing: str,
        config: Any,
        codes: NDArray[np.uint8],
        codebook: Reals,
        scales: torch.Tensor | None = None,
    ) -> "PackedTensor":
        """The tensor of ``config`` and its arrays, after they were held against each other.

        Args:
            thing: what to call it in an error.
            config: what ``config`` gave.
            codes: as stored.
            codebook: as stored.
            scales: as stored, if there are any.

        Raises:
            CheckpointError: a field is missing or wrong, or an array does not fit.
        """
        return cls._of(thing, PackedConfig.read(thing, config), codes, codebook, scales)

    @classmethod
    def from_coded(
        cls,
        thing: str,
        config: Any,
        data: NDArray[np.uint8],
        codebook: Reals,
        scales: torch.Tensor | None = None,
    ) -> "PackedTensor":
        """``from_config`` where the codes are entropy-coded.

        Raises:
            CheckpointError: see ``from_config`` and ``decompress_codes``.
        """
        said = PackedConfig.read(thing, config)
        codes = decompress_codes(data, said.bits, said.num_rows, said.columns, thing)
        return cls._of(thing, said, codes, codebook, scales)

    @classmethod
    def _of(
        cls,
        thing: str,
        said: PackedConfig,
        codes: NDArray[np.uint8],
        codebook: Reals,
        scales: torch.Tensor | None,
    ) -> "PackedTensor":
        if (scales is None) != (said.scale_unit is None):
            raise damaged(thing, "it has scales without a unit, or a unit without scales")
        if codes.shape != said.codes_shape:
            raise damaged(thing, f"its codes have shape {codes.shape}, which does not fit")
        numbers = codebook.shape[1] if codebook.ndim == 2 else 0
        if codebook.shape[:1] != (said.codebook_rows,) or not said.fits_codebook(numbers):
            raise damaged(thing, f"its codebook has shape {codebook.shape}, which does not fit")
        if not np.isfinite(codebook).all():
            raise damaged(thing, "its codebook holds nan or inf")
        scaled = None if scales is None else Scales(scales, cast(float, said.scale_unit))
        if scaled is not None and scaled.numbers.shape != (said.num_rows,):
            raise damaged(thing, f"its scales have shape {tuple(scaled.numbers.shape)}")
        if scaled is not None and not np.isfinite(scaled.values()).all():
            raise damaged(thing, "its scales hold nan or inf")
        return cls(
            codes, codebook, said.rule, said.scheme, said.bits, said.layout, said.dtype, said.mse, scaled
        )


def pack(
    quantized: QuantizedTensor | BlockQuantized,
    dtype: str,
    codebook_type: CodebookType | None = None,
    weights: NDArray[Any] | None = None,
    threads: int | None = None,
) -> PackedTensor:
    """A quantized tensor as it is stored.

    Args:
        quantized: what ``quantize`` or ``quantize_blocks`` gave.
        dtype: of the weights, as safetensors calls it.
        codebook_type: of the stored numbers; None for that of the codebooks, which loses nothing. Scales have
            the type of their scheme.
        weights: what was quantized, for the error where the stored levels are not quite those.
        threads: at most so many.

    Raises:
        WeightsError: a level is too large for the type.
    """
    threads = checked_threads(threads)
    if isinstance(quantized, BlockQuantized):
        levels, used = quantized.levels[np.newaxis], np.array([quantized.num_levels_used])
        rule, numbers, scales = LEVELS, levels[:, : quantized.num_levels_used], _scales(quantized)
    else:
        levels, used = quantized.codebooks, quantized.num_levels_used
        rule, numbers = stored_numbers(quantized.scheme, levels, used, quantized.bits)
        scales = None
    if codebook_type is not None:
        numbers = _narrowed(numbers, codebook_type)
    layout = quantized.layout
    rows = np.ascontiguousarray(layout.rows(quantized.codes))
    packed = PackedTensor(
        codes=pack_codes(rows, quantized.bits, threads),
        codebook=np.ascontiguousarray(numbers),
        rule=rule,
        scheme=quantized.scheme,
        bits=quantized.bits,
        layout=layout,
        dtype=dtype,
        mse=quantized.mse,
        scales=scales,
    )
    stored = packed.levels()
    meant = levels if scales is None else levels * scales.values()
    in_use = cast("NDArray[np.bool_]", np.arange(levels.shape[1]) < used[:, None])
    if weights is None or bool(np.all((stored[:, : levels.shape[1]] == meant) | ~in_use)):
        return packed
    values = np.ascontiguousarray(layout.rows(_measurable(weights)))
    errors = scaled_squared_errors(values, rows, stored.astype(np.float64), None, threads)
    return replace(packed, mse=mean_of(errors.total(), rows.size))


def _measurable(weights: NDArray[Any]) -> NDArray[np.floating]:
    """The weights, exactly, in one of the two types that the kernels are compiled for."""
    return weights.astype(np.float64 if weights.dtype.itemsize == 8 else np.float32, copy=False)


def _narrowed(numbers: Reals, codebook_type: CodebookType) -> Reals:
    """The numbers in a type that holds their magnitudes; a single row may vanish, but not the tensor."""
    with np.errstate(over="ignore"):
        narrow = numbers.astype(codebook_type)
    largest, limits = float(np.abs(numbers).max()), np.finfo(codebook_type)
    # Below the smallest normal number digits are lost, and then all of them.
    small = 0.0 < largest < float(limits.tiny) and not np.array_equal(narrow, numbers)
    if small or not np.isfinite(narrow).all():
        cause = f"is below {float(limits.tiny):.2g}, where {codebook_type} loses digits"
        raise WeightsError(
            "weights",
            f"their largest level in magnitude, {largest:.3g}, "
            + (cause if small else f"exceeds {codebook_type}"),
            "leave out the type of the codebooks, or name a wider one",
        )
    return narrow


def _scales(quantized: BlockQuantized) -> Scales:
    exact = torch.from_numpy(quantized.scales.astype(np.float64) / quantized.unit)  # pyright: ignore[reportUnknownMemberType]
    return Scales(exact.to(_SCALE_TYPES[quantized.block.scale_type]), quantized.unit)


# What BlockScheme calls them.
_SCALE_TYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "float8_e4m3": torch.float8_e4m3fn,
}


def as_torch(array: Reals, dtype: str) -> torch.Tensor:
    """A torch tensor of that safetensors type, contiguous, of its own memory or that of ``array``."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))  # pyright: ignore[reportUnknownMemberType]
    return tensor.to(torch_type(dtype))
