"""Campaigns that take turns, and a watch over what is none of theirs."""

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.fuzz.trial import Campaign, Tally, Trial, attempt

__all__ = ["run", "until", "whole"]

_TURN_SECONDS = 0.5
"""How long one campaign runs before the next has its turn."""

Enough = Callable[[Campaign, Tally], bool]


def until(seconds: float) -> Enough:
    """Whether the time is over that begins now."""
    end = time.perf_counter() + seconds
    return lambda _campaign, _tally: time.perf_counter() >= end


def whole(campaign: Campaign, tally: Tally) -> bool:
    """Whether a campaign had all the inputs of a whole run."""
    return tally.inputs >= campaign.whole


def run(
    chosen: Sequence[Campaign],
    seed: int,
    enough: Enough,
    folder: Path,
    told: Callable[[Mapping[str, Tally]], object] = lambda _tallies: None,
) -> dict[str, Tally]:
    """Each campaign in turn, until it has had enough or has no further input.

    Args:
        chosen: the campaigns.
        seed: of what they draw.
        enough: whether a campaign may end.
        folder: an empty one. Each campaign has a folder in it, beside files that are nobody's business; its
            turns run in a current folder of such files.
        told: the counts so far, after each round.
    """
    tallies = {campaign.name: Tally() for campaign in chosen}
    left: dict[str, tuple[Campaign, Iterator[Trial], _Watch]] = {}
    for index, campaign in enumerate(chosen):
        watch = _Watch(folder / str(index))
        trials = iter(campaign.trials(np.random.default_rng([seed, index]), watch.own))
        left[campaign.name] = campaign, trials, watch
    while left:
        for name, (campaign, trials, watch) in list(left.items()):
            tally = tallies[name]
            turn = time.perf_counter() + _TURN_SECONDS
            with contextlib.chdir(watch.here):
                trial = None
                while time.perf_counter() < turn and not enough(campaign, tally):
                    if (trial := next(trials, None)) is None:
                        break
                    attempt(trial, tally)
            for change in watch.changes():
                tally.foreign += 1
                tally.keep(f"FOREIGN {change}")
            if trial is None:  # no further input, or enough of them
                del left[name]
        told(tallies)
    return tallies


class _Watch:
    """Files beside a campaign's own folder and in the current one; none of them may change.

    Args:
        folder: is made. ``own`` in it is the campaign's, ``here`` the current folder of its turns.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.own, self.here = folder, folder / "own", folder / "here"
        for place in (self.own, self.here, folder / "theirs"):
            place.mkdir(parents=True)
        for place in (folder, self.here, folder / "theirs"):
            for name in ("model.safetensors", "notes.txt", "layer.weight"):
                (place / name).write_bytes(f"somebody's {name}".encode())
            (place / "notes.txt").chmod(0o600)
            (place / "link").symlink_to(folder / "theirs")
        self._before = self._state()

    def changes(self) -> list[str]:
        """What is no longer what it was, and what is new; each is told once."""
        after = self._state()
        names = self._before.keys() | after.keys()
        found = sorted(name for name in names if self._before.get(name) != after.get(name))
        self._before = after
        return found

    def _state(self) -> dict[str, tuple[object, ...]]:
        found: dict[str, tuple[object, ...]] = {}
        for root, folders, files in os.walk(self.folder):
            if Path(root) == self.folder:
                folders.remove(self.own.name)
            for name in (*folders, *files):
                path = Path(root) / name
                status = path.lstat()
                held = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
                changed = status.st_mtime_ns if held else 0  # of a folder it changes with a passing file
                found[str(path.relative_to(self.folder))] = (status.st_mode, status.st_ino, changed, held)
        return found
