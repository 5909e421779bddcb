"""What ``fmq codebook --json`` writes: a certificate, and its codebook at a chosen standard deviation."""

import re
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath as mp

from proofs_check.independent.laws import Law
from proofs_check.independent.reading import (
    MOST_DIGITS,
    ends,
    fields,
    refuse_unless,
    require,
    same,
    whole,
)
from proofs_check.independent.stationary import cells_of, stationary

__all__ = ["DOCUMENT", "check_document"]

DOCUMENT = "fmq-codebook-2"
FLOOR = "; Shannon's bound is the lower end"
UNPROVEN = (
    "the search ran out of effort before it isolated one codebook; the optimum is enclosed",
    "the global search is limited to 16 cells; no lower bound was computed",
)
FIELDS = (
    *("format", "source", "deviation", "digits", "criterion", "num_levels", "verdict", "proof", "levels"),
    *("thresholds", "distortion", "least_of_kind", "optimum", "entropy_bits", "shannon_at_levels"),
    *("shannon_at_entropy", "certificate"),
)


def check_document(data: Any, codebook: Callable[[Any], tuple[list[mp.mpf], str]]) -> str:
    """The certificate, by ``codebook``; then that every other entry follows from it."""
    entry = dict(zip(FIELDS, fields(data, *FIELDS), strict=True))
    cert = entry["certificate"]
    refuse_unless(
        cert is not None,
        "it has no certificate, so nothing of it can be checked: there is one for the criterion mse",
    )
    same(entry["criterion"], "mse", "the criterion, of which there are certificates,")
    refuse_unless(type(cert) is dict, "malformed: certificate")
    found, said = codebook(cert)
    law, digits = Law(cert["law"]), whole(entry["digits"], 1, MOST_DIGITS, "digits")
    deviation = _deviation(entry["deviation"])
    plain = str(deviation) if deviation.denominator == 1 else f"{float(deviation):g}"
    same(entry["source"], f"{law.label}, standard deviation {plain}", "source")
    same(entry["num_levels"], cert["num_levels"], "num_levels")
    optimal = cert["verdict"] == "CERTIFIED"
    same(entry["verdict"], "CERTIFIED" if optimal else "INCONCLUSIVE", "verdict")
    with mp.workdps(digits + 60 + _size(found, deviation)):
        _numbers(entry, law, found, deviation, digits)
    same(entry["least_of_kind"], entry["optimum"], "least_of_kind, which is the optimum,")
    if optimal:
        refuse_unless(cert["among"] == "all", "the best of the symmetric codebooks is no answer to mse")
        same(entry["proof"], cert["argument"], "proof")
        same(entry["optimum"], entry["distortion"], "the optimum, which is the distortion,")
        return said
    low, high = ends(entry["optimum"], digits, "optimum")
    same(high, ends(entry["distortion"], digits, "distortion")[1], "the optimum's upper end")
    refuse_unless(low >= 0, "the optimum: its lower end is negative")
    proof = entry["proof"] if type(entry["proof"]) is str else ""
    refuse_unless(proof.removesuffix(FLOOR) in UNPROVEN, "proof is not what the other fields say")
    refuse_unless(low == 0 or proof != UNPROVEN[1], "the optimum's lower end was not computed")
    if proof.endswith(FLOOR):
        floor = ends(entry["shannon_at_levels"], digits, "shannon_at_levels")[0]
        same(low, min(floor, high), "the optimum's lower end, Shannon's bound,")
        return f"{said}; no codebook is below the optimum's lower end"
    return f"{said}; whether a codebook is below the optimum's lower end was not checked"


def _deviation(text: Any) -> Fraction:
    plain = type(text) is str and re.fullmatch(r"[1-9][0-9]{0,110}(/[1-9][0-9]{0,110})?", text)
    value = Fraction(text) if plain else Fraction(0)
    inside = Fraction(1, 10**100) <= value <= 10**100 and str(value) == text
    refuse_unless(inside, "deviation is not p or p/q in lowest terms within 1e-100 to 1e100")
    return value


def _size(levels: list[mp.mpf], deviation: Fraction) -> int:
    """Digits before the point of squared levels, in either scale."""
    return 3 * (len(str(int(max(map(abs, levels))))) + len(str(int(deviation))))


def _numbers(entry: dict[str, Any], law: Law, found: list[mp.mpf], deviation: Fraction, digits: int) -> None:
    factor = mp.mpf(deviation.numerator) / deviation.denominator / mp.sqrt(2 * law.tails(mp.mpf(0))[2])
    unit = mp.mpf(10) ** -digits
    levels, distortion = stationary(law, found, mp.mpf(1), min(unit, unit / factor) * mp.mpf(10) ** -20)
    cuts = [(a + b) / 2 for a, b in pairwise(levels)]
    for name, values in (("levels", levels), ("thresholds", cuts)):
        given = entry[name]
        refuse_unless(type(given) is list and len(given) == len(values), f"{name}: another number of them")
        for k, (number, value) in enumerate(zip(given, values, strict=True)):
            require(number, factor * value, digits, f"{name} {k}")
    require(entry["distortion"], factor**2 * distortion, digits, "distortion")
    masses = [cell[0] for cell in cells_of(law, cuts)]
    entropy = -mp.fsum(mass * mp.log(mass, 2) for mass in masses if mass > 0)
    require(entry["entropy_bits"], entropy, digits, "entropy_bits")
    # No code of R bits has a distortion below exp(2 h)/(2 pi e) 4^(-R), h = h(X) + ln(factor).
    most = factor**2 * mp.exp(2 * law.entropy() - 1) / (2 * mp.pi)
    require(entry["shannon_at_levels"], most / mp.mpf(len(levels)) ** 2, digits, "shannon_at_levels")
    require(entry["shannon_at_entropy"], most / mp.mpf(4) ** entropy, digits, "shannon_at_entropy")
