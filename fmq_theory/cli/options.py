"""Option types that several commands share."""

from typing import Any

import click

__all__ = ["BITS", "NAMES", "BitsType", "NamesType"]

_FEWEST, _MOST = 1, 8


class BitsType(click.ParamType):
    """``2-8``, ``4`` or ``2,4,6``: a sorted tuple of bit-widths, each from 1 to 8."""

    name = "bits"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parses the text; fails with the accepted forms."""
        if isinstance(value, tuple):
            return value  # click converts defaults that are converted already
        found: set[int] = set()
        for part in str(value).split(","):
            low, dash, high = part.strip().partition("-")
            try:
                first, last = int(low), int(high) if dash else int(low)
            except ValueError:
                self.fail(f"{value!r} is not a range of bits; write 2-8, 4 or 2,4,6", param, ctx)
            if not _FEWEST <= first <= last <= _MOST:
                self.fail(f"{part.strip()!r}: bits rise from {_FEWEST} to {_MOST}, as in 2-8", param, ctx)
            found.update(range(first, last + 1))
        return tuple(sorted(found))


class NamesType(click.ParamType):
    """Names separated by commas, each kept once, in the order given."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Splits the text; an empty list is refused."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip() for name in str(value).split(",") if name.strip()))
        if not names:
            self.fail("name at least one", param, ctx)
        return names


BITS = BitsType()
NAMES = NamesType()
