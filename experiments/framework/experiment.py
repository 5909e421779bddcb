"""What an experiment is: cells that can be computed in any order, and a figure of the table they make."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, cast

import numpy as np
from matplotlib.figure import Figure

from experiments.framework.table import Row, Table

__all__ = ["Cell", "Config", "Experiment", "cell_key", "config_as_json", "rng_of"]

Cell = Mapping[str, Any]
"""JSON values by name: what tells a cell from the others; its rows depend on it and the config only."""


class Config(Protocol):
    """A frozen dataclass of JSON values and tuples of them."""

    @classmethod
    def quick(cls) -> Self:
        """The same experiment, smaller: some seconds on two cores."""
        ...

    @property
    def seed(self) -> int:
        """Root of all randomness."""
        ...


@dataclass(frozen=True, slots=True)
class Experiment:
    """One figure, and how its numbers come about.

    Attributes:
        name: of the file and of the command.
        title: one line for the list.
        config: class of the settings; without arguments the full run.
        cells: what is to be computed. May raise FmqError where nothing can be.
        rows: the rows of one cell; picklable by name, and without memory: it depends on its arguments only.
        plot: figures by the suffix of their names ("" for the main one), from the table alone.
        skipped: what is left out on this machine, and why, in words; empty where nothing is.
    """

    name: str
    title: str
    config: Callable[[], Any]
    cells: Callable[[Any], Sequence[Cell]]
    rows: Callable[[Any, Cell], Sequence[Row]]
    plot: Callable[[Table], Mapping[str, Figure]]
    skipped: Callable[[Any], Sequence[str]] = lambda _config: ()

    def settings(self, *, quick: bool) -> Any:
        """The config of a full or of a quick run."""
        return cast("Any", self.config).quick() if quick else self.config()


def config_as_json(config: Any) -> dict[str, Any]:
    """The settings as JSON values."""
    return cast("dict[str, Any]", json.loads(json.dumps(dataclasses.asdict(config))))


def cell_key(config: Any, cell: Cell) -> str:
    """A name of the cell that is equal for equal settings and equal cells only."""
    return json.dumps([config_as_json(config), dict(cell)], sort_keys=True)


def rng_of(config: Any, cell: Cell) -> np.random.Generator:
    """Randomness of its own for each cell: neither order nor workers change a number."""
    digest = hashlib.sha256(json.dumps(dict(cell), sort_keys=True).encode()).digest()
    entropy = [int(config.seed), *np.frombuffer(digest[:16], dtype="<u4").tolist()]
    return np.random.default_rng(np.random.SeedSequence(entropy))


def folder_of_tree() -> Path:
    """The checkout that holds this file."""
    return Path(__file__).resolve().parents[2]
