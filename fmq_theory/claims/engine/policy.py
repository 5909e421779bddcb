"""The register's statistical policy: how sure the intervals of a claim are, and which cases a claim has.

A claim with m sampled quantities in its cases gives each an interval at the confidence 1 - 0.05/m. By
Bonferroni's inequality all of them cover together with probability 95 % or more, however they depend on one
another, so a verdict that rests on them is wrong with probability 5 % at most, if each covers as it says.
That of a median does for every law: its ends are order statistics and are not interpolated (``Estimate.at``).
Student's of a mean does as far as the experiment ``coverage`` shows. The judge does this to every claim; a
claim cannot choose another level.

Reference: Bonferroni's inequality; Lehmann and Romano, Testing Statistical Hypotheses, 3rd ed. (2005),
    section 9.1.
"""

from fmq_theory.claims.engine.claim import Quantity, Values
from fmq_theory.metrics import Estimate

__all__ = ["FAMILY_LEVEL", "POLICY", "at_family_level", "case_confidence", "level_in_words", "num_sampled"]

FAMILY_LEVEL = 0.05
"""How often a verdict that rests on samples may be wrong."""

POLICY = (
    "**Level.** The intervals of a claim hold together: where its cases have m sampled quantities, each "
    "has an interval at the confidence 1 − 0.05/m (Bonferroni). All of them then cover with probability "
    "95 % or more, however they depend on one another, and a verdict that rests on them is wrong with "
    "probability 5 % at most, as far as each covers as it says. The level is per claim: no correction is "
    "made over the claims of the register.",
    "**Cases.** Laws, sizes, schemes and bit-widths are fixed before anything is measured, by a rule on "
    "the inputs (the name of a law, the number of weights in a channel). No case enters or leaves by what "
    "was measured.",
    "**Intervals.** Of the median of independent repeats, from one order statistic to another, X_(k) to "
    "X_(m+1−k), at the largest k at which they cover with the level or more; this holds for every law, "
    "atoms included. Nothing is interpolated here, as it is in the 95 % intervals of the tables. Of a mean, "
    "by Student's, of scores of samples alone, where the experiment `coverage` counted how often it "
    "covers: there the probability is nominal on what was tried, not proven. Where no honest interval "
    "exists none is made, and a case without one decides nothing: with too few repeats for the level the "
    "verdict is INCONCLUSIVE.",
    "**No interval is needed** for what is not sampled: enclosures, and numbers of given data, such as "
    "the ratios of one checkpoint or both sides of an inequality on the samples in a file. Such a verdict "
    "speaks of these data alone.",
)
"""In sentences, for the document."""


def case_confidence(num_intervals: int) -> float:
    """1 - 0.05/m, the confidence of each of m intervals that hold together at 95 %."""
    return 1.0 - FAMILY_LEVEL / max(1, num_intervals)


def num_sampled(*sides: Values) -> int:
    """m: how many quantities of a claim, predicted or measured, are estimates from samples."""
    return sum(_is_sampled(quantity) for side in sides for quantity in side.values())


def at_family_level(predicted: Values, measured: Values) -> tuple[Values, Values]:
    """Both sides of a claim with every sampled quantity's interval at the family's confidence.

    Args:
        predicted: by case.
        measured: by case.
    """
    confidence = case_confidence(num_sampled(predicted, measured))
    first, second = (
        {case: _at(quantity, confidence) for case, quantity in side.items()} for side in (predicted, measured)
    )
    return first, second


def level_in_words(predicted: Values, measured: Values) -> str:
    """``21 intervals, each at 99.76 %``; empty where nothing is sampled."""
    count = num_sampled(predicted, measured)
    if not count:
        return ""
    each = "each " if count > 1 else ""
    return f"{count} interval{'s' if count > 1 else ''}, {each}at {100 * case_confidence(count):.4g} %"


def _is_sampled(quantity: Quantity) -> bool:
    return isinstance(quantity, Estimate) and quantity.confidence < 1.0


def _at(quantity: Quantity, confidence: float) -> Quantity:
    return quantity.at(confidence) if isinstance(quantity, Estimate) and _is_sampled(quantity) else quantity
