"""How a wrong input reaches the user: one line on standard error and exit code 2."""

from collections.abc import Generator
from contextlib import contextmanager

import click

from fmq_theory.errors import FmqError

__all__ = ["reported_errors"]


@contextmanager
def reported_errors() -> Generator[None]:
    """Turns every FmqError raised inside into click's usage error: message, exit code 2, no traceback."""
    try:
        yield
    except FmqError as error:
        raise click.UsageError(str(error)) from error
