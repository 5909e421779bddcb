"""One way to do a job: ours, a peer's, or a limit of the machine."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

__all__ = ["Contender", "installed_version"]


def as_it_is(data: Any) -> Any:
    """The data themselves."""
    return data


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that is timed.

    Attributes:
        name: as the tables call it.
        run: what the clock sees.
        prepare: what is done to the data before each call, outside the clock: the type that a peer
            asks for, or a fresh copy where it sorts in place.
        needs: the package it comes from; None where nothing beyond our own requirements is needed.
        threads: how many it may use.
        only_once: whether one call is enough where it is slow. Not for ours: its first full call may
            compile kernels that the call on a small input does not need.
    """

    name: str
    run: Callable[[Any], Any]
    prepare: Callable[[Any], Any] = as_it_is
    needs: str | None = None
    threads: int = 1
    only_once: bool = True

    @property
    def is_installed(self) -> bool:
        """Whether it can be run here."""
        return self.needs is None or installed_version(self.needs) is not None


def installed_version(package: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
