"""How a wrong input reaches the user: one line on standard error and exit code 2."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import click

from fmq_theory.errors import FmqError, OldFormatWarning

__all__ = ["reported_errors"]


class _BadInput(click.ClickException):
    """The options are right, what they name is not: no help about the options is shown."""

    exit_code = 2


@contextmanager
def reported_errors() -> Generator[None]:
    """Turns every FmqError raised inside into an error of click: its line, exit code 2, no traceback.

    A warning about an old format is a line on standard error, too, without the place in the code.
    """
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
            if issubclass(category, OldFormatWarning):
                click.echo(f"Note: {message}", err=True)
            else:
                others(message, category, *place)

        warnings.showwarning = show
        try:
            yield
        except FmqError as error:
            raise _BadInput(str(error)) from error
