"""What a claim is: a prediction, a measurement, how the two must relate, and what wrong ones are near.

A quantity is an ``Enclosure`` (proven), an ``Estimate`` (statistics, or floats without a rounding
proof) or ``math.inf`` (a bound that says nothing). Only two enclosures can earn CERTIFIED.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path

from fmq_theory.certify import Enclosure
from fmq_theory.metrics import Estimate

__all__ = [
    "CaseResult",
    "Claim",
    "ControlFinding",
    "Finding",
    "Inputs",
    "Kind",
    "Missing",
    "Mutation",
    "Near",
    "NegativeControl",
    "Origin",
    "Quantity",
    "Relation",
    "Resolution",
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


class Origin(Enum):
    """Whose statement a claim is; the value is the meaning. That one of the paper is refuted is a result."""

    PAPER = "the paper's, as reconstructed"
    OURS = "ours, in place of what is not so: it must hold"


class Kind(Enum):
    """What a verdict speaks of; the value is the meaning."""

    STATEMENT = "a statement that the cases can refute"
    THEOREM = "a theorem checked in floats: it cannot fail, so that what the cases test is the code"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a claim may need and the register cannot make by itself.

    Attributes:
        checkpoint: real weights.
        fidelity: samples compared with the full-precision network's, as JSON (see ``sampled_runs``), a
            file a network.
        include: patterns of names: which tensors of the checkpoint; none for all of its weights.
    """

    checkpoint: Path | None = None
    fidelity: tuple[Path, ...] = ()
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """The argument without which a claim cannot be decided."""

    argument: str
    reason: str


@dataclass(frozen=True, slots=True)
class Near:
    """How far from the prediction a wrong one may be and still count as a near one.

    Attributes:
        limit: the largest size: 1 means a factor of 1 + 1 where ``unit`` is None, else so many units.
        unit: None where predictions are changed by a factor, else what a difference is counted in.
        whole: whether the predicted quantity is an integer, so that only whole differences are wrong ones.
    """

    limit: Fraction
    unit: str | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Mutation:
    """Wrong predictions, one for each size > 0, that demand more the larger the size is.

    Attributes:
        words: what is wrong, with ``{}`` for the size: ``a bound {} smaller``.
        relaxed: the same for a prediction that asks for less: ``a bound {} larger``.
        near: the largest size that counts as near, and whether a size is a factor or a difference.
        change: the wrong prediction from case, prediction and size; None where there is nothing to change. A
            negative size asks for less than the prediction does.
    """

    words: str
    relaxed: str
    near: Near
    change: Callable[[str, Quantity, Fraction], Enclosure | None]


@dataclass(frozen=True, slots=True)
class Relation:
    """How a measured quantity must relate to the predicted one.

    Attributes:
        symbol: read as "measured <symbol> predicted".
        holds: True or False where the two ranges decide it, None where they overlap the edge.
        severity: how near a case is to failing, or how far beyond; larger is worse. It only chooses
            the case that the evidence names.
        mutations: every way in which a prediction of this kind can be a little wrong.
    """

    symbol: str
    holds: Callable[[Quantity, Quantity], bool | None]
    severity: Callable[[float, float], float]
    mutations: Callable[[Near], tuple[Mutation, ...]]


@dataclass(frozen=True, slots=True)
class NegativeControl:
    """The same claim with a prediction that is wrong in its form: it must be refuted where it says.

    A wrong prediction that is far from the right one shows nothing, so it must also be near where it fails:
    the judge counts it as caught only there (``Claim.near``).

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One statement of the register.

    Attributes:
        id: its name in documents and options, and its reading if it has several: ``C12``, ``P4-W2``.
        origin: whose statement it is.
        title: what it is about, in a few words: for headings and tables of contents.
        statement: the precise statement that is tested.
        domain: what the cases do not say of where it is tested, such as how they are drawn or to how many
            digits; empty where they say all. Their laws, bit-widths and number are gathered from the cases.
        predicted: the predicted quantity in words.
        measured: the measured quantity in words.
        predict: predicted values by case.
        measure: measured values by case; cases that lack a prediction are an error.
        relation: what must hold between them.
        negative_control: a prediction of another form that must fail nearby; None where the resolution says
            all.
        remark: what the reader must know beside the verdict.
        near: how near a wrong prediction must be for the claim to have a resolution.
        mutations: ways to be wrong beside the relation's own, such as ``steeper``.
        kind: whether the cases can refute it at all.
    """

    id: str
    origin: Origin
    title: str
    statement: str
    predicted: str
    measured: str
    predict: Callable[[Inputs], Values | Missing]
    measure: Callable[[Inputs], Values | Missing]
    relation: Relation
    negative_control: NegativeControl | None = None
    remark: str = ""
    near: Near = Near(Fraction(1))
    mutations: tuple[Mutation, ...] = ()
    kind: Kind = Kind.STATEMENT
    domain: str = ""


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
class Resolution:
    """The smallest change of a prediction that the measurements tell from the truth.

    Attributes:
        mutation: how the prediction is changed.
        size: the smallest size that some case refutes, to two digits; None if none does.
        case: that case; empty if there is none.
        near: whether ``size`` counts as near.
        near_cases: how many cases refute the largest near change.
        cases: how many cases there are that the claim itself does not fail.
        rescue: the smallest relaxation with which no case that this mutation concerns would fail; None where
            the claim fails nowhere, or fails beyond any.
    """

    mutation: Mutation
    size: Fraction | None
    case: str
    near: bool
    near_cases: int
    cases: int
    rescue: Fraction | None


@dataclass(frozen=True, slots=True)
class ControlFinding:
    """What became of a negative control.

    Attributes:
        verdict: on the wrong prediction.
        caught: whether it was refuted at its case, by a prediction that is near the right one there.
        evidence: the case, or why it does not count.
    """

    verdict: Verdict
    caught: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one claim.

    Attributes:
        claim: the claim.
        verdict: the verdict.
        domain_checked: what the claim says of its cases, their number, and how sure their intervals are.
        evidence: one line with the numbers that decide.
        details: every case.
        control: the negative control's result; None where there is none or an input is missing.
        resolutions: the claim's resolution for each way to be wrong; empty where an input is missing.
        cases: the cases in words, the same ones gathered: ``gaussian, laplace b = 1-8``.
    """

    claim: Claim
    verdict: Verdict
    domain_checked: str
    evidence: str
    details: tuple[CaseResult, ...]
    control: ControlFinding | None
    resolutions: tuple[Resolution, ...] = ()
    cases: str = ""

    @property
    def domain(self) -> str:
        """Where it was tested, with the cases themselves: ``to 20 digits; 8 cases: laplace b = 1-8``."""
        return f"{self.domain_checked}: {self.cases}" if self.cases else self.domain_checked

    @property
    def resolved(self) -> bool:
        """Whether some near change of the prediction would have been noticed."""
        return any(resolution.near for resolution in self.resolutions)
