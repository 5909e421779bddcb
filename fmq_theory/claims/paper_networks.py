"""P1, P2, P3 and P5 on trained networks, from measured samples (``sampled_runs``).

* P1: the paper's Groenwall bound with the constants as they are estimated on the network.
* P2: the Fréchet distance in the features against the features' own error, over pairs.
* P3, P5: the order at which the Fréchet distance falls with the bits, by regression.

Constants on a network are estimates and distances are statistics: nothing here is CERTIFIED.
"""

import math
from collections.abc import Callable, Sequence

from scipy import special

from fmq_theory.claims.claim import Claim, Inputs, Missing, Values
from fmq_theory.claims.mutations import plus
from fmq_theory.claims.relations import AT_LEAST, AT_MOST
from fmq_theory.claims.sampled_runs import NEEDED, SampledRow, read_runs
from fmq_theory.claims.words import FID_MEANS
from fmq_theory.metrics import Estimate, exact_estimate

__all__ = ["CLAIMS", "falling_order", "from_ladder"]

_Pick = Callable[[SampledRow], float | None]

_ORDER = 1.75
"""Order 2 to within a quarter."""
_VISIBLE_DB = 15.0
"""Below this PSNR the samples have nothing in common with full precision's, and no order shows."""
_FEWEST = 3
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


def falling_order(bits: Sequence[float], distances: Sequence[float]) -> Estimate:
    """p of "distance ~ 2^(-p b)" by least squares on its logarithm, with Student's 95 % interval.

    Reference: any text on regression; the interval is nominal, because the scatter is no noise but how a law
    departs from a power.
    """
    count = len(bits)
    mean_b = math.fsum(bits) / count
    logs = [-math.log2(distance) for distance in distances]
    mean_l = math.fsum(logs) / count
    spread = math.fsum((b - mean_b) ** 2 for b in bits)
    slope = math.fsum((b - mean_b) * (l - mean_l) for b, l in zip(bits, logs, strict=True)) / spread
    left = math.fsum((l - mean_l - slope * (b - mean_b)) ** 2 for b, l in zip(bits, logs, strict=True))
    half = float(special.stdtrit(count - 2, 0.975)) * math.sqrt(left / (count - 2) / spread)
    return Estimate(slope, slope - half, slope + half, count, 0.95)


def _orders(inputs: Inputs, scheme: str) -> Values | Missing:
    if not inputs.fidelity:
        return NEEDED
    found: dict[str, Estimate] = {}
    for run in read_runs(inputs):
        rows = [row for row in run.of_scheme(scheme) if _visible(row)]
        if len(rows) >= _FEWEST:
            distances = [row.values["frechet"].value for row in rows]
            found[f"{run.subject} {scheme}"] = falling_order([row.bits for row in rows], distances)
    return found or Missing(
        "--fidelity FILE",
        f"this one has no {_FEWEST} bit-widths of {scheme} with a Fréchet distance and a PSNR of "
        f"{_VISIBLE_DB:g} dB",
    )


def _visible(row: SampledRow) -> bool:
    return (_of(row, "frechet") or 0.0) > 0.0 and (_of(row, "psnr_db") or 0.0) >= _VISIBLE_DB


def _constant(inputs: Inputs, scheme: str, order: float) -> Values | Missing:
    measured = _orders(inputs, scheme)
    return measured if isinstance(measured, Missing) else {case: exact_estimate(order) for case in measured}


def _order_claim(key: str, scheme: str, words: str, remark: str) -> Claim:
    return Claim(
        key,
        f"as reconstructed: {words} costs O(2^(-2b)) in FID; here: on a trained network the Fréchet distance "
        f"from full precision falls with the bits at order 2 to within a quarter, by regression",
        f"the samples in the files given, bit-widths with a PSNR of {_VISIBLE_DB:g} dB or more, {scheme}",
        "order",
        "order measured",
        lambda inputs: _constant(inputs, scheme, _ORDER),
        lambda inputs: _orders(inputs, scheme),
        AT_LEAST,
        None,
        remark,
        near=plus("1/4"),
    )


CLAIMS = (
    Claim(
        "P1-NET",
        "as reconstructed, on trained networks: rms|e_1| <= L_theta |theta_q - theta| (e^L - 1)/L, with L "
        "and L_theta the largest found on the segments between the two paths",
        "the samples in the files given, every scheme and bit-width",
        "bound",
        "rms|e_1|",
        _global_bound,
        _ladder_errors,
        AT_MOST,
        None,
        "true and nearly empty: with constants like these the bound exceeds the error by many orders of "
        "magnitude; the constants are estimates, so that it is no certificate",
    ),
    Claim(
        "P2-NET",
        "on trained networks, without any constant: sqrt(FID) <= rms|phi(xhat) - phi(x)| for samples paired "
        "by their noise, with 1/n covariances",
        "the samples in the files given, every scheme and bit-width, their feature map",
        "bound",
        "√FID",
        _feature_error,
        _root_frechet,
        AT_MOST,
        None,
        "FID here is the Frechet distance in the features that the file names, not in Inception's",
    ),
    _order_claim("P3-NET", "uniform", "uniform quantization on the weights' own range", FID_MEANS),
    _order_claim(
        "P5-W2-NET",
        "lloyd_max",
        "the W2 optimum (Lloyd-Max)",
        "channels are short: near 8 bits many are lossless",
    ),
    _order_claim(
        "P5-EM-NET",
        "equal_mass",
        "equal mass, the paper's algorithm,",
        "channels are short: near 8 bits many are lossless",
    ),
)
