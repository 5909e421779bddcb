"""A sharded gigabyte: the memory of its largest tensor, not of the file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

SHARDS, SIDE = 4, 4096

_AUDIT = """
import json, sys
from experiments.benchmark.memory import peak_resident_bytes
from fmq_theory.checkpoint.audit import audit
found = audit(sys.argv[1], schemes=json.loads(sys.argv[2]))
peak, totals = peak_resident_bytes(), found.totals
print(json.dumps({"peak": peak, "weights": totals.weights, "cells": len(totals.cells)}))
"""


def _gigabyte(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    weight_map: dict[str, str] = {}
    for shard in range(SHARDS):
        state: dict[str, torch.Tensor] = {}
        for part in "abcd":
            block = rng.standard_t(6, size=(SIDE // 8, SIDE)).astype(np.float32)
            # Rows of all scales; drawing each weight anew would take longer than the audit.
            scale = np.exp(rng.normal(size=(8, 1, 1))).astype(np.float32)
            state[f"blocks.{shard}.{part}.weight"] = torch.from_numpy((scale * block).reshape(SIDE, SIDE))
        name = f"model-{shard + 1:05d}-of-{SHARDS:05d}.safetensors"
        save_file(state, folder / name)
        weight_map.update(dict.fromkeys(state, name))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


# Lloyd-Max and the search for a range take minutes, and no more memory.
SCHEMES = ("uniform", "equal_mass", "pwl", "log2", "panter_dite", "nf4")


def _audited(path: Path) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", _AUDIT, str(path), json.dumps(SCHEMES)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=3600,
    )
    return json.loads(done.stdout)


@pytest.mark.deep
def test_memory_of_a_sharded_gigabyte(tmp_path: Path) -> None:
    folder = _gigabyte(tmp_path)
    # Compiles the kernels that these tensors need: that takes memory of its own, in a process of its own.
    _audited(folder)
    told = _audited(folder)
    largest = SIDE * SIDE * 4
    assert told["weights"] == SHARDS * 4 * SIDE * SIDE
    assert told["cells"] == (len(SCHEMES) - 1) * 7 + 1
    assert told["peak"] <= 6 * largest + 300_000_000
    # The peak lies below the file: it cannot have been read as a whole.
    assert told["peak"] < sum(path.stat().st_size for path in folder.glob("*.safetensors"))
