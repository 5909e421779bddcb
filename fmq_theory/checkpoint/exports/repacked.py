"""What an export of a quantized checkpoint wrote: the same codes and levels in a file of another format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fmq_theory.brief import brief_repr
from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.checkpoint.io.packed.index import NOT_QUANTIZED
from fmq_theory.errors import CheckpointError

__all__ = ["Held", "Progress", "Repacked", "quantized_file"]

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Held:
    """A quantized tensor in the file.

    Attributes:
        weights: how many there are.
        num_bytes: of all that is stored of it: codes in the fields of the format, tables, and scales.
    """

    weights: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Repacked:
    """What was written.

    Attributes:
        path: of the file, or of the first one.
        num_bytes: of all files.
        original_bytes: of the quantized checkpoint.
        quantized: the tensors that are codes and tables, by name.
        missing: quantized tensors of the checkpoint for which a graph had no place.
    """

    path: Path
    num_bytes: int
    original_bytes: int
    quantized: dict[str, Held]
    missing: tuple[str, ...] = ()

    __repr__ = brief_repr

    @property
    def bits_per_weight(self) -> float:
        """All that is stored of the quantized tensors, over their weights."""
        weights = sum(part.weights for part in self.quantized.values())
        return 8.0 * sum(part.num_bytes for part in self.quantized.values()) / weights


def quantized_file(path: Path | str, format_name: str) -> QuantizedFile:
    """The quantized checkpoint that is to be written in another format.

    Args:
        path: a file of ``fmq quantize``, or its folder.
        format_name: as errors call that format.

    Raises:
        CheckpointError: it is none, or damaged, or none of its tensors is quantized.
    """
    thing = f"checkpoint {str(path)!r}"
    try:
        file = QuantizedFile(path)
    except CheckpointError as error:
        if error.cause != NOT_QUANTIZED:
            raise
        raise CheckpointError(
            thing,
            NOT_QUANTIZED,
            f"quantize it first with fmq quantize; {format_name} then holds the same codes and levels",
        ) from error
    if not file.quantized:
        file.close()
        raise CheckpointError(thing, "none of its tensors is quantized", "pass a file with codes")
    return file
