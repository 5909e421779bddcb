"""How a wrong input reaches the user: one line on standard error and exit code 2, in the words of options."""

import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import click

from fmq_theory.errors import FmqError, OldFormatWarning, Way

__all__ = ["WAYS", "in_options", "reported_errors"]

WAYS = {
    "allow_missing": "--allow-missing",
    "architecture": "--architecture",
    "codebook_json": "fmq codebook --json",
    "dask": "--backend dask --scheduler tcp://HOST:PORT",
    "exclude": "--exclude",
    "fit": "--fit {value}",
    "fold": "--fold",
    "flow_json": "fmq flow --json FILE",
    "granularity": "--granularity {value}",
    "group_size": "--group-size {value}",
    "groups": "--granularity group --group-size 64",
    "identity": "--features identity",
    "include": "--include",
    "input_stays": "--force never replaces an input",
    "jobs": "--jobs",
    "ladder_samples": "--ladder-samples {value}",
    "misfit": "--misfit {value}",
    "names": "--names FILE",
    "on_nonfinite": "--on-nonfinite {value}",
    "overwrite": "--force",
    "plan_only": "fmq quantize --plan-only",
    "quantized": "pass a file that fmq quantize wrote",
    "resume": "--resume",
    "resume_cells": "--resume",
    "start_again": "pass --force",
}
"""What the library's errors say to a Python caller, for one of the command line; see ``errors.Way``."""


class _BadInput(click.ClickException):
    """The options are right, what they name is not: no help about the options is shown."""

    exit_code = 2


def in_options(error: FmqError) -> str:
    """The message of an error in options, where the command that runs has them."""
    context = click.get_current_context(silent=True)
    has = None if context is None else {name for option in context.command.params for name in option.opts}

    def say(way: Way) -> str:
        words = WAYS.get(way.key, way.python).format(value=way.value)
        if has is None or words.startswith("fmq "):
            return words
        return words if has.issuperset(re.findall("--[a-z-]+", words)) else way.python

    return error.told(say)


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
            raise _BadInput(in_options(error)) from error
