"""P7 and P8 as the text reads: what samples of a trained network look like (``sampled_runs``).

Numbers measured on samples are statistics, so the best verdict is SUPPORTED. How the authors' scripts
measured the same figures is judged by claims of its own (``paper_scripts``).
"""

from collections.abc import Iterator
from dataclasses import replace

from fmq_theory.claims.engine.claim import Claim, Inputs, Missing, Origin, Values
from fmq_theory.claims.engine.mutations import times
from fmq_theory.claims.engine.relations import AT_LEAST, INSIDE, band
from fmq_theory.claims.evidence.sampled_runs import NEEDED, SampledRow, SampledRun, read_runs
from fmq_theory.metrics import Estimate, exact_estimate, median_estimate

__all__ = ["CLAIMS", "LOW_BITS", "MEASURES", "RIVALS"]

RIVALS = ("uniform", "pwl", "log2")
LOW_BITS = (2, 3)
MEASURES = {"psnr_db": "PSNR", "ssim": "SSIM"}


def _rivals_scores(inputs: Inputs) -> Values | Missing:
    """PSNR and SSIM of each rival at each low bit-width."""
    return _one_side(inputs, 1)


def _scores(inputs: Inputs) -> Values | Missing:
    """OT's beside them."""
    return _one_side(inputs, 0)


def _one_side(inputs: Inputs, side: int) -> Values | Missing:
    if not inputs.fidelity:
        return NEEDED
    found: dict[str, tuple[Estimate, Estimate]] = {}
    for run in read_runs(inputs):
        for case, pair in _contests(run):
            if case not in found or pair[0].count > found[case][0].count:
                found[case] = pair  # of several files on one network the one with the most samples
    return {case: pair[side] for case, pair in found.items()} or Missing(
        "--fidelity FILE", "this one has no psnr_db or ssim of equal_mass beside a rival's at 2 or 3 bits"
    )


def _contests(run: SampledRun) -> Iterator[tuple[str, tuple[Estimate, Estimate]]]:
    """By case: what OT and a rival have. Every rival is a case, so that none is chosen by what came out."""
    for key, name in MEASURES.items():
        for rival in RIVALS:
            for bits in LOW_BITS:
                own, other = (_value(run.rows.get((scheme, bits)), key) for scheme in ("equal_mass", rival))
                if own is not None and other is not None:
                    yield f"{run.subject} {name} over {rival}, b = {bits}", (own, other)


def _value(row: SampledRow | None, key: str) -> Estimate | None:
    return None if row is None else row.values.get(key)


def _stable(inputs: Inputs) -> Values | Missing:
    measured = _latent(inputs)
    return measured if isinstance(measured, Missing) else dict.fromkeys(measured, band("1/2", 2))


def _latent(inputs: Inputs) -> Values | Missing:
    """Of several files on one network, the ratio over the most draws."""
    if not inputs.fidelity:
        return NEEDED
    found: dict[str, Estimate] = {}
    for run in read_runs(inputs):
        for row in run.of_scheme("equal_mass"):
            case, ratio = f"{run.subject} equal mass, b = {row.bits}", _latent_ratio(run, row)
            if ratio is not None and (case not in found or ratio.count > found[case].count):
                found[case] = ratio
    return found or Missing("--fidelity FILE", "this one has no latent_std of equal_mass and full precision")


def _latent_ratio(run: SampledRun, row: SampledRow) -> Estimate | None:
    """The median over draws where the file has them; else the number, without an interval if it was drawn."""
    if ratios := row.by_batch.get("latent_std_ratio"):
        return median_estimate(ratios)
    if (ratio := row.values.get("latent_std_ratio")) is not None:
        # A file without the draws one by one counts as one draw beside a file that has them.
        return ratio if ratio.confidence == 1.0 else replace(ratio, low=None, high=None, of="median", count=1)
    own = row.values.get("latent_std")
    return exact_estimate(own.value / run.latent_std) if own is not None and run.latent_std else None


CLAIMS = (
    Claim(
        id="P7",
        origin=Origin.PAPER,
        title="Fig. 3 as the text reads, PSNR and SSIM of samples",
        statement=(
            "as reconstructed from the text: at 2 and 3 bits the samples of the OT-quantized network have a "
            "higher PSNR and SSIM than those of uniform, PWL and log2"
        ),
        domain=(
            "the samples in the files given, from the same noise, against full precision's; tensors of two "
            "and more dimensions, equal bits"
        ),
        predicted="the rival's",
        measured="OT's",
        predict=_rivals_scores,
        measure=_scores,
        relation=AT_LEAST,
        remark="P7-SCRIPT judges what the authors' script measured: one network output on real images",
        near=times("3/2"),
    ),
    Claim(
        id="P8",
        origin=Origin.PAPER,
        title="Fig. 4 as the text reads, the latent's variance",
        statement=(
            "as reconstructed from the text: the standard deviation over dimensions of the latent's variance "
            "stays stable under OT at all bit-widths, here: within a factor of two of full precision's"
        ),
        domain="the samples in the files given; the median over draws of the noise",
        predicted="range",
        measured="quantized / full precision",
        predict=_stable,
        measure=_latent,
        relation=INSIDE,
        remark=(
            "the latent is the middle layer's answer at the step nearest t = 1/2; P8-SCRIPT judges the "
            "authors'"
        ),
        near=times(2),
    ),
)
