"""Kills at random moments while a file is quantized, and what the next run makes of what they leave.

``python -m tests.corpus.kills SEED`` prints a JSON object a kill, without end. It forks, so it is a process
of its own.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import write_quantized
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe


def _write(folder: Path, out: Path, *, resume: bool) -> int:
    plan = [Recipe(f"w{i}", Choice("uniform", 3 + i % 2, "channel")) for i in range(6)]
    return write_quantized(
        folder / "in.safetensors", out, plan, threads=1, resume=resume, overwrite=True
    ).reused


def kills(seed: int = 0) -> Iterator[dict[str, int]]:
    """Kills runs, each at a random moment before its end, and finishes each by another run.

    Yields:
        of each kill, how many finished tensors the next run took over, whether the file then differed from
        the undisturbed one, and whether another file was left.
    """
    rng = random.Random(seed)
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
        while True:
            out = work / rng.choice(("q.safetensors", "q"))
            child = os.fork()
            if child == 0:
                _write(folder, out, resume=rng.random() < 0.5)
                os._exit(0)
            time.sleep(rng.uniform(0.0, takes))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            reused = _write(folder, out, resume=True)
            file = out / "model.safetensors" if out.name == "q" else out
            left = {path.name for path in work.rglob("*")} - {"q", "q.safetensors", "config.json"}
            stray = left != ({"model.safetensors"} if (work / "q").exists() else set())
            if os.WIFSIGNALED(status):
                different = file.read_bytes() != right
                yield {"reused": reused, "different": int(different), "stray": int(stray)}
            if out.name == "q" and rng.random() < 0.5:
                for path in (*out.iterdir(), out):
                    path.rmdir() if path.is_dir() else path.unlink()


if __name__ == "__main__":
    for found in kills(int(sys.argv[1])):
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
