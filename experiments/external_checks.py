"""Published tables of levels, judged by the codebook oracle.

``python -m experiments.external_checks`` writes docs/external-checks.md, ``--check`` compares it with what
comes out now. Each table is a file of tests/reference (or of the package) that says where its numbers were
read. What is certified and what is only numeric is said on the page, in the sentence that says it.
"""

import argparse
import difflib
import json
import math
import sys
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from fmq_theory.certify import Enclosure, best_multiple, optimal_equal_steps
from fmq_theory.certify.scaled import ScaledLaw
from fmq_theory.claims.oracle import Optimum, optimum_of, scaled_law
from fmq_theory.claims.table_file import Table, read_table
from fmq_theory.report import write_text_atomically

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "external-checks.md"
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
_DIGITS = 30


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


def told(path: Path) -> dict[str, Any]:
    """A reference file: its name, its source, its numbers."""
    return json.loads(path.read_text("utf-8"))


@cache
def least(law: str, num_levels: int) -> Optimum:
    """The least distortion of that many levels, by log-concavity or by the global search."""
    return optimum_of(LAWS[law], num_levels, digits=_DIGITS)


@cache
def at_best_scale(path: Path, law: str) -> Verdict:
    """The table of the file at the multiple of least distortion, by a global search over the multiples."""
    source, table = LAWS[law], read_table(str(path))
    found = best_multiple(source.law, table.levels, digits=_DIGITS)
    value = source.stretched_square(found.distortion, digits=_DIGITS)
    optimum = least(law, len(table.levels))
    return Verdict(
        source.stretched([found.scale], digits=_DIGITS)[0],
        value,
        value / optimum.value - 1,
        found.verdict == optimum.verdict == "CERTIFIED",
    )


def as_given(table: Table, source: ScaledLaw) -> Enclosure:
    """Its distortion unscaled, with nearest levels."""
    middles = [(a + b) / 2 for a, b in zip(table.levels, table.levels[1:], strict=False)]
    return source.distortion(table.levels, middles, digits=_DIGITS)


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
    table = told(REFERENCE / "max1960.json")
    return [printed(n, text) for n, text in zip(table["levels"], table["mean_squared_error"], strict=True)]


def turboquant() -> list[Printed]:
    """TurboQuant's four numbers against the optimum of N(0, 1)."""
    table = told(REFERENCE / "turboquant.json")
    return [printed(2**b, text) for b, text in zip(table["bits"], table["mean_squared_error"], strict=True)]


def planar_distortion(points: NDArray[np.float64], nodes: int) -> float:
    """E min_k |X - p_k|^2 / 2 for X ~ N(0, I) in the plane: numeric, not certified.

    On a line of constant x_1, |x - p_k|^2 - |x|^2 is linear in x_2, so the nearest point changes where the
    lower envelope of lines does, and the integral over x_2 is a closed form in the normal law's partial
    moments. The trapezoidal rule over x_1 in [-9, 9] does the rest.
    """
    lines = np.linspace(-9.0, 9.0, nodes)
    weights = np.exp(-(lines**2) / 2) / math.sqrt(2 * math.pi) * (lines[1] - lines[0])
    total = 2.0
    for x, weight in zip(lines, weights, strict=True):
        total += weight * _mean_of_envelope(
            -2 * points[:, 1], np.sum(points**2, axis=1) - 2 * x * points[:, 0]
        )
    return total / 2


def _mean_of_envelope(slopes: NDArray[np.float64], heights: NDArray[np.float64]) -> float:
    """E min_k (slope_k Y + height_k), Y ~ N(0, 1)."""
    order = np.lexsort((heights, -slopes))  # from the left the steepest line is the lowest
    hull: list[int] = []
    starts: list[float] = []
    for k in order:
        start = -math.inf
        while hull:
            top = hull[-1]
            if slopes[top] == slopes[k]:
                break
            start = float((heights[k] - heights[top]) / (slopes[top] - slopes[k]))
            if start > starts[-1]:
                break
            hull.pop()
            starts.pop()
            start = -math.inf
        if hull and slopes[hull[-1]] == slopes[k]:
            continue  # the same slope and not lower
        hull.append(int(k))
        starts.append(start)
    edges = np.array([*starts, math.inf])
    mass = np.diff(ndtr(edges))
    density = np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi)
    return float(heights[hull] @ mass - slopes[hull] @ np.diff(density))


