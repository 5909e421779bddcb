"""Parts of a checkpoint: so many linear layers of one shape, and so many small tensors, in a file."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SMALL", "Slice"]

SMALL = (8, 64)


@dataclass(frozen=True, slots=True)
class Slice:
    """What a file holds.

    Attributes:
        layers: linear layers.
        shape: of each.
        small: tensors of the shape ``SMALL``, whose cost is that of a tensor and not of its weights.
    """

    layers: int
    shape: tuple[int, int]
    small: int = 0

    @property
    def weights(self) -> int:
        """In all of it."""
        return self.layers * self.shape[0] * self.shape[1] + self.small * SMALL[0] * SMALL[1]

    @property
    def tensors(self) -> int:
        """In all of it."""
        return self.layers + self.small

    @property
    def largest_bytes(self) -> int:
        """Of the largest tensor, in bfloat16."""
        return 2 * self.shape[0] * self.shape[1]

    def write(self, path: Path, seed: int = 0) -> Path:
        """The file, of independent normal weights in bfloat16."""
        import torch
        from safetensors.torch import save_file

        draw = torch.Generator().manual_seed(seed)
        shapes = [self.shape] * self.layers + [SMALL] * self.small
        state = {
            f"blocks.{i}.weight": (torch.randn(shape, generator=draw) / shape[1] ** 0.5).bfloat16()
            for i, shape in enumerate(shapes)
        }
        save_file(state, path)
        return path
