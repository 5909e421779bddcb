"""The register: every claim, in the order in which a reader meets them."""

from collections.abc import Callable, Sequence

from fmq_theory.claims.engine.claim import Claim, Finding, Inputs
from fmq_theory.claims.engine.judge import examine
from fmq_theory.claims.register import (
    corrected_bound,
    corrected_bounds_ratio,
    corrected_flow,
    corrected_optimum,
    corrected_order,
    corrected_ratio,
    corrected_unbounded,
    corrected_weighted,
    paper_flow,
    paper_networks,
    paper_order,
    paper_ratio,
    paper_ratio_bounds,
    paper_samples,
    paper_scripts,
)
from fmq_theory.errors import SchemeError

__all__ = ["REGISTER", "run_register", "selected"]


_ALL = (
    *paper_flow.CLAIMS,
    *paper_order.CLAIMS,
    *paper_ratio.CLAIMS,
    *paper_ratio_bounds.CLAIMS,
    *paper_samples.CLAIMS,
    *paper_scripts.CLAIMS,
    *paper_networks.CLAIMS,
    *corrected_order.CLAIMS,
    *corrected_ratio.CLAIMS,
    *corrected_optimum.CLAIMS,
    *corrected_flow.CLAIMS,
    *corrected_bounds_ratio.CLAIMS,
    *corrected_bound.CLAIMS,
    *corrected_unbounded.CLAIMS,
    *corrected_weighted.CLAIMS,
)

REGISTER: dict[str, Claim] = {claim.id: claim for claim in _ALL}


def selected(only: Sequence[str]) -> tuple[Claim, ...]:
    """The claims named, or all; a name that is none but for its reading (``P4``) takes all its readings.

    Raises:
        SchemeError: no such claim.
    """
    if not only:
        return tuple(REGISTER.values())
    chosen: dict[str, Claim] = {}
    for name in only:
        exact = [claim for key, claim in REGISTER.items() if name.upper() == key.upper()]
        found = exact or [claim for key, claim in REGISTER.items() if name.upper() == key.partition("-")[0]]
        if not found:
            raise SchemeError(
                f"claim {name!r}", "it is not in the register", f"choose one of {', '.join(REGISTER)}"
            )
        chosen.update({claim.id: claim for claim in found})
    return tuple(chosen.values())


def run_register(
    only: Sequence[str] = (),
    inputs: Inputs | None = None,
    *,
    progress: Callable[[float, str], None] = lambda _share, _what: None,
) -> tuple[Finding, ...]:
    """Runs every selected claim with its negative control.

    Raises:
        SchemeError: an unknown claim.
    """
    claims = selected(only)
    findings: list[Finding] = []
    for done, claim in enumerate(claims):
        progress(done / len(claims), claim.id)
        findings.append(examine(claim, inputs))
    return tuple(findings)
