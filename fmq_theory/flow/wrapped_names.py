"""Names of tensors that differ only by what a wrapper put before them."""

from collections.abc import Collection

__all__ = ["WRAPPERS", "fitting_prefix", "fitting_renames", "without_wrappers"]

WRAPPERS = ("module", "_orig_mod")
"""Parts of names that DataParallel, DistributedDataParallel and torch.compile add."""


def without_wrappers(name: str) -> str:
    """The name without the parts of torch's wrappers, wherever they stand.

    Examples:
        >>> from fmq_theory.flow.wrapped_names import without_wrappers
        >>> without_wrappers("_orig_mod.module.net._orig_mod.weight")
        'net.weight'
    """
    if not any(wrapper in name for wrapper in WRAPPERS):
        return name
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def fitting_renames(own: Collection[str], given: Collection[str]) -> dict[str, str] | None:
    """For each given name the one of ``own`` that it stands for; None unless each has exactly one.

    Tried are the names as they are, with a prefix that all of a side have taken off, on either side, and
    without the parts of torch's wrappers.

    Args:
        own: of a module.
        given: of weights that are to be put into it.
    """
    wanted = set(own)
    if wanted == set(given):
        return {name: name for name in given}
    if len(wanted) != len(given) or not wanted:
        return None
    for ours, theirs in _prefixes(own, given):
        found = {name: ours + name.removeprefix(theirs) for name in given}
        if set(found.values()) == wanted:
            return found
    bare = {without_wrappers(name): name for name in own}
    found = {name: bare.get(without_wrappers(name), "") for name in given}
    return found if len(bare) == len(wanted) and set(found.values()) == wanted else None


def fitting_prefix(own: Collection[str], given: Collection[str]) -> str:
    """The prefix without which most of the given names are those of ``own``; empty if none helps."""
    wanted, best, most = set(own), "", sum(name in set(own) for name in given)
    firsts = {name.split(".", 1)[0] for name in given if "." in name}
    for prefix in sorted(f"{first}." for first in firsts):
        fits = sum(name.startswith(prefix) and name.removeprefix(prefix) in wanted for name in given)
        if fits > most:
            best, most = prefix, fits
    return best


def _prefixes(own: Collection[str], given: Collection[str]) -> list[tuple[str, str]]:
    """What to put before a name, and what to take off it."""
    return [(ours, theirs) for ours in ("", *_common(own)) for theirs in ("", *_common(given))]


def _common(names: Collection[str]) -> list[str]:
    """The dotted prefixes that all names have, shortest first."""
    parts = [name.split(".") for name in names]
    found: list[str] = []
    for depth in range(1, min(map(len, parts), default=0)):
        if len({tuple(part[:depth]) for part in parts}) > 1:
            break
        found.append(".".join(parts[0][:depth]) + ".")
    return found
