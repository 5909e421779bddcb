"""Edited tables of sensitivities and of levels: what is read is what is written, or they are refused."""

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from experiments.fuzz.documents import edits
from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory.checkpoint.plan.sensitivities import read_sensitivities
from fmq_theory.claims.oracle.table_file import read_table

__all__ = ["CODEBOOK_TABLES", "SENSITIVITIES"]

_SENSITIVITIES = (
    {"first.weight": 1.5, "middle.weight": 0.0, "last.weight": 1e-3, "head": 7},
    {
        "format": "fmq-flow-2",
        "layers": [
            {"name": "first.weight", "weight_change": 0.5, "measured": 0.25},
            {"name": "last.weight", "weight_change": 0.25, "measured": 1.0},
        ],
    },
)
_TABLES = (
    [-1.5, -0.5, 0.5, 1.5],
    {"levels": ["-3/2", -0.25, "0.1", 2], "thresholds": [-1, 0, 1.5], "comment": "by hand"},
    {"levels": [{"lower": "-1.25", "upper": "-1.20"}, {"lower": "0.30", "upper": "0.31"}]},
)


def _trials(
    documents: tuple[Any, ...],
    read: Callable[[Path, bytes], None],
    rng: np.random.Generator,
    folder: Path,
) -> Iterator[Trial]:
    path = folder / "table.json"
    made = []
    for number, document in enumerate(documents):
        text = json.dumps(document).encode()
        yield Trial(f"table {number}, as written", partial(read, path, text))
        made.append(edits(document, rng))
    while True:
        for number, one in enumerate(made):
            what, content = next(one)
            yield Trial(f"table {number}: {what}", partial(read, path, content))


def _values(content: bytes, number: Callable[[str], Any]) -> Any:
    """The JSON values of a text that the reader took: each number is made by ``number``."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise WrongAnswerError("a field that is written twice is read")
        return found

    return json.loads(
        content.decode("utf-8"), object_pairs_hook=once, parse_float=number, parse_int=number,
        parse_constant=lambda word: word,
    )  # fmt: skip


def _sensitivities(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = read_sensitivities(path)
    if not all(np.isfinite(value) and value >= 0.0 for value in found.values()):
        raise WrongAnswerError("a sensitivity that is not finite, or negative")
    said = _values(content, float)
    if str(said.get("format", "")).startswith("fmq-flow-"):
        wanted = {row["name"]: row["measured"] / row["weight_change"] for row in said["layers"]
                  if row["weight_change"] > 0.0}  # fmt: skip
        names = list(wanted)
        for one, other in pairwise(names):  # ratios: the scale is free
            left = found[one] * wanted[other] ** 2
            right = found[other] * wanted[one] ** 2
            if not np.isclose(left, right, rtol=1e-9, atol=0.0):
                raise WrongAnswerError(f"sensitivities {found} of {wanted}")
    else:
        wanted = said
    if found.keys() != wanted.keys() or (wanted is said and found != wanted):
        raise WrongAnswerError(f"read {found}, written {wanted}")


def _levels(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = read_table(str(path))
    said = _values(content, str)
    given = said if isinstance(said, list) else said["levels"]
    if list(found.levels) != [_exact(level) for level in given]:
        raise WrongAnswerError(f"levels {found.levels}"[:200])
    cuts = None if isinstance(said, list) else said.get("thresholds")
    if (found.thresholds is None) != (cuts is None):
        raise WrongAnswerError("thresholds are lost or made up")
    if cuts is not None and list(found.thresholds or ()) != [_exact(cut) for cut in cuts]:
        raise WrongAnswerError(f"thresholds {found.thresholds}"[:200])


def _exact(level: Any) -> Fraction:
    if isinstance(level, dict):
        return (Fraction(level["lower"]) + Fraction(level["upper"])) / 2
    return Fraction(level)


SENSITIVITIES = Campaign(
    "sensitivities",
    "finite numbers >= 0 that are those of the text, or a refusal",
    partial(_trials, _SENSITIVITIES, _sensitivities),
    whole=10_000,
)
CODEBOOK_TABLES = Campaign(
    "codebook tables",
    "levels and thresholds that are exactly those of the text, or a refusal",
    partial(_trials, _TABLES, _levels),
    whole=10_000,
)
