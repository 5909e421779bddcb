"""P7-SCRIPT and P8-SCRIPT: Figs. 3 and 4 as the authors' scripts measured them.

A script asks the network once, at t = 0, about real images in [0, 1], and compares with full precision: PSNR
of the whole batch of 64 with peak 1, SSIM with a plain window. The latent is the middle layer's answer on 20
principal components that each model has for itself. The quantizers are the published ones, with what they
leave out. The script of Fig. 3 looks at one batch, that of Fig. 4 at up to 10,000 images at once; here a
case is the median over disjoint batches of what one batch shows, with an interval of order statistics.

PSNR and SSIM are brought to one scale: how far OT's output is from full precision's, over how far the
rival's is. For PSNR that is the ratio of mean squared errors, 10^(-lead/10); for SSIM the ratio of 1 - SSIM.
Both are below 1 exactly where OT's score is the higher one, batch by batch, on the same images.
"""

import math
from collections.abc import Callable, Iterator, Sequence

from fmq_theory.claims.engine.claim import Claim, Inputs, Missing, Origin, Values
from fmq_theory.claims.engine.mutations import times
from fmq_theory.claims.engine.relations import AT_MOST, INSIDE, band
from fmq_theory.claims.evidence.sampled_runs import SampledRun, read_runs
from fmq_theory.claims.register.paper_samples import LOW_BITS, MEASURES, RIVALS
from fmq_theory.metrics import Estimate, median_estimate

__all__ = ["CLAIMS", "error_ratio"]

_ALL_BITS = range(2, 9)
_NEEDED = Missing(
    "--fidelity FILE",
    "outputs of a trained network on real images, quantized as the authors did; fmq flow --measure velocity "
    "--protocol published --images FILE writes it",
)
_MEASURED_HOW = (
    "one network output at t = 0 on real images in [0, 1], the published quantizers and what they leave "
    "out; no flow is integrated"
)


def error_ratio(measure: str, own: float, other: float) -> float:
    """OT's distance from full precision over a rival's on one batch, from their scores.

    Args:
        measure: "psnr_db": 10^((other - own)/10), the ratio of mean squared errors; "ssim": (1 - own)/(1 -
            other).
        own: OT's score.
        other: the rival's.

    Returns:
        below 1 where OT's score is higher, inf where the rival's output is full precision's and OT's is not;
        1 where both are.
    """
    if own == other:
        return 1.0
    if measure == "psnr_db":
        return 0.0 if own == math.inf else 10.0 ** min(300.0, (other - own) / 10.0)
    return math.inf if other == 1.0 else (1.0 - own) / (1.0 - other)


def _ratios(inputs: Inputs) -> Values | Missing:
    return _of_images(inputs, _contests)


def _latents(inputs: Inputs) -> Values | Missing:
    return _of_images(inputs, _latents_of)


def _of_images(
    inputs: Inputs, cases: "Callable[[SampledRun], Iterator[tuple[str, Sequence[float]]]]"
) -> Values | Missing:
    """The median over batches of each case of each network on images, quantized as published."""
    found: dict[str, Estimate] = {}
    for run in read_runs(inputs, "velocity"):
        if run.protocol == "published" and run.is_of_images:
            found |= {case: median_estimate(values) for case, values in cases(run)}
    return found or _NEEDED


def _contests(run: SampledRun) -> Iterator[tuple[str, Sequence[float]]]:
    for measure, name in MEASURES.items():
        for rival in RIVALS:
            for bits in LOW_BITS:
                own, other = (
                    row.by_batch.get(measure) if (row := run.rows.get((scheme, bits))) else None
                    for scheme in ("equal_mass", rival)
                )
                if own and other:
                    pairs = zip(own, other, strict=True)
                    yield (
                        f"{run.subject} {name} over {rival}, b = {bits}",
                        [error_ratio(measure, *pair) for pair in pairs],
                    )


def _latents_of(run: SampledRun) -> Iterator[tuple[str, Sequence[float]]]:
    for row in run.of_scheme("equal_mass"):
        ratios = row.by_batch.get("latent_std_ratio")
        if ratios and row.bits in _ALL_BITS:
            yield f"{run.subject} equal mass, b = {row.bits}", ratios


def _as_far(inputs: Inputs) -> Values | Missing:
    measured = _ratios(inputs)
    return measured if isinstance(measured, Missing) else dict.fromkeys(measured, band(1, 1))


def _stable(inputs: Inputs) -> Values | Missing:
    measured = _latents(inputs)
    return measured if isinstance(measured, Missing) else dict.fromkeys(measured, band("1/2", 2))


CLAIMS = (
    Claim(
        id="P7-SCRIPT",
        origin=Origin.PAPER,
        title="Fig. 3 as its script measures",
        statement=(
            "Fig. 3 as its script measures: at 2 and 3 bits the output of the OT-quantized network is nearer "
            "to full precision's, in PSNR and in SSIM, than those of uniform, PWL and log2"
        ),
        domain=f"networks on images in the files given; {_MEASURED_HOW}; the median over disjoint batches",
        predicted="as far",
        measured="OT's distance over the rival's",
        predict=_as_far,
        measure=_ratios,
        relation=AT_MOST,
        remark=(
            "a distance is the mean squared error for PSNR and 1 - SSIM for SSIM; at t = 0 a flow has noise, "
            "so that such an output is no step of a sample"
        ),
        near=times("3/2"),
    ),
    Claim(
        id="P8-SCRIPT",
        origin=Origin.PAPER,
        title="Fig. 4 as its script measures",
        statement=(
            "Fig. 4 as its script measures: the standard deviation of the variances along the latent's 20 "
            "principal components, found for each model by itself, stays stable under OT at 2 to 8 bits, "
            "here: within a factor of two of full precision's"
        ),
        domain=f"networks on images in the files given; {_MEASURED_HOW}; the median over disjoint batches",
        predicted="range",
        measured="quantized / full precision",
        predict=_stable,
        measure=_latents,
        relation=INSIDE,
        remark="the components are the model's own, so that the number does not see a latent that was turned",
        near=times(2),
    ),
)
