"""The campaign command: every kind of hostile input in turn, for as long as one likes."""

import json
import resource
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from experiments.fuzz.registry import CAMPAIGNS
from experiments.fuzz.running import run, until, whole
from experiments.fuzz.trial import COUNTS, Campaign, Tally
from fmq_theory.report import write_text_atomically

__all__ = ["main"]

_LINE_SECONDS = 60.0
"""How often a whole run says how far it is."""
_SLOW_SECONDS = 10.0
"""An input that takes longer is named; compiling does not count."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--minutes", type=click.FloatRange(min=0.0, min_open=True), default=5.0, show_default=True,
              help="How long; a campaign that has no further input ends before.")  # fmt: skip
@click.option("--whole", "is_whole", is_flag=True,
              help="In place of --minutes: until each campaign had all its inputs.")  # fmt: skip
@click.option("--only", multiple=True, metavar="NAME", help="A campaign; may be repeated.  [default: all]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of the drawn inputs; the same seed draws the same ones.")  # fmt: skip
@click.option("--memory", type=click.FloatRange(min=1.0), default=8.0, show_default=True,
              help="Limit of the address space in GiB; an input that asks for more fails.")  # fmt: skip
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False),
              help="Keep the counts and failures there, beside those of other campaigns.")  # fmt: skip
def main(
    minutes: float, is_whole: bool, only: Sequence[str], seed: int, memory: float, json_path: Path | None
) -> None:
    """Try damaged, forged and hostile inputs, and count what became of them.

    \b
    python -m experiments.fuzz --minutes 5
    python -m experiments.fuzz --minutes 1 --only calls --seed 7
    python -m experiments.fuzz --whole --json docs/results/reliability.json

    Every answer must be right, or a refusal by name: an FmqError. A wrong answer, an error of any other kind,
    or a changed file that is not the campaign's, is a failure. Exit codes: 0 no failure, 1 a failure, 2 bad
    input.
    """
    names = {campaign.name: campaign for campaign in CAMPAIGNS}
    unknown = [name for name in only if name not in names]
    if unknown:
        raise click.UsageError(f"no campaign {', '.join(unknown)}; there are {', '.join(names)}")
    before = resource.getrlimit(resource.RLIMIT_AS)
    chosen = [names[name] for name in only] or list(CAMPAIGNS)
    begin = time.perf_counter()
    try:
        resource.setrlimit(resource.RLIMIT_AS, (int(memory * 2**30), before[1]))
        with tempfile.TemporaryDirectory(prefix="fmq-fuzz-") as folder, warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # an overflow that nobody asked for is a fault
            enough = whole if is_whole else until(minutes * 60.0)
            lines = _Lines(begin) if is_whole else _silent
            tallies = run(chosen, seed, enough, Path(folder), lines)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    click.echo(as_text(chosen, tallies))
    took = time.perf_counter() - begin
    click.echo(f"{_inputs(tallies):,} inputs in {took:.0f} s")
    if json_path is not None:
        head = {"seed": seed, "whole": is_whole, "minutes": round(took / 60.0, 1)}
        _keep(json_path, {one.name: head | {"question": one.question} | tallies[one.name].as_dict()
                          for one in chosen})  # fmt: skip
    if any(tally.failed for tally in tallies.values()):
        raise SystemExit(1)


def _keep(path: Path, told: Mapping[str, object]) -> None:
    """Writes what was counted; of campaigns that are in the file and were not run it keeps what is there."""
    known = json.loads(path.read_text("utf-8"))["campaigns"] if path.exists() else {}
    found = {one.name: told.get(one.name, known.get(one.name)) for one in CAMPAIGNS}
    campaigns = {name: counted for name, counted in found.items() if counted is not None}
    text = json.dumps({"campaigns": campaigns}, indent=1, ensure_ascii=False)
    write_text_atomically(path, text + "\n")


def _inputs(tallies: Mapping[str, Tally]) -> int:
    return sum(one.inputs for one in tallies.values())


def _silent(_tallies: Mapping[str, Tally]) -> None:
    """Says nothing."""


class _Lines:
    """Says now and then how far a run is."""

    def __init__(self, begin: float) -> None:
        self._begin = self._last = begin

    def __call__(self, tallies: Mapping[str, Tally]) -> None:
        now = time.perf_counter()
        if now - self._last >= _LINE_SECONDS:
            failed = [name for name, tally in tallies.items() if tally.failed]
            click.echo(f"{now - self._begin:6.0f} s  {_inputs(tallies):,} inputs, failed: {failed or 'none'}")
            self._last = now


def as_text(chosen: Sequence[Campaign], tallies: dict[str, Tally]) -> str:
    """A table, and below it what was very slow and the first failures of each campaign."""
    header: tuple[str, ...] = ("campaign", "inputs", *COUNTS, "slowest")
    rows: list[tuple[str, ...]] = [header]
    for campaign in chosen:
        tally = tallies[campaign.name]
        counts = (tally.inputs, *(getattr(tally, name) for name in COUNTS))
        rows.append((campaign.name, *(f"{count:,}" for count in counts), f"{tally.slowest:.2f} s"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width)
                  for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]  # fmt: skip
    for campaign in chosen:
        tally = tallies[campaign.name]
        if tally.slowest > _SLOW_SECONDS:
            lines.append(f"{campaign.name}: {tally.slowest:.1f} s for {tally.slowest_input}")
        lines += [f"{campaign.name}: {failure}" for failure in tally.failures]
    return "\n".join(lines)
