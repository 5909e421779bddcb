"""Kills at random moments while a file is quantized, and what the next run makes of what they leave.

``python -m tests.corpus.kills 200`` prints a JSON object; it forks, so it is a process of its own.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import write_quantized
from fmq_theory.checkpoint.quantized.recipe import Recipe


def _write(folder: Path, out: Path, *, resume: bool) -> int:
    plan = [Recipe(f"w{i}", "uniform", 3 + i % 2, "channel", None) for i in range(6)]
    return write_quantized(
        folder / "in.safetensors", out, plan, threads=1, resume=resume, overwrite=True
    ).reused


def kills(count: int, seed: int = 0) -> dict[str, int]:
    """Kills ``count`` runs, each at a random moment, and finishes each by another run.

    Returns:
        how many runs were killed before their end, how many of the next ones took finished tensors over, and
        how often the file then differed from the undisturbed one or another file was left.
    """
    rng, found = random.Random(seed), {"killed": 0, "reused": 0, "different": 0, "stray": 0}
    g = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = {f"w{i}": torch.randn(8, 300, generator=g) for i in range(6)}
        save_file(state | {"bias": torch.randn(5, generator=g)}, folder / "in.safetensors")
        _write(folder, folder / "right.safetensors", resume=False)  # compiles
        began = time.monotonic()
        _write(folder, folder / "right.safetensors", resume=False)
        takes = time.monotonic() - began
        right = (folder / "right.safetensors").read_bytes()
        work = folder / "work"
        work.mkdir()
        while found["killed"] < count:
            out = work / rng.choice(("q.safetensors", "q"))
            child = os.fork()
            if child == 0:
                _write(folder, out, resume=rng.random() < 0.5)
                os._exit(0)
            time.sleep(rng.uniform(0.0, takes))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            found["killed"] += os.WIFSIGNALED(status)
            found["reused"] += _write(folder, out, resume=True) > 0
            file = out / "model.safetensors" if out.name == "q" else out
            found["different"] += file.read_bytes() != right
            left = {path.name for path in work.rglob("*")} - {"q", "q.safetensors", "config.json"}
            found["stray"] += left != ({"model.safetensors"} if (work / "q").exists() else set())
            if out.name == "q" and rng.random() < 0.5:
                for path in (*out.iterdir(), out):
                    path.rmdir() if path.is_dir() else path.unlink()
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(kills(int(sys.argv[1]))) + "\n")
