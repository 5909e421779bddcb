"""What is said of a packed tensor beside its arrays, held against every rule before it is used."""

import math
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from fmq_theory.checkpoint.io.number_types import torch_type
from fmq_theory.checkpoint.io.packed.level_rules import LEVELS, RULES
from fmq_theory.errors import CheckpointError, FmqError
from fmq_theory.kernels.codes.packing import packed_size
from fmq_theory.quantizers.layout import Layout
from fmq_theory.shown import counted

__all__ = ["CODING", "PackedConfig", "damaged"]

CODING = "zstd"
_MOST_BITS = 8
_MOST_DIMENSIONS = 64  # of numpy and torch
_MOST_WEIGHTS = 2**48
# Numbers of a codebook by its rule; None for the levels themselves.
_NUMBERS: dict[str, int | None] = {LEVELS: None, "uniform": 2, "log2": 4, "nf4": 1, "fp4": 1}

_TABLES = {"nf4": 16, "fp4": 16}  # levels of tables


def damaged(thing: str, cause: str) -> CheckpointError:
    """What to say of a tensor that cannot be what was written."""
    return CheckpointError(thing, cause, "it is corrupt: write or download it again")


@dataclass(frozen=True, slots=True)
class PackedConfig:
    """The entry of one tensor in a quantization_config.

    Attributes:
        layout: which weights share a codebook.
        dtype: of the weights, as safetensors calls it.
        scheme: name of the scheme.
        bits: of a code, 1 to 8.
        rule: how levels come of the stored numbers, a key of ``RULES``.
        mse: mean squared error, finite and >= 0.
        scale_unit: what scales are multiples of, a power of two; None without scales.
        coded: whether the codes are entropy-coded.
    """

    layout: Layout
    dtype: str
    scheme: str
    bits: int
    rule: str
    mse: float
    scale_unit: float | None
    coded: bool

    @classmethod
    def read(cls, thing: str, entry: Any) -> "PackedConfig":
        """The entry, after each of its fields was found to be possible.

        Args:
            thing: what to call the tensor in an error.
            entry: JSON values.

        Raises:
            CheckpointError: a field is missing, of another type or out of its domain.
        """
        if not isinstance(entry, dict):
            raise damaged(thing, "its entry in the quantization_config is no object")
        fields = cast("dict[str, Any]", entry)
        values = _Values(thing, fields)
        shape = values.shape()
        bits, rule = values.whole("bits"), values.text("levels")
        if not 1 <= bits <= _MOST_BITS:
            raise damaged(thing, f"it has {counted(bits, 'bit')}")
        name, _, count = rule.partition(":")
        if rule not in RULES or (name in _TABLES and 2**bits != _TABLES[name]) or int(count or 0) > 2**bits:
            raise damaged(thing, f"its levels are by {rule[:40]!r}, and it has {counted(bits, 'bit')}")
        strategy, axis, group = (
            values.text("strategy"),
            values.optional("axis"),
            values.optional("group_size"),
        )
        try:
            layout = Layout.of(shape, strategy, axis or 0, group)
            dtype = values.text("dtype")
            if not torch_type(dtype).is_floating_point:
                raise damaged(thing, f"its weights would be of type {dtype}")
        except FmqError as error:
            raise damaged(thing, f"its entry is wrong ({error.thing}: {error.cause})") from error
        if (layout.axis, layout.granularity) != (axis, strategy):
            raise damaged(thing, f"its shape {list(shape)} has no {strategy!r} along axis {axis}")
        unit = values.get("scale_unit")
        coding = fields.get("coding")
        if coding not in (None, CODING):
            raise damaged(thing, f"its codes are coded by {str(coding)[:40]!r}")
        return cls(
            layout,
            dtype,
            values.text("scheme"),
            bits,
            rule,
            values.real("mse", least=0.0),
            None if unit is None else values.power_of_two("scale_unit"),
            coding == CODING,
        )

    @property
    def num_weights(self) -> int:
        """Of the tensor."""
        return math.prod(self.layout.shape)

    @property
    def num_rows(self) -> int:
        """Rows: what has a codebook, or a scale, of its own."""
        if self.layout.granularity == "channel":
            return self.layout.shape[cast(int, self.layout.axis)]
        return self.num_weights // (self.layout.group_size or self.num_weights)

    @property
    def columns(self) -> int:
        """Weights of a row."""
        return self.num_weights // self.num_rows

    @property
    def codes_shape(self) -> tuple[int, int]:
        """Of packed codes that are not entropy-coded."""
        return self.num_rows, packed_size(self.columns, self.bits)

    @property
    def codebook_rows(self) -> int:
        """Rows of the codebook: one beside scales."""
        return self.num_rows if self.scale_unit is None else 1

    def fits_codebook(self, numbers: int) -> bool:
        """Whether a codebook may have so many numbers a row."""
        wanted = _NUMBERS.get(self.rule.partition(":")[0])
        return 1 <= numbers <= 2**self.bits if wanted is None else numbers == wanted


class _Values:
    """Fields of an entry, each of the type that it must have."""

    def __init__(self, thing: str, entry: dict[str, Any]) -> None:
        self._thing = thing
        self._entry = entry

    def get(self, key: str) -> Any:
        if key not in self._entry:
            raise damaged(self._thing, f"its entry in the quantization_config lacks {key!r}")
        return self._entry[key]

    def _wrong(self, key: str) -> NoReturn:
        raise damaged(self._thing, f"its entry has {key!r} = {str(self._entry[key])[:40]}, which cannot be")

    def text(self, key: str) -> str:
        value = self.get(key)
        return value if isinstance(value, str) else self._wrong(key)

    def whole(self, key: str) -> int:
        value = self.get(key)
        return value if type(value) is int else self._wrong(key)

    def optional(self, key: str) -> int | None:
        value = self.get(key)
        if value is None:
            return None
        return value if type(value) is int and 0 <= value <= _MOST_WEIGHTS else self._wrong(key)

    def real(self, key: str, *, least: float) -> float:
        value = self.get(key)
        if type(value) not in (int, float) or not least <= value <= 1.7976931348623157e308:
            self._wrong(key)
        return float(value)

    def power_of_two(self, key: str) -> float:
        value = self.real(key, least=math.ulp(0.0))
        return value if math.frexp(value)[0] == 0.5 else self._wrong(key)

    def shape(self) -> tuple[int, ...]:
        value = self.get("shape")
        sides = cast("list[Any]", value) if isinstance(value, list) else list[Any]()
        whole = [side for side in sides if type(side) is int and 0 < side <= _MOST_WEIGHTS]
        if not 0 < len(whole) == len(sides) <= _MOST_DIMENSIONS or math.prod(whole) > _MOST_WEIGHTS:
            self._wrong("shape")
        return tuple(whole)
