"""Claims made up to see what a verdict follows from."""

from typing import Any

from fmq_theory.claims.engine.claim import Claim, Missing, NegativeControl, Origin, Relation, Values
from fmq_theory.claims.engine.relations import AT_MOST


def made_claim(
    predicted: Values | Missing,
    measured: Values,
    relation: Relation = AT_MOST,
    control: NegativeControl | None = None,
    **more: Any,
) -> Claim:
    """A claim that predicts and measures what it is told; ``more`` are other fields of it."""
    return Claim(
        id="X1",
        origin=Origin.OURS,
        title="t",
        statement="s",
        domain="d",
        predicted="p",
        measured="m",
        predict=lambda _i: predicted,
        measure=lambda _i: measured,
        relation=relation,
        negative_control=control,
        **more,
    )
