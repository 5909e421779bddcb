"""What tests of audits share: a model of normal weights, and what two audits must agree on."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint.audit.result import Audit


def normal_model(path: Path, tensors: int = 5, shape: tuple[int, int] = (4, 50)) -> Path:
    """A file of so many tensors, the same at every call."""
    rng = np.random.default_rng(0)
    save_file(
        {f"w{i}": torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for i in range(tensors)}, path
    )
    return path


def without_seconds(found: Audit) -> dict[str, object]:
    """All that two audits of the same weights must agree on."""
    told = found.as_json()
    for tensor in told["tensors"]:
        del tensor["seconds"]
    return told
