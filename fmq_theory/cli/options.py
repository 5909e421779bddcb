"""Options that several commands read alike; each function is a click callback."""

import click

__all__ = ["read_bits", "read_names"]

_FEWEST, _MOST = 1, 8


def read_bits(_context: click.Context, _option: click.Parameter, text: str) -> tuple[int, ...]:
    """``2-8``, ``4`` or ``2,4,6``: a sorted tuple of bit-widths, each from 1 to 8.

    Raises:
        click.BadParameter: with the accepted forms.
    """
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        try:
            first, last = int(low), int(high) if dash else int(low)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not a range of bits; write 2-8, 4 or 2,4,6") from None
        if not _FEWEST <= first <= last <= _MOST:
            raise click.BadParameter(f"{part.strip()!r}: bits rise from {_FEWEST} to {_MOST}, as in 2-8")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def read_names(_context: click.Context, _option: click.Parameter, text: str) -> tuple[str, ...]:
    """Names separated by commas, each kept once, in the order given.

    Raises:
        click.BadParameter: there is none.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise click.BadParameter("name at least one")
    return names
