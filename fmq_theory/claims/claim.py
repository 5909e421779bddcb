"""What a claim is: a prediction, a measurement, how the two must relate, and a mutation that must fail.

A quantity is an ``Enclosure`` (proven), an ``Estimate`` (statistics, or floats without a rounding
proof) or ``math.inf`` (a bound that says nothing). Only two enclosures can earn CERTIFIED.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from fmq_theory.certify import Enclosure
from fmq_theory.metrics import Estimate

__all__ = [
    "CaseResult",
    "Claim",
    "ControlFinding",
    "Finding",
    "Inputs",
    "Missing",
    "NegativeControl",
    "Quantity",
    "Relation",
    "Values",
    "Verdict",
]

Quantity = Enclosure | Estimate | float
Values = Mapping[str, Quantity]
"""A quantity for each case; a case is named as the evidence prints it: ``laplace, b = 4``."""


class Verdict(Enum):
    """What became of a claim; the value is the meaning."""

    CERTIFIED = "holds in every case, and both sides are proven enclosures"
    SUPPORTED = "holds in every case, by measurement"
    INCONCLUSIVE = "an input is missing, or an interval cannot tell"
    REFUTED = "fails in at least one case"
    VACUOUS = "the prediction is infinite, so there is nothing to fail"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a claim may need and the register cannot make by itself.

    Attributes:
        checkpoint: real weights.
        fidelity: samples compared with the full-precision network's, as JSON (see ``sampled_runs``), a
            file a network.
    """

    checkpoint: Path | None = None
    fidelity: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """The argument without which a claim cannot be decided."""

    argument: str
    reason: str


@dataclass(frozen=True, slots=True)
class Relation:
    """How a measured quantity must relate to the predicted one.

    Attributes:
        symbol: read as "measured <symbol> predicted".
        holds: True or False where the two ranges decide it, None where they overlap the edge.
        severity: how near a case is to failing, or how far beyond; larger is worse. It only chooses
            the case that the evidence names.
    """

    symbol: str
    holds: Callable[[Quantity, Quantity], bool | None]
    severity: Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class NegativeControl:
    """The same claim with a wrong prediction: it must be refuted, and for the stated reason.

    Attributes:
        mutation: what is wrong with the prediction.
        reason: why the measurement must expose it.
        predict: the wrong prediction.
        fails_at: part of the name of a case that must be refuted.
    """

    mutation: str
    reason: str
    predict: "Callable[[Inputs], Values | Missing]"
    fails_at: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of the register.

    Attributes:
        id: P1...: the paper's, as reconstructed; C1...: ours.
        statement: the precise statement that is tested.
        domain: where it is tested.
        predicted: the predicted quantity in words.
        measured: the measured quantity in words.
        predict: predicted values by case.
        measure: measured values by case; cases that lack a prediction are an error.
        relation: what must hold between them.
        negative_control: the mutation.
        remark: what the reader must know beside the verdict.
    """

    id: str
    statement: str
    domain: str
    predicted: str
    measured: str
    predict: Callable[[Inputs], Values | Missing]
    measure: Callable[[Inputs], Values | Missing]
    relation: Relation
    negative_control: NegativeControl
    remark: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case: both quantities, whether the relation holds, and whether both sides are proven."""

    case: str
    predicted: Quantity
    measured: Quantity
    holds: bool | None
    rigorous: bool

    @property
    def vacuous(self) -> bool:
        """Whether the prediction is infinite."""
        return isinstance(self.predicted, (int, float)) and math.isinf(self.predicted)


@dataclass(frozen=True, slots=True)
class ControlFinding:
    """What became of a negative control; ``caught`` is what every run requires."""

    verdict: Verdict
    caught: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one claim.

    Attributes:
        claim: the claim.
        verdict: the verdict.
        domain_checked: the domain, and how many cases stood for it.
        evidence: one line with the numbers that decide.
        details: every case.
        control: the negative control's result; None where an input is missing.
    """

    claim: Claim
    verdict: Verdict
    domain_checked: str
    evidence: str
    details: tuple[CaseResult, ...]
    control: ControlFinding | None
