"""The weights that are quantized: two laws, in the type and shape a case asks for."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAWS", "Dataset", "Law"]

Law = Literal["gaussian", "student-t"]
LAWS: dict[Law, str] = {"gaussian": "N(0, 1)", "student-t": "Student-t(3)"}

# Numbers drawn at once: little enough not to raise the high-water mark of memory.
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Dataset:
    """Independent draws.

    Attributes:
        law: key of ``LAWS``.
        shape: of the tensor.
        kind: float32; "bfloat16" is a torch tensor, "float16" numpy's; "pair" is a tuple of two
            independent float32 samples of that shape.
        seed: of the generator.
    """

    law: Law
    shape: tuple[int, ...]
    kind: Literal["float32", "bfloat16", "float16", "pair"] = "float32"
    seed: int = 0

    def make(self) -> Any:
        """The data."""
        first = draw(self.law, self.shape, self.seed)
        if self.kind == "pair":
            return first, draw(self.law, self.shape, self.seed + 1)
        if self.kind == "float16":
            return first.astype(np.float16)
        if self.kind == "bfloat16":
            import torch

            return torch.from_numpy(first).bfloat16()
        return first

    def tiny(self) -> Any:
        """A few numbers of the same type, for a first call that compiles or loads."""
        shape = tuple(min(length, 100) for length in self.shape)
        return Dataset(self.law, shape if len(shape) > 1 else (2000,), self.kind, self.seed + 7).make()

    @property
    def size(self) -> int:
        """How many numbers (of one sample)."""
        return int(np.prod(self.shape))


def draw(law: Law, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Independent float32 numbers."""
    rng = np.random.default_rng(seed)
    values = np.empty(int(np.prod(shape)), dtype=np.float32)
    for start in range(0, values.size, _CHUNK):
        part = values[start : start + _CHUNK]
        part[:] = rng.standard_normal(part.size) if law == "gaussian" else rng.standard_t(3.0, part.size)
    return values.reshape(shape)
