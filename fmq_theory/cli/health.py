"""What ``fmq doctor`` looks at: versions, known breakages, the kernel cache, threads, known numbers."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from fmq_theory.cli.self_test import SELF_TESTS
from fmq_theory.cli.start import python_module

__all__ = ["HealthCheck", "check_health", "is_broken"]

Status = Literal["ok", "note", "broken"]

# What every command needs; the versions are those of pyproject.toml, read from the installed package.
_NEEDED = (
    "numpy", "scipy", "numba", "torch", "safetensors", "POT", "python-flint", "click", "rich", "jinja2",
    "joblib", "markupsafe", "matplotlib", "packaging",
)  # fmt: skip
_OPTIONAL = {
    "diffusers": "the larger models (extra 'models'), fmq export --format sdnq (extra 'sdnq')",
    "distributed": "fmq audit --backend dask (extra 'cluster')",
    "torchmetrics": "PSNR and SSIM of samples: fmq flow (extra 'flow')",
    "torchdiffeq": "an adaptive sampler to compare with (extra 'flow')",
    "playwright": "the browser tests of the HTML reports (extra 'test')",
}
_OLDEST_PYTHON = (3, 11)
_SECONDS = 300
_MEGABYTE = 2**20
_ROOM = 128 * _MEGABYTE
"""What the compiled kernels of all commands need."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that was looked at.

    Attributes:
        name: of it.
        status: "ok"; "note" for what works but could be better; "broken".
        found: what is there.
        remedy: what to do; empty if nothing.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)


def is_broken(checks: list[HealthCheck]) -> bool:
    """Whether something does not work."""
    return any(check.status == "broken" for check in checks)


def check_health(progress: Callable[[float, str], None] = lambda _share, _what: None) -> list[HealthCheck]:
    """Everything, quick things first; the known numbers take a minute where kernels are not compiled yet."""
    checks = [_python(), *_packages(), *_torchvision(), _pot(), _cache(), _threads()]
    checks += list(_known_numbers(progress))
    return checks


def _python() -> HealthCheck:
    found = f"Python {platform.python_version()}, {platform.machine()}, {sys.executable}"
    if sys.version_info < _OLDEST_PYTHON:
        return HealthCheck("python", "broken", found, "install Python 3.11 or newer")
    return HealthCheck("python", "ok", found)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _packages() -> Iterator[HealthCheck]:
    wanted = _requirements("fmq_theory")
    if wanted is None:
        yield HealthCheck(
            "fmq_theory", "note", "run from a checkout, not installed", "pip install -e . in the repository"
        )
    else:
        yield HealthCheck("fmq_theory", "ok", f"version {_installed('fmq_theory')}")
    for package in _NEEDED:
        have, bounds = _installed(package), (wanted or {}).get(canonicalize_name(package), "")
        if have is None:
            yield HealthCheck(package, "broken", "not installed", f"pip install '{package}{bounds}'")
        elif not _satisfies(have, bounds):
            yield HealthCheck(
                package, "broken", f"{have}, but {bounds} is needed", f"pip install '{package}{bounds}'"
            )
        else:
            yield HealthCheck(package, "ok", have)
    for package, what in _OPTIONAL.items():
        have = _installed(package)
        yield HealthCheck(package, "ok", have or f"not installed; only needed for {what}")


def _requirements(package: str) -> dict[str, str] | None:
    """The version bounds of what a package needs, without its extras; None if it is not installed."""
    try:
        lines = requires(package) or []
    except PackageNotFoundError:
        return None
    found: dict[str, str] = {}
    for line in lines:
        try:
            needed = Requirement(line)
        except InvalidRequirement:  # of a package made long ago; it cannot be judged
            continue
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            found[canonicalize_name(needed.name)] = str(needed.specifier)
    return found


def _satisfies(have: str, bounds: str) -> bool:
    """Whether a version is within bounds as in '>=2.6,<2.14'; one that is no version is not."""
    try:
        return SpecifierSet(bounds).contains(have, prereleases=True)
    except InvalidVersion:
        return False


def _torchvision() -> Iterator[HealthCheck]:
    """One that was built for another torch fails at import, and diffusers and torchmetrics with it."""
    have, torch = _installed("torchvision"), _installed("torch")
    if have is None:
        yield HealthCheck("torchvision", "ok", "not installed, and not needed")
        return
    bounds = (_requirements("torchvision") or {}).get("torch", "")
    if torch is None or _satisfies(torch, bounds):
        yield HealthCheck("torchvision", "ok", f"{have}, built for the torch that is installed")
        return
    yield HealthCheck(
        "torchvision",
        "broken",
        f"{have} was built for torch{bounds}, and torch is {torch}: it breaks diffusers and torchmetrics",
        "pip uninstall torchvision, which fmq_theory does not need",
    )


