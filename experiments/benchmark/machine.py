"""The machine and the versions a run was made with."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmark.anchors import sort_seconds
from experiments.benchmark.contender import installed_version
from experiments.benchmark.peers import PEERS

__all__ = ["describe"]

_CPUINFO, _MEMINFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
_SORTED = {1: "2²⁰ float32 numbers", 2: "the same in rows of 4096"}
_FLAGS = ("avx2", "fma", "avx512f", "avx512bw", "avx512_vbmi2", "asimd", "sve")


def describe(threads: int) -> dict[str, Any]:
    """What a reader needs to judge the numbers."""
    model, flags = _processor()
    packages = (
        "numpy",
        "numba",
        "scipy",
        "torch",
        *(peer.package for peer in PEERS if peer.package != "numpy"),
    )
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "simd": [flag for flag in _FLAGS if flag in flags],
        "numpy_simd": _numpy_simd(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "sorts": {kind: dict(sort_seconds(n)) for n, kind in _SORTED.items()},
        "load": [round(load, 2) for load in os.getloadavg()],
        "threads": threads,
        "fmq_theory": metadata.version("fmq_theory"),
        "packages": {name: installed_version(name) for name in packages},
    }


def _processor() -> tuple[str, set[str]]:
    found: dict[str, str] = {}
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    flags = set(found.get("flags", found.get("Features", "")).split())
    return found.get("model name") or platform.processor() or platform.machine(), flags


def _numpy_simd() -> list[str]:
    """Instruction sets that this numpy was built for and found here."""
    configuration: Any = np.show_config(mode="dicts")
    return list(configuration.get("SIMD Extensions", {}).get("found", []))


def _memory_gib() -> float | None:
    if not _MEMINFO.is_file():
        return None
    first = _MEMINFO.read_text(encoding="ascii").splitlines()[0]
    return round(int(first.split()[1]) / 2**20, 1)