# --- the page ---------------------------------------------------------------------------------------


def page() -> str:
    """docs/external-checks.md."""
    parts = [_HEAD, _formats(), _steps(), _grids(), _planar(), _max(), _turboquant(), _left_out(), _sources()]
    return "\n\n".join(parts) + "\n"


_HEAD = """# External checks

Generated by `python -m experiments.external_checks`; do not edit.

Published tables of levels and published distortions, judged by the oracle of `fmq codebook`. Where each table
was read stands at the end of the page; the numbers are in `tests/reference`, and
`tests/experiments/test_external_checks.py` holds them to this page. Every law has standard deviation 1.

Where a number is called certified, it is an enclosure in ball arithmetic whose digits shown are proven: the
distortion of the table; the least distortion of as many levels (on N(0, 1) and Laplace because a log-concave
law has one stationary codebook, on Student-t(5) by a search over all codebooks); and the scale, by a search
over all scales. To repeat a row: `fmq codebook --source gaussian --check nf4 --best-scale`."""


def _formats() -> str:
    laws = list(LAWS)
    lines = [
        "## Formats of four bits at their best scale",
        "",
        "The scale that multiplies the published levels, and by how much the mean squared error "
        "exceeds the least one of "
        "as many levels. The scale is the best one on the law; a block that is scaled by its largest "
        "weight has another.",
        "",
        "| table | levels | "
        + " | ".join(f"{law}: scale | error | above the optimum" for law in laws)
        + " |",
        "|---|---:|" + "---:|---:|---:|" * len(laws),
    ]
    verdicts = [at_best_scale(path, law) for path in FORMATS for law in laws]
    for path in FORMATS:
        table, cells = read_table(str(path)), list[str]()
        for law in laws:
            found = at_best_scale(path, law)
            cells += [_digits(found.scale, 6), _digits(found.distortion, 6), _percent(found.excess)]
        lines.append(f"| {told(path)['name']} | {len(table.levels)} | " + " | ".join(cells) + " |")
    count = sum(found.certified for found in verdicts)
    lines += ["", f"{count} of {len(verdicts)} entries are certified, scale, error and optimum alike."]
    return "\n".join(lines)


def _steps() -> str:
    lines = [
        "## Sixteen equal steps",
        "",
        "For comparison: the best equally spaced levels over all steps and offsets, certified. On "
        "the Laplace law the best "
        "grid is off centre.",
        "",
        "| law | step | offset | error | above the optimum |",
        "|---|---:|---:|---:|---:|",
    ]
    for law, source in LAWS.items():
        found = optimal_equal_steps(source.law, 16, digits=_DIGITS)
        step, offset = source.stretched([found.step, found.offset], digits=_DIGITS)
        value = source.stretched_square(found.distortion, digits=_DIGITS)
        excess = _percent(value / least(law, 16).value - 1)
        verdict = "" if found.verdict == "CERTIFIED" else " (best found)"
        lines.append(
            f"| {law}{verdict} | {_digits(step, 6)} | {_digits(offset, 6)} | {_digits(value, 6)} | {excess} |"
        )
    return "\n".join(lines)


def _grids() -> str:
    lines = [
        "## HIGGS, one dimension",
        "",
        "Levels for N(0, 1), judged as given. Certified.",
        "",
        "| levels | error | least | above the optimum |",
        "|---:|---:|---:|---:|",
    ]
    for path in GRIDS:
        table = read_table(str(path))
        value, optimum = as_given(table, LAWS["N(0, 1)"]), least("N(0, 1)", len(table.levels)).value
        excess = (value / optimum - 1).upper_float
        lines.append(
            f"| {len(table.levels)} | {_digits(value, 10)} | {_digits(optimum, 10)} | at most {excess:.1e} |"
        )
    return "\n".join(lines)


