"""The memory that a job needs beyond its input, as the operating system counts it.

Each job runs in a process of its own: the input is made in small pieces, a call on a tiny input loads
the kernels, then the high-water mark of the resident set is read before and after the one full call.
What the job returns (codes, levels) is part of it.
"""

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.benchmark.clock import Pace, held_threads
from experiments.benchmark.datasets import LAWS, Law
from experiments.benchmark.duel import Outcome
from experiments.benchmark.ours import JOBS
from experiments.benchmark.rows import Goal, judged, unjudged
from experiments.benchmark.words import count

__all__ = ["Memory", "extra_memory", "forget_peak", "peak_resident_bytes"]

TOPIC = "memory"
HIGHEST = 3.0
_ROOT = Path(__file__).resolve().parents[2]
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Memory:
    """One job at one size."""

    job: str
    law: Law
    size: int
    topic: str = TOPIC

    def run(self, pace: Pace) -> Outcome:  # noqa: ARG002
        """Extra memory over input, in a process of its own."""
        goal = Goal(f"≤ {HIGHEST:g} × the input", ("input",), HIGHEST)
        where: dict[str, Any] = {
            "topic": TOPIC,
            "what": f"{self.job}, n = {count(self.size)}",
            "law": LAWS[self.law],
        }
        command = [sys.executable, "-m", __name__, self.job, self.law, str(self.size)]
        done = subprocess.run(  # noqa: S603
            command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=_LIMIT_S
        )
        if done.returncode != 0:
            why = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            row = unjudged(goal, **where, why=why, unit="MB", failed=True)
            return Outcome([row], [])
        extra, size = json.loads(done.stdout.splitlines()[-1])
        row = judged(
            goal, **where, ours=max(extra, 1) / 1e6, reference="input", reference_value=size / 1e6, unit="MB"
        )
        return Outcome([row], [])


def peak_resident_bytes() -> int:
    """High-water mark of this process' resident set.

    Linux keeps ru_maxrss across exec, so a child would begin with its parent's; VmHWM it does not.
    """
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def forget_peak() -> None:
    """Lowers the high-water mark to what is resident now, where the system lets a process do so."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:  # then the mark left by making the data stays, and what is measured is a lower bound
        return


def extra_memory(job: str, law: Law, size: int) -> tuple[int, int]:
    """(bytes by which the peak rose, bytes of the input)."""
    dataset = JOBS[job].dataset(law, size)
    with held_threads(1):
        JOBS[job].run(dataset.tiny())
        data = dataset.make()
        forget_peak()
        before = peak_resident_bytes()
        result = JOBS[job].run(data)
        after = peak_resident_bytes()
    del result
    parts = data if isinstance(data, tuple) else (data,)
    return after - before, sum(int(part.nbytes) for part in parts)


def main() -> None:
    """For the child process: job, law and size as arguments."""
    job, law, size = sys.argv[1:]
    laws: dict[str, Law] = {name: name for name in LAWS}
    print(json.dumps(extra_memory(job, laws[law], int(size))))


if __name__ == "__main__":
    main()
