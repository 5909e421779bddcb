"""P1, P2, P3 and P5 on trained networks, from measured samples (``sampled_runs``).

* P1: the paper's Groenwall bound with the constants as they are estimated on the network.
* P2: the Fréchet distance in the features against the features' own error, over pairs.
* P3, P5: the order at which the Fréchet distance falls from a few bits to many, over draws of the noise. A
  regression over bits would take how one network departs from a power for noise; here the noise is the
  draw's.

Constants on a network are estimates and distances are statistics: nothing here is CERTIFIED.
"""

import math
from collections.abc import Callable, Sequence

from fmq_theory.claims.engine.claim import Claim, Inputs, Kind, Missing, Origin, Values
from fmq_theory.claims.engine.mutations import plus
from fmq_theory.claims.engine.relations import AT_LEAST, AT_MOST
from fmq_theory.claims.evidence.sampled_runs import NEEDED, SampledRow, read_runs
from fmq_theory.claims.words import FID_MEANS
from fmq_theory.metrics import Estimate, exact_estimate, median_estimate

__all__ = ["CLAIMS", "falling_order", "from_ladder"]

_Pick = Callable[[SampledRow], float | None]

_ORDER = 1.75
"""Order 2 to within a quarter."""
_STARTS = (2, 3, 4)
_MOST_LOSSLESS = 0.5
_FEWEST_DRAWS = 8
"""Enough for an interval of 99 %, the level of five networks (``policy``)."""
_BATCHES = (
    "a distance is that of one draw of the noise, of as many samples as the file says; one says little: "
    "on the pendulum policies the order of equal mass varies by more than 2 between draws"
)
_NO_LADDER = Missing(
    "--fidelity FILE", "this one has no ladder; run fmq flow with --ladder-samples 1 or more"
)
_NO_FEATURES = Missing("--fidelity FILE", "this one has no Fréchet distances; run fmq flow with --features")


# --- P1 -------------------------------------------------------------------------------------------


def _global_bound(inputs: Inputs) -> Values | Missing:
    return from_ladder(inputs, lambda row: row.bounds.get("g0"))


def _ladder_errors(inputs: Inputs) -> Values | Missing:
    return from_ladder(inputs, lambda row: row.ladder_error)


def from_ladder(inputs: Inputs, pick: _Pick) -> Values | Missing:
    """What ``pick`` takes of each row that has a ladder; an infinite bound stays infinite."""
    if not inputs.fidelity:
        return NEEDED
    found: dict[str, Estimate | float] = {}
    for run in read_runs(inputs):
        for row in run.rows.values():
            value = pick(row)
            if value is not None and row.ladder_error is not None:
                found[run.case(row)] = exact_estimate(value) if math.isfinite(value) else value
    return found or _NO_LADDER


# --- P2 -------------------------------------------------------------------------------------------


def _feature_error(inputs: Inputs) -> Values | Missing:
    return _from_features(inputs, lambda row: _of(row, "frechet_feature_rms"))


def _root_frechet(inputs: Inputs) -> Values | Missing:
    return _from_features(inputs, lambda row: math.sqrt(_of(row, "frechet") or 0.0))


def _from_features(inputs: Inputs, pick: _Pick) -> Values | Missing:
    if not inputs.fidelity:
        return NEEDED
    found = {
        run.case(row): exact_estimate(value)
        for run in read_runs(inputs)
        for row in run.rows.values()
        if _of(row, "frechet") is not None and (value := pick(row)) is not None
    }
    return found or _NO_FEATURES


def _of(row: SampledRow, key: str) -> float | None:
    value = row.values.get(key)
    return None if value is None else value.value


# --- P3 and P5 --------------------------------------------------------------------------------------


def falling_order(bits: Sequence[int], distances: Sequence[float]) -> float:
    """The order of the fall from the kindest start: max over b0 of log2(F(b0)/F(top))/(top - b0).

    "O(2^(-2b))" leaves the first bit-widths free, so the start may be any of the first; the end is the last.

    Args:
        bits: in increasing order; the last is the top.
        distances: F at each of them, >= 0.

    Returns:
        inf where F(top) = 0, which no order can exceed; -inf where every F(b0) = 0 and F(top) > 0.
    """
    top, least = bits[-1], distances[-1]
    if least == 0.0:
        return math.inf
    return max(
        (math.log2(distance / least) if distance > 0.0 else -math.inf) / (top - b)
        for b, distance in zip(bits[:-1], distances[:-1], strict=True)
    )