def _planar() -> str:
    data = told(REFERENCE / "higgs_2d_16.json")
    points = np.array(data["points"], dtype=np.float64)
    value = planar_distortion(points, 7201)
    scalar = float(least("N(0, 1)", 4).value)
    gain = 10 * math.log10(scalar / value)
    return f"""## HIGGS, two dimensions

The grid of {len(points)} points in the plane has two bits a coordinate. Its error on N(0, I) is {value:.6f} a
coordinate: numeric (a closed form along lines, the trapezoidal rule across them), **not certified**. The
least error of four levels a coordinate, certified, is {_digits(least("N(0, 1)", 4).value, 6)}, so the plane
gains {gain:.2f} dB; Shannon's bound at two bits is 1/16. How far the grid is from the best one of
{len(points)} points in the plane the oracle cannot say: it proves optima on the line only."""


def _max() -> str:
    rows = max_1960()
    below = ", ".join(f"N = {row.num_levels}" for row in rows if row.below)
    return "\n".join(
        [
            "## Max 1960",
            "",
            "Table I: mean squared error of the optimum quantizer of N levels on N(0, 1), as printed.",
            "",
            *_printed_rows(rows, "N"),
            "",
            f"At {below} the printed number is *below* the certified minimum by more than a "
            "rounding of its last digit: no quantizer of that size has that error. Only the entries "
            "of the reference file were judged.",
        ]
    )


def _turboquant() -> str:
    rows = turboquant()
    below = ", ".join(f"{row.num_levels.bit_length() - 1}" for row in rows if row.below)
    return "\n".join(
        [
            "## TurboQuant",
            "",
            "Mean squared error of b bits a coordinate, as printed, against the certified minimum of "
            "N(0, 1), the law of a "
            "coordinate times the square root of d as d grows.",
            "",
            *_printed_rows(rows, "levels"),
            "",
            f"At b = {below} the printed number is below the minimum of N(0, 1) by more than a rounding "
            "of its last digit: it is cut off, not rounded. For a finite d a coordinate follows "
            "another law, of bounded "
            "support, which is not "
            "judged here.",
        ]
    )


def _printed_rows(rows: list[Printed], size: str) -> list[str]:
    lines = [f"| {size} | printed | certified minimum | printed against it | |", "|---:|---:|---:|---:|---|"]
    for row in rows:
        off = 100 * (float(Fraction(row.text)) / float(row.minimum) - 1)
        word = "below" if row.below else "above" if row.above else "equal to its digits"
        lines.append(f"| {row.num_levels} | {row.text} | {_digits(row.minimum, 8)} | {off:+.3f} % | {word} |")
    return lines


def _left_out() -> str:
    return """## Left out

* Lloyd (1957, published 1982): no copy of the paper could be read here, so none of its printed numbers is
  quoted. Its two conditions are what `fmq codebook --check` tests on every table.
* HIGGS grids of 64 and 256 points in the plane: as for 16 points only a numeric value could be given."""


def _sources() -> str:
    files = [
        *FORMATS,
        *GRIDS,
        *(REFERENCE / f"{name}.json" for name in ("higgs_2d_16", "max1960", "turboquant")),
    ]
    lines = [f"* {told(path).get('name', 'Max 1960')}: {told(path)['source']}." for path in files]
    return "\n".join(["## Sources", "", *lines])


def _digits(value: Enclosure, digits: int) -> str:
    """As many significant digits as asked for; fewer where the enclosure does not carry them."""
    for places in range(digits, 0, -1):
        low, high = (f"{float(end):.{places}g}" for end in (value.lower, value.upper))
        if low == high:
            return low
    return f"{value.lower_float:.{digits}g} to {value.upper_float:.{digits}g}"


def _percent(excess: Enclosure) -> str:
    low, high = (f"{100 * float(end):.2f} %" for end in (excess.lower, excess.upper))
    return low if low == high else f"{low} to {high}"


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(prog="python -m experiments.external_checks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    chosen = parser.parse_args(arguments)
    now = page()
    if not chosen.check:
        write_text_atomically(PAGE, now)
        print(f"{PAGE.relative_to(ROOT)} is written")
        return 0
    then = PAGE.read_text("utf-8") if PAGE.exists() else ""
    if now == then:
        print("docs/external-checks.md is what comes out now")
        return 0
    sys.stdout.writelines(
        difflib.unified_diff(then.splitlines(True), now.splitlines(True), "the page", "what comes out now")
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
