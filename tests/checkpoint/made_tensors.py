"""Drawn tensors, and the safetensors files that hold them."""

from pathlib import Path

import torch
from safetensors.torch import save_file

Tensors = dict[str, torch.Tensor]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    """Standard normal weights."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def save(folder: Path, name: str, tensors: Tensors) -> Path:
    """The file ``name.safetensors`` in a folder."""
    path = folder / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return path
