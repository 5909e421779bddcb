"""Options that several commands have, in one set of words, and the click callbacks that read them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = [
    "csv_option", "force_option", "html_option", "json_option", "on_nonfinite_option", "read_bits",
    "read_names", "read_sizes", "selection_options",
]  # fmt: skip

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

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


def read_names(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:
    """Names separated by commas, each kept once, in the order given; None where the option was not given.

    Raises:
        click.BadParameter: there is none.
    """
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise click.BadParameter("name at least one")
    return names


def read_sizes(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> tuple[float, ...] | None:
    """Positive numbers separated by commas, or ``none``; None where the option was not given.

    Raises:
        click.BadParameter: with the accepted forms.
    """
    if text is None:
        return None
    if text.strip() == "none":
        return ()
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0.0 < size < float("inf") for size in found):
        raise click.BadParameter(f"{text!r} are no sizes; write bits a weight, as in 2.5,3,4, or none")
    return found


def selection_options(things: str = "tensors", prefix: str = "") -> Decorator:
    """``--include`` and ``--exclude``.

    Args:
        things: what is chosen, in the plural.
        prefix: to what the two options belong, where a command has them for some of its work only.
    """
    only, no = ("only", "not") if prefix else ("Only", "Not")
    include = click.option(
        "--include",
        multiple=True,
        help=f"{prefix}{only} {things} whose name fits, as in '*.attn.*'; repeatable.",
    )
    exclude = click.option(
        "--exclude", multiple=True, help=f"{prefix}{no} {things} whose name fits; repeatable."
    )
    return lambda command: include(exclude(command))


def on_nonfinite_option(thing: str, skip: str) -> Decorator:
    """``--on-nonfinite``.

    Args:
        thing: what may hold nan or inf.
        skip: what is done with it in place of stopping.
    """
    return click.option(
        "--on-nonfinite",
        type=click.Choice(("stop", "skip")),
        default="stop",
        show_default=True,
        help=f"At a {thing} with nan or inf: stop and name it, or {skip}.",
    )


def json_option(what: str = "everything") -> Decorator:
    """``--json``, with a file or without one; ``cli.outputs.ReportFiles`` takes its value.

    Args:
        what: that is written.
    """
    return click.option(
        "--json",
        "json_path",
        is_flag=False,
        flag_value="-",
        help=f"Write {what} as JSON to this file, or print it if no file is named.",
    )


def csv_option(rows: str) -> Decorator:
    """``--csv``.

    Args:
        rows: what has a line each.
    """
    return click.option(
        "--csv", "csv_path", type=click.Path(path_type=Path), help=f"Write {rows} as CSV to this file."
    )


def html_option() -> Decorator:
    """``--html``."""
    return click.option(
        "--html",
        "html_path",
        type=click.Path(path_type=Path),
        help="Write one self-contained page to this file.",
    )


def force_option(what: str = "files that exist") -> Decorator:
    """``--force``.

    Args:
        what: is replaced.
    """
    return click.option("--force", is_flag=True, help=f"Replace {what}.")
