"""Two small networks of diffusers with the weights that they begin with: a U-Net and a transformer (DiT)."""

import importlib
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["MODELS"]


def _unet(diffusers: Any) -> torch.nn.Module:
    return diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
    )


def _dit(diffusers: Any) -> torch.nn.Module:
    return diffusers.DiTTransformer2DModel(
        num_attention_heads=4,
        attention_head_dim=32,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        sample_size=16,
        patch_size=2,
        num_embeds_ada_norm=10,
    )


def _seeded(make: Callable[[Any], torch.nn.Module]) -> Callable[[], torch.nn.Module]:
    def build() -> torch.nn.Module:
        torch.manual_seed(0)
        return make(importlib.import_module("diffusers"))

    return build


MODELS: dict[str, Callable[[], torch.nn.Module]] = {"unet2d": _seeded(_unet), "dit": _seeded(_dit)}
"""Builders by name; they need the package diffusers."""
