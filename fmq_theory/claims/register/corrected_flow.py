"""C19 and C20: the sharper rungs of the ladder, on closed forms and on trained networks.

The paper's bound (P1) takes one constant for all x and t. The rungs below take the quantized field's own
constants on the segment between the two paths, step by step: g1 its Lipschitz constant, g2 its logarithmic
norm, g4 the sampler's own amplification. On Gaussian mixtures all constants are proven; the arithmetic is
float64, so that the verdict is SUPPORTED at best.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from fmq_theory.claims.engine.claim import Claim, Inputs, Missing, NegativeControl, Origin, Values
from fmq_theory.claims.engine.relations import AT_MOST
from fmq_theory.claims.register.paper_networks import from_ladder
from fmq_theory.metrics import exact_estimate

if TYPE_CHECKING:
    from fmq_theory.flow.drawn_mixtures import MixtureRun

__all__ = ["CLAIMS"]

_MIXTURES = 6
_SCHEMES = ("uniform", "equal_mass", "lloyd_max")
_BITS = (2, 4)
_RUNGS = ("g0", "g1", "g2", "g4")


@cache
def _runs() -> Mapping[str, "MixtureRun"]:
    # Imported here: it loads torch, which the other claims do not need.
    from fmq_theory.flow.drawn_mixtures import run_mixture

    return {
        f"mixture {seed + 1} {scheme}, b = {bits}": run_mixture(seed, scheme, bits)
        for seed in range(_MIXTURES)
        for scheme in _SCHEMES
        for bits in _BITS
    }


def _of_mixtures(pick: Callable[["MixtureRun"], Mapping[str, float]]) -> Callable[[Inputs], Values]:
    def values(_inputs: Inputs) -> Values:
        return {
            f"{rung} {case}": exact_estimate(pick(run)[rung])
            for case, run in _runs().items()
            for rung in _RUNGS
        }

    return values


def _sharpest(inputs: Inputs) -> Values | Missing:
    return from_ladder(inputs, lambda row: _plus(row.bounds.get("g4"), row.rounding))


def _error(inputs: Inputs) -> Values | Missing:
    return from_ladder(inputs, lambda row: row.ladder_error)


def _plus(bound: float | None, rounding: float) -> float | None:
    return None if bound is None else bound + rounding


CLAIMS = (
    Claim(
        id="C19",
        origin=Origin.OURS,
        title="the ladder of bounds on closed forms",
        statement=(
            "each rung bounds |e_1| of a sampled path: g0 with global constants, g1 with the Lipschitz "
            "constant of each step, g2 with its logarithmic norm, g4 with the sampler's amplification, all "
            "of the quantized field on the segment between the paths"
        ),
        domain=(
            f"{_MIXTURES} drawn mixtures of 3 Gaussians in the plane, {', '.join(_SCHEMES)}, {_BITS[0]} and "
            f"{_BITS[1]} bits, Heun with 8 steps, proven constants, float64; the worst sample of 4"
        ),
        predicted="bound",
        measured="|e_1|",
        predict=_of_mixtures(lambda run: run.bound),
        measure=_of_mixtures(lambda run: run.error),
        relation=AT_MOST,
        negative_control=NegativeControl(
            "no amplification: the errors of the steps added up",
            "where components part, the field drives paths apart",
            _of_mixtures(lambda run: run.unamplified),
            "mixture",
        ),
        remark=(
            "constants are exact up to rounding and the paths are sampled in float64: no proof by enclosures"
        ),
    ),
    Claim(
        id="C20",
        origin=Origin.OURS,
        title="the ladder of bounds on trained networks",
        statement=(
            "on trained networks, with constants estimated on the segment between the paths, g4 bounds "
            "rms|e_1| up to rounding; so do g1 and g2, which are no smaller"
        ),
        domain="the samples in the files given, every scheme and bit-width",
        predicted="bound",
        measured="rms|e_1|",
        predict=_sharpest,
        measure=_error,
        relation=AT_MOST,
        remark="an estimated constant proves nothing: one broken rung refutes this claim",
    ),
)
