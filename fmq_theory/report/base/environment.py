"""Versions of what the numbers of a report depend on."""

import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["environment"]

_PACKAGES = ("fmq_theory", "numpy", "scipy", "numba", "POT", "torch")


def environment() -> dict[str, str]:
    """Of Python, the machine and the packages, by name."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