def _pot() -> HealthCheck:
    if os.environ.get("POT_BACKEND_DISABLE_PYTORCH"):
        return HealthCheck(
            "POT and torch", "ok", "POT leaves torch alone (POT_BACKEND_DISABLE_PYTORCH is set)"
        )
    return HealthCheck(
        "POT and torch",
        "note",
        "in a script of your own POT imports torch: 1.5 s and 180 MB; fmq itself keeps it from that",
        "set POT_BACKEND_DISABLE_PYTORCH=1 where torch is not used",
    )


def _cache() -> HealthCheck:
    from fmq_theory.kernels.runtime.jit import cache_directory
    from fmq_theory.kernels.runtime.sealed_cache import damaged_files

    directory = cache_directory()
    if directory is None:
        root = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
        return HealthCheck(
            "kernel cache",
            "note",
            f"{root or 'the cache of the home directory'} cannot be written: kernels are compiled anew "
            "by every command, which takes a minute",
            "set NUMBA_CACHE_DIR to a folder that can be written",
        )
    mine = _size(directory)
    siblings = directory.parent.iterdir() if directory.parent.is_dir() else ()
    others = [folder for folder in siblings if folder.is_dir() and folder != directory]
    stale = sum(_size(folder) for folder in others)
    found = f"{directory}, {mine / _MEGABYTE:.1f} MB"
    if others:
        found += f"; {len(others)} of other versions, {stale / _MEGABYTE:.1f} MB, may be deleted"
    if damaged := damaged_files(directory):
        return HealthCheck(
            "kernel cache",
            "note",
            f"{found}; {len(damaged)} of its files are damaged: these kernels are compiled again",
            f"nothing; if it comes back, look at the disk, or delete {directory}",
        )
    left = shutil.disk_usage(directory).free if directory.is_dir() else 0
    if left < _ROOM:
        return HealthCheck(
            "kernel cache",
            "note",
            f"{found}; {left / _MEGABYTE:.1f} MB are left on its disk: kernels that do not fit are compiled "
            "anew by every command",
            f"free {_ROOM // _MEGABYTE} MB there, or set NUMBA_CACHE_DIR to a folder on another disk",
        )
    return HealthCheck("kernel cache", "ok", found)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue  # another process has just replaced it
    return total


def _threads() -> HealthCheck:
    from fmq_theory.kernels.runtime.threads import THREADS_VARIABLE, default_threads, threads_of_environment

    wanted = os.environ.get(THREADS_VARIABLE, "").strip()
    found = f"{default_threads()} of {os.cpu_count()} processors"
    if wanted and threads_of_environment() is None:
        return HealthCheck(
            "threads",
            "broken",
            f"{THREADS_VARIABLE} = {wanted!r} is no whole number from 1 on; every other command refuses it",
            f"set it to for example 4, or unset {THREADS_VARIABLE} for all {found}",
        )
    return HealthCheck("threads", "ok", f"{found} ({THREADS_VARIABLE})" if wanted else found)


def _known_numbers(progress: Callable[[float, str], None]) -> Iterator[HealthCheck]:
    names = list(SELF_TESTS)
    left = names
    progress(0.0, "known numbers; kernels are compiled first")
    while left:
        results, failure = _run(left)
        for name, value, seconds in results:
            progress((names.index(name) + 1) / len(names), name)
            yield _judge(name, value, seconds)
        left = left[len(results) :]
        if left:
            progress((names.index(left[0]) + 1) / len(names), left[0])
            yield HealthCheck(
                f"number: {left[0]}",
                "broken",
                failure,
                "pip install --force-reinstall fmq_theory, or report it",
            )
            left = left[1:]


def _run(names: list[str]) -> tuple[list[tuple[str, float, float]], str]:
    """Results of the tests until one ends the process, and what it said then."""
    command, environment = python_module("fmq_theory.cli.self_test", *names)
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environment
        )
        output, said = done.stdout, done.stderr.strip().splitlines()
        failure = said[-1][:200] if said else f"the process ended with {done.returncode}"
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode()  # bytes, even where text was asked for
        failure = f"no answer within {_SECONDS} s"
    results: list[tuple[str, float, float]] = []
    for line in output.splitlines():
        if line.startswith("{"):
            result = json.loads(line)
            results.append((result["name"], float(result["value"]), float(result["seconds"])))
    return results, failure


def _judge(name: str, value: float, seconds: float) -> HealthCheck:
    test = SELF_TESTS[name]
    found = f"{test.what}: {value:.9g} ({seconds:.1f} s)"
    if abs(value - test.expected) <= test.tolerance:
        return HealthCheck(f"number: {name}", "ok", found)
    return HealthCheck(
        f"number: {name}",
        "broken",
        f"{found}, but it is {test.expected:.9g}",
        "report it with fmq doctor --json -",
    )
