"""A model quantized in every way that a packed file knows: what exports of packed files are tested with."""

from pathlib import Path

import torch

from fmq_theory.checkpoint import Choice, Recipe, write_quantized

RECIPES = {
    "tensor.weight": Choice("lloyd_max", 4, "tensor"),
    "channel.weight": Choice("lloyd_max", 3, "channel"),
    "group.weight": Choice("lloyd_max", 5, "group", 16),
    "odd.weight": Choice("lloyd_max", 2, "tensor"),
    "conv.weight": Choice("lloyd_max", 4, "channel"),
    "half.weight": Choice("lloyd_max", 4, "channel"),
    "bf16.weight": Choice("uniform", 8, "channel"),
    "block.weight": Choice("block:nf4", 4, "group", 32),
    "block_half.weight": Choice("block:lloyd_max:float16:signed", 4, "group", 32),
    "block_bf16.weight": Choice("block:nf4:float8_e4m3", 4, "group", 16),
    "one.weight": Choice("lloyd_max", 1, "tensor"),
}


def state() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(8)
    tied = torch.randn(12, 32, generator=g)
    return {
        "tensor.weight": tied,
        "tied.weight": tied,
        "turned.weight": tied.t(),
        "channel.weight": torch.randn(6, 35, generator=g),
        "group.weight": torch.randn(4, 48, generator=g),
        "odd.weight": torch.randn(3, 7, generator=g),
        "conv.weight": torch.randn(8, 6, 3, 3, generator=g),
        "half.weight": torch.randn(6, 40, generator=g).to(torch.float16),
        "bf16.weight": torch.randn(3, 300, generator=g).to(torch.bfloat16),
        "block.weight": torch.randn(6, 64, generator=g) * 0.02,
        "block_half.weight": (torch.randn(6, 64, generator=g) * 0.02).to(torch.float16),
        "block_bf16.weight": (torch.randn(6, 64, generator=g) * 0.02).to(torch.bfloat16),
        "one.weight": torch.randn(5, 9, generator=g),
        "norm.weight": torch.randn(6, generator=g).to(torch.bfloat16),
        "bias": torch.randn(6, generator=g),
        "steps": torch.tensor(17),
    }


def packed_model(folder: Path, **left_out: bool) -> Path:
    """The file; tensors whose names are given as false, with dots as two underscores, are left out."""
    tensors = {name: value for name, value in state().items() if left_out.get(name.replace(".", "__"), True)}
    torch.save(tensors, folder / "plain.pt")  # in which tensors can be one
    recipes = [Recipe(name, choice) for name, choice in RECIPES.items() if name in tensors]
    write_quantized(folder / "plain.pt", folder / "packed.safetensors", recipes)
    return folder / "packed.safetensors"
