"""What the very first call costs: once with an empty cache of compiled kernels, once with a full one."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.benchmark.clock import Pace
from experiments.benchmark.duel import Outcome
from experiments.benchmark.rows import Goal, GoalRow, judged, unjudged

__all__ = ["Startup"]

TOPIC = "first call"
_ROOT = Path(__file__).resolve().parents[2]
_LIMIT_S = 600.0
# The default job: a layer quantized with everything left at its default.
_CODE = """
import time
import numpy as np
weights = np.random.default_rng(0).standard_normal((64, 1024)).astype(np.float32)
start = time.perf_counter()
from fmq_theory import quantize
imported = time.perf_counter()
quantize(weights)
print(time.perf_counter() - imported)
"""


@dataclass(frozen=True, slots=True)
class Startup:
    """The first call in a new process."""

    topic: str = TOPIC

    def run(self, pace: Pace) -> Outcome:  # noqa: ARG002
        """Two processes, one after the other, with a cache of their own."""
        rows: list[GoalRow] = []
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"NUMBA_CACHE_DIR": folder, "FMQ_THREADS": "1"}
            for what, most in (("ever: kernels are compiled", 10.0), ("with compiled kernels on disk", 0.3)):
                done = subprocess.run(  # noqa: S603
                    [sys.executable, "-c", _CODE],
                    cwd=_ROOT,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=_LIMIT_S,
                )
                goal = Goal(f"≤ {most:g} s", ("goal",), 1.0)
                where: dict[str, Any] = {"topic": TOPIC, "what": what, "law": ""}
                if done.returncode != 0:
                    why = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
                    rows.append(unjudged(goal, **where, why=why, failed=True))
                    continue
                ours, most_ms = 1e3 * float(done.stdout), 1e3 * most
                rows.append(judged(goal, **where, ours=ours, reference="goal", reference_value=most_ms))
        return Outcome(rows, [])