def _orders(inputs: Inputs, scheme: str) -> Values | Missing:
    """By network the median order over draws of the noise."""
    if not inputs.fidelity:
        return NEEDED
    found: dict[str, Estimate] = {}
    for run in read_runs(inputs):
        rows = _ends(run.of_scheme(scheme))
        draws = min((len(row.frechet_by_seed) for row in rows), default=0)
        case = f"{run.subject} {scheme}"
        if draws < _FEWEST_DRAWS or (case in found and found[case].count >= draws):
            continue
        bits = [row.bits for row in rows]
        found[case] = median_estimate(
            falling_order(bits, [row.frechet_by_seed[draw] for row in rows]) for draw in range(draws)
        )
    return found or Missing(
        "--fidelity FILE",
        f"this one has no Fréchet distances of {_FEWEST_DRAWS} draws of the noise for {scheme}, at one of "
        f"2, 3, 4 bits and at more; run fmq flow with --features and --seeds {_FEWEST_DRAWS}",
    )


def _ends(rows: Sequence[SampledRow]) -> Sequence[SampledRow]:
    """The starts, and the highest bit-width that is not lossless by construction; empty without both."""
    most = max((row.bits for row in rows if row.lossless_share <= _MOST_LOSSLESS), default=0)
    starts = [row for row in rows if row.bits in _STARTS and row.bits < most]
    return [*starts, *(row for row in rows if row.bits == most)] if starts else []


def _constant(inputs: Inputs, scheme: str, order: float) -> Values | Missing:
    measured = _orders(inputs, scheme)
    return measured if isinstance(measured, Missing) else {case: exact_estimate(order) for case in measured}


def _order_claim(*, key: str, title: str, scheme: str, words: str, remark: str) -> Claim:
    return Claim(
        id=key,
        origin=Origin.PAPER,
        title=title,
        statement=(
            f"as reconstructed: {words} costs O(2^(-2b)) in FID; here: on a trained network the Fréchet "
            "distance F from full precision falls at order 2 to within a quarter from a bit-width b0 of 2, 3 "
            "or 4 to the highest, max over b0 of log2(F(b0)/F(top))/(top - b0) >= 1.75, in the median over "
            "draws of the noise"
        ),
        domain=(
            f"networks in the files given with the distances of {_FEWEST_DRAWS} draws or more, {scheme}; "
            "top: the highest bit-width at which codebooks of its size hold at most half of the weights "
            "without loss"
        ),
        predicted="order",
        measured="order measured",
        predict=lambda inputs: _constant(inputs, scheme, _ORDER),
        measure=lambda inputs: _orders(inputs, scheme),
        relation=AT_LEAST,
        remark=remark,
        near=plus("1/4"),
    )


CLAIMS = (
    Claim(
        id="P1-NET",
        origin=Origin.PAPER,
        title="Lemma 1 on trained networks",
        statement=(
            "as reconstructed, on trained networks: rms|e_1| <= L_theta |theta_q - theta| (e^L - 1)/L, with "
            "L the largest norm found of the quantized field's Jacobian on the segments between the two "
            "paths, and L_theta the largest found of dv/dtheta on the full-precision path, for 2 samples at "
            "5 times, with the weights theta and theta_q"
        ),
        domain="the samples in the files given, every scheme and bit-width",
        predicted="bound",
        measured="rms|e_1|",
        predict=_global_bound,
        measure=_ladder_errors,
        relation=AT_MOST,
        remark=(
            "nearly empty: with constants like these the bound exceeds the error by many orders of "
            "magnitude, so that it holds says little. The lemma needs L_theta for all weights between theta "
            "and theta_q and L everywhere on the segments; both are estimates from points, so that this is "
            "no certificate"
        ),
    ),
    Claim(
        id="P2-NET",
        origin=Origin.PAPER,
        title="Lemma 2 on trained networks",
        statement=(
            "on trained networks, without any constant: sqrt(FID) <= rms|phi(xhat) - phi(x)| for samples "
            "paired by their noise, with 1/n covariances"
        ),
        domain="the samples in the files given, every scheme and bit-width, their feature map",
        predicted="bound",
        measured="√FID",
        predict=_feature_error,
        measure=_root_frechet,
        relation=AT_MOST,
        remark=(
            "a theorem (Gelbrich's bound for the coupling by the noise), of these samples alone, whatever "
            "the features: it needs no statistics. FID here is the Frechet distance in the features that the "
            "file names, not in Inception's"
        ),
        kind=Kind.THEOREM,
    ),
    _order_claim(
        key="P3-NET",
        title="Theorem 3 on trained networks",
        scheme="uniform",
        words="uniform quantization on the weights' own range",
        remark=FID_MEANS,
    ),
    _order_claim(
        key="P5-W2-NET",
        title="Theorem 6 on trained networks, W2 optimum",
        scheme="lloyd_max",
        words="the W2 optimum (Lloyd-Max)",
        remark=_BATCHES,
    ),
    _order_claim(
        key="P5-EM-NET",
        title="Theorem 6 on trained networks, equal mass",
        scheme="equal_mass",
        words="equal mass, the paper's algorithm,",
        remark=_BATCHES,
    ),
)
