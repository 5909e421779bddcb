"""A small checkpoint with every kind of tensor, and short words for recipes of it."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import write_quantized
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.checkpoint.quantized.write import WrittenCheckpoint


def mixed_state() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(3)
    return {
        "conv.weight": torch.randn(8, 16, 3, 3, generator=g),
        "conv.bias": torch.randn(8, generator=g),
        "half.weight": torch.randn(6, 40, generator=g).to(torch.bfloat16),
        "double.weight": torch.randn(6, 200, generator=g, dtype=torch.float64),
        "steps": torch.tensor(17),
        "mask": torch.tensor([True, False, True]),
        "empty": torch.empty(0, 4),
        "spectral": torch.randn(3, 4, generator=g, dtype=torch.complex64),
        "e8": torch.randn(5, 3, generator=g).to(torch.float8_e5m2),
        "nan": torch.tensor([1.0, float("nan"), -0.0]),
        "ids": torch.arange(5),
    }


def mixed_checkpoint(folder: Path) -> Path:
    save_file(mixed_state(), folder / "model.safetensors")
    return folder / "model.safetensors"


def recipe(name: str = "conv.weight", scheme: str = "lloyd_max", bits: int = 4, **more: object) -> Recipe:
    choice = Choice(scheme, bits, str(more.get("granularity", "channel")), more.get("group_size"))  # type: ignore[arg-type]
    return Recipe(name, choice)


def written(path: Path, out: Path, *recipes: Recipe, **options: object) -> WrittenCheckpoint:
    return write_quantized(path, out, recipes, **options)  # type: ignore[arg-type]
