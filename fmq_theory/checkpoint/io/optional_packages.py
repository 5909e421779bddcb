"""Packages that some formats need and nothing else does: imported where they are needed, by name."""

import importlib
from typing import Any

from fmq_theory.errors import CheckpointError

__all__ = ["optional_package"]


def optional_package(name: str, extra: str, thing: str, does: str) -> Any:
    """The module ``name`` of a package that need not be installed; types resolve without it.

    Args:
        name: of the module, dotted.
        extra: of ours, with which the package is installed.
        thing: what was asked for.
        does: what the package does for it.

    Raises:
        CheckpointError: it is not installed.

    Examples:
        >>> from fmq_theory.checkpoint.io.optional_packages import optional_package
        >>> optional_package("json", "gguf", "GGUF files", "writes them").dumps([1])
        '[1]'
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise CheckpointError(
            thing,
            f"the package {name.partition('.')[0]}, which {does}, is not installed",
            f"install it: pip install 'fmq_theory[{extra}]'",
        ) from error
