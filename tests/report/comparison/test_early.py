"""Lines that are printed before the tables are known."""

import io
import math

from rich.console import Console
from rich.progress import Progress

from fmq_theory.report.base.progress import Stages, stages
from fmq_theory.report.comparison.early import early_lines


def _bar(*, disable: bool) -> tuple[Stages, io.StringIO]:
    written = io.StringIO()
    bars = Progress(console=Console(file=written, force_terminal=True, width=100), disable=disable)
    return Stages(bars, bars.add_task("bounds", total=None), "bounds", 1.0), written


def test_a_line_a_scheme_under_one_heading_and_none_for_what_nobody_asked_for() -> None:
    bar, written = _bar(disable=False)
    ready = early_lines(bar, ("uniform", "nf4"), (2, 4), 3)
    ready("equal_mass", [1.0, 2.0])
    ready("uniform", [0.25, 1e-7])
    ready("nf4", [math.nan, 0.5])
    lines = [line.split() for line in written.getvalue().splitlines()]
    assert lines == [
        ["own", "error,", "mean", "of", "3", "samples,", "by", "bits;", "the", "tables", "follow"],
        ["2", "4"],
        ["uniform", "(min–max)", "0.25", "1e-07"],
        ["NF4", "–", "0.5"],
    ]


def test_a_pipe_hears_nothing() -> None:
    bar, written = _bar(disable=True)
    early_lines(bar, ("uniform",), (2,), 1)("uniform", [1.0])
    assert written.getvalue() == ""
    with stages("bounds", "starting") as shown:
        early_lines(shown, ("uniform",), (2,), 1)("uniform", [1.0])
