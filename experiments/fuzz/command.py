"""The campaign command: every kind of hostile input in turn, for as long as one likes."""

import json
import resource
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from experiments.fuzz.registry import CAMPAIGNS
from experiments.fuzz.trial import Campaign, Tally, Trial, attempt
from fmq_theory.report import write_text_atomically

__all__ = ["main"]

_TURN_SECONDS = 0.5
"""How long one campaign runs before the next has its turn."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--minutes", type=click.FloatRange(min=0.0, min_open=True), default=5.0, show_default=True,
              help="How long; a campaign that has no further input ends before.")  # fmt: skip
@click.option("--only", multiple=True, metavar="NAME", help="A campaign; may be repeated.  [default: all]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of the drawn inputs; the same seed draws the same ones.")  # fmt: skip
@click.option("--memory", type=click.FloatRange(min=1.0), default=8.0, show_default=True,
              help="Limit of the address space in GiB; an input that asks for more fails.")  # fmt: skip
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False),
              help="Keep the counts and the failures there.")  # fmt: skip
def main(minutes: float, only: Sequence[str], seed: int, memory: float, json_path: Path | None) -> None:
    """Try damaged, forged and hostile inputs, and count what became of them.

    \b
    python -m experiments.fuzz --minutes 5
    python -m experiments.fuzz --minutes 1 --only calls --seed 7

    Every answer must be right, or a refusal by name: an FmqError. A wrong answer, or an error of any other
    kind, is a failure. Exit codes: 0 no failure, 1 a failure, 2 bad input.
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
            tallies = run(chosen, seed, minutes * 60.0, Path(folder))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    click.echo(as_text(chosen, tallies))
    click.echo(
        f"{sum(one.inputs for one in tallies.values()):,} inputs in {time.perf_counter() - begin:.0f} s"
    )
    if json_path is not None:
        told = {one.name: {"question": one.question, **tallies[one.name].as_dict()} for one in chosen}
        text = json.dumps({"seed": seed, "minutes": minutes, "campaigns": told}, indent=1, ensure_ascii=False)
        write_text_atomically(json_path, text + "\n")
    if any(tally.failed for tally in tallies.values()):
        raise SystemExit(1)


def run(chosen: Sequence[Campaign], seed: int, seconds: float, folder: Path) -> dict[str, Tally]:
    """Each campaign in turn, until the time is over or nothing is left."""
    end = time.perf_counter() + seconds
    tallies = {campaign.name: Tally() for campaign in chosen}
    open_ones: dict[str, Iterator[Trial]] = {}
    for index, campaign in enumerate(chosen):
        own = folder / campaign.name.replace(" ", "-")
        own.mkdir()
        open_ones[campaign.name] = iter(campaign.trials(np.random.default_rng([seed, index]), own))
    while open_ones and time.perf_counter() < end:
        for name in list(open_ones):
            turn = time.perf_counter() + _TURN_SECONDS
            while time.perf_counter() < min(turn, end):
                trial = next(open_ones[name], None)
                if trial is None:
                    del open_ones[name]
                    break
                attempt(trial, tallies[name])
    return tallies


def as_text(chosen: Sequence[Campaign], tallies: dict[str, Tally]) -> str:
    """A table, and below it the first failures of each campaign."""
    header: tuple[str, ...] = ("campaign", "inputs", "right", "refused", "wrong", "tracebacks", "slowest")
    rows: list[tuple[str, ...]] = [header]
    for campaign in chosen:
        tally = tallies[campaign.name]
        counts = (tally.inputs, tally.right, tally.refused, tally.wrong, tally.tracebacks)
        rows.append((campaign.name, *(f"{count:,}" for count in counts), f"{tally.slowest:.2f} s"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width)
                  for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]  # fmt: skip
    for campaign in chosen:
        lines += [f"{campaign.name}: {failure}" for failure in tallies[campaign.name].failures]
    return "\n".join(lines)
