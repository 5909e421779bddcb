"""What the oracle says of published tables of levels and of published distortions.

Each table is a file of tests/reference (or of the package) that says where its numbers were read.
"""

import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from experiments.documents.places import ROOT
from fmq_theory.certify import Enclosure, best_multiple
from fmq_theory.certify.scaled import ScaledLaw
from fmq_theory.claims.oracle.design import Optimum, optimum_of, scaled_law
from fmq_theory.claims.oracle.table_file import Table, read_table

REFERENCE = ROOT / "tests" / "reference"
DATA = ROOT / "fmq_theory" / "data"

LAWS = {
    "N(0, 1)": scaled_law("gaussian", None, "1"),
    "Laplace": scaled_law("laplace", None, "1"),
    "Student-t(5)": scaled_law("student-t", "5", "1"),
}
"""Each of standard deviation 1."""

FORMATS = (
    DATA / "nf4.json",
    REFERENCE / "af4.json",
    *(REFERENCE / f"sf4_{nu}.json" for nu in range(3, 8)),
    REFERENCE / "iq4_nl.json",
    REFERENCE / "cb4.json",
    DATA / "fp4.json",
)
GRIDS = tuple(REFERENCE / f"higgs_1d_{size}.json" for size in (4, 8, 16))
DIGITS = 30


@dataclass(frozen=True, slots=True)
class Verdict:
    """A table at its best scale on a law.

    Attributes:
        scale: the multiple of the table.
        distortion: at that multiple, nearest levels, variance 1.
        excess: distortion over the least one of as many levels, minus 1.
        certified: whether no other multiple is as good, and the least distortion is proven to the digits
            shown.
    """

    scale: Enclosure
    distortion: Enclosure
    excess: Enclosure
    certified: bool


def read_reference(path: Path) -> dict[str, Any]:
    """A reference file: its name, its source, its numbers."""
    return json.loads(path.read_text("utf-8"))


@cache
def least(law: str, num_levels: int) -> Optimum:
    """The least distortion of that many levels, by log-concavity or by the global search."""
    return optimum_of(LAWS[law], num_levels, digits=DIGITS)


@cache
def at_best_scale(path: Path, law: str) -> Verdict:
    """The table of the file at the multiple of least distortion, by a global search over the multiples."""
    source, table = LAWS[law], read_table(str(path))
    found = best_multiple(source.law, table.levels, digits=DIGITS)
    value = source.stretched_square(found.distortion, digits=DIGITS)
    optimum = least(law, len(table.levels))
    return Verdict(
        source.stretched([found.scale], digits=DIGITS)[0],
        value,
        value / optimum.value - 1,
        found.verdict == optimum.verdict == "CERTIFIED",
    )


def as_given(table: Table, source: ScaledLaw) -> Enclosure:
    """Its distortion unscaled, with nearest levels."""
    middles = [(a + b) / 2 for a, b in zip(table.levels, table.levels[1:], strict=False)]
    return source.distortion(table.levels, middles, digits=DIGITS)


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed distortion beside the certified minimum.

    Attributes:
        num_levels: K.
        text: as printed.
        minimum: the least distortion of K levels on N(0, 1).
        below: whether even text + half a unit of its last digit is below the minimum: no rounding explains
            it.
        above: whether even text - half a unit of its last digit is above the minimum.
    """

    num_levels: int
    text: str
    minimum: Enclosure
    below: bool
    above: bool


def printed(num_levels: int, text: str) -> Printed:
    """Judge one printed number."""
    value, half = Fraction(text), Fraction(1, 2 * 10 ** len(text.partition(".")[2]))
    minimum = least("N(0, 1)", num_levels).value
    return Printed(num_levels, text, minimum, value + half < minimum.lower, value - half > minimum.upper)


def max_1960() -> list[Printed]:
    """Max's table I, the entries of the reference file."""
    table = read_reference(REFERENCE / "max1960.json")
    return [printed(n, text) for n, text in zip(table["levels"], table["mean_squared_error"], strict=True)]


def turboquant() -> list[Printed]:
    """TurboQuant's four numbers against the optimum of N(0, 1)."""
    table = read_reference(REFERENCE / "turboquant.json")
    return [printed(2**b, text) for b, text in zip(table["bits"], table["mean_squared_error"], strict=True)]
