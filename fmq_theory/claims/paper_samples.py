"""P7 and P8: what samples of a trained network look like. They need measured samples (``sampled_runs``).

Numbers measured on samples are statistics, so the best verdict is SUPPORTED.
"""

from collections.abc import Mapping
from dataclasses import replace

from fmq_theory.claims.claim import Claim, Inputs, Missing, Values
from fmq_theory.claims.relations import AT_LEAST, INSIDE, band
from fmq_theory.claims.sampled_runs import NEEDED, SampledRow, SampledRun, read_runs
from fmq_theory.metrics import Estimate, exact_estimate

__all__ = ["CLAIMS"]

_RIVALS = ("uniform", "pwl", "log2")
_LOW_BITS = (2, 3)
_MEASURES = {"psnr_db": "PSNR", "ssim": "SSIM"}


def _best_rivals(inputs: Inputs, share: float) -> Values | Missing:
    """The best rival's PSNR and SSIM at each low bit-width, times ``share``."""
    if not inputs.fidelity:
        return NEEDED
    values = {case: _scaled(best, share) for case, (_, best) in _contests(inputs).items()}
    return values or Missing(
        "--fidelity FILE", "this one has no psnr_db or ssim of equal_mass beside a rival's at 2 or 3 bits"
    )


def _ot(inputs: Inputs) -> Values | Missing:
    wanted = _best_rivals(inputs, 1.0)
    return (
        wanted
        if isinstance(wanted, Missing)
        else {case: ours for case, (ours, _) in _contests(inputs).items()}
    )


def _contests(inputs: Inputs) -> Mapping[str, tuple[Estimate, Estimate]]:
    """By case: what OT and the best rival have."""
    found: dict[str, tuple[Estimate, Estimate]] = {}
    for run in read_runs(inputs):
        for bits in _LOW_BITS:
            for key, name in _MEASURES.items():
                ours = run.rows.get(("equal_mass", bits))
                rivals = [
                    value
                    for rival in _RIVALS
                    if (value := _value(run.rows.get((rival, bits)), key)) is not None
                ]
                own = _value(ours, key)
                if own is not None and rivals:
                    best = max(rivals, key=lambda value: value.value)
                    found[f"{run.subject} {name}, b = {bits}"] = (own, best)
    return found


def _value(row: SampledRow | None, key: str) -> Estimate | None:
    return None if row is None else row.values.get(key)


def _scaled(value: Estimate, share: float) -> Estimate:
    low = None if value.low is None else share * value.low
    high = None if value.high is None else share * value.high
    return replace(value, value=share * value.value, low=low, high=high)


def _stable(inputs: Inputs) -> Values | Missing:
    return _latent_band(inputs, "0.5", "2")


def _latent_band(inputs: Inputs, low: str, high: str) -> Values | Missing:
    measured = _latent(inputs)
    if isinstance(measured, Missing):
        return measured
    return {case: band(low, high) for case in measured}


def _latent(inputs: Inputs) -> Values | Missing:
    if not inputs.fidelity:
        return NEEDED
    values = {
        f"{run.subject} equal mass, b = {row.bits}": ratio
        for run in read_runs(inputs)
        for row in run.of_scheme("equal_mass")
        if (ratio := _latent_ratio(run, row)) is not None
    }
    return values or Missing("--fidelity FILE", "this one has no latent_std of equal_mass and full precision")


def _latent_ratio(run: SampledRun, row: SampledRow) -> Estimate | None:
    """Over seeds where the file has it, else the ratio of the two numbers."""
    if (ratio := row.values.get("latent_std_ratio")) is not None:
        return ratio
    own = row.values.get("latent_std")
    return exact_estimate(own.value / run.latent_std) if own is not None and run.latent_std else None


CLAIMS = (
    Claim(
        "P7",
        "as reconstructed: at 2 and 3 bits the samples of the OT-quantized network have a higher PSNR and "
        "SSIM than "
        "those of uniform, PWL and log2",
        "the samples in the files given, equal bits",
        "best rival's",
        "OT's",
        lambda inputs: _best_rivals(inputs, 1.0),
        _ot,
        AT_LEAST,
        None,
    ),
    Claim(
        "P8",
        "as reconstructed: the standard deviation over dimensions of the latent's variance stays stable "
        "under OT at all "
        "bit-widths, here: within a factor of two of full precision's",
        "the samples in the files given",
        "range",
        "quantized / full precision",
        _stable,
        _latent,
        INSIDE,
        None,
        "the latent is the middle layer's answer at the step nearest t = 1/2",
    ),
)
