"""How a wrong input reaches the user: one line on standard error and exit code 2."""

from collections.abc import Generator
from contextlib import contextmanager

import click

from fmq_theory.errors import FmqError

__all__ = ["reported_errors"]


class _BadInput(click.ClickException):
    """The options are right, what they name is not: no help about the options is shown."""

    exit_code = 2


@contextmanager
def reported_errors() -> Generator[None]:
    """Turns every FmqError raised inside into an error of click: its line, exit code 2, no traceback."""
    try:
        yield
    except FmqError as error:
        raise _BadInput(str(error)) from error
