"""Safetensors files and shard indices, made by program."""

import json
import struct
from pathlib import Path

import torch
from safetensors.torch import save

__all__ = ["index", "safetensors", "state", "with_header"]


def state() -> dict[str, torch.Tensor]:
    """A small state dict of several types."""
    drawn = torch.Generator().manual_seed(1)
    return {
        "layer.weight": torch.randn(3, 4, generator=drawn),
        "layer.bias": torch.randn(4, generator=drawn).bfloat16(),
        "count": torch.tensor(7),
        "none": torch.zeros(0, 2),
        "eight": torch.randn(4, generator=drawn).to(torch.float8_e4m3fn),
    }


def safetensors() -> bytes:
    """The file of ``state``."""
    return save(state(), {"format": "pt"})


def with_header(header: object, body: bytes) -> bytes:
    """A file of any header, given as JSON values or as bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def index(folder: Path) -> bytes:
    """Writes two shards of ``state`` into a folder; the index that goes with them."""
    names = list(state())
    shards = {"one.safetensors": names[:2], "two.safetensors": names[2:]}
    for shard, part in shards.items():
        (folder / shard).write_bytes(save({name: state()[name] for name in part}))
    weight_map = {name: shard for shard, part in shards.items() for name in part}
    return json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}).encode()
