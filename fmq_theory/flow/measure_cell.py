"""From a scheme and a bit-width to its cell."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from fmq_theory.errors import FlowError, SchemeError
from fmq_theory.flow.cell import BySeed, Cell, FrechetValues, LatentValues, encode_images
from fmq_theory.flow.fidelity.features import FeatureMap
from fmq_theory.flow.fidelity.frechet import FeatureSet, frechet_distance, paired_rms
from fmq_theory.flow.fidelity.latent import latent_statistics
from fmq_theory.flow.fidelity.similarity import psnr, ssim
from fmq_theory.flow.field import TorchField
from fmq_theory.flow.ladder import Effort, ladder
from fmq_theory.flow.ladder_result import Ladder
from fmq_theory.flow.model import FlowModel
from fmq_theory.flow.published_protocol import quantize_by_protocol
from fmq_theory.flow.quantized_field import QuantizedField
from fmq_theory.flow.settings import FlowSettings
from fmq_theory.flow.shared_noise import SampleRun, SharedNoise, run_samples

__all__ = ["Reference", "latent_values", "measure_cell", "quantized_cell"]

_SHOWN = 8


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The full-precision side, made once.

    Attributes:
        model: what is quantized.
        shared: its noise.
        run: its samples.
        phi: the feature map; None for no Fréchet distance.
        features: phi of the samples, ``[n, d]``.
        data: phi of the data; None without data.
    """

    model: FlowModel
    shared: SharedNoise
    run: SampleRun
    phi: FeatureMap | None = None
    features: Tensor | None = None
    data: FeatureSet | None = None


def measure_cell(reference: Reference, settings: FlowSettings, scheme: str, bits: int) -> Cell:
    """Quantizes, samples from the same noise, compares.

    A scheme without a codebook of that size gives a cell with a note, a field that cannot be sampled one that
    failed.
    """

    def measured(quantized: TorchField) -> dict[str, Any]:
        run = run_samples(
            quantized,
            reference.shared.noise,
            settings.steps,
            settings.sampler,
            reference.model.latent_layer,
            settings.rows,
        )
        return _samples_of(reference, run) | _ladder_of(reference, quantized, settings)

    how = settings.protocol, settings.granularity
    return quantized_cell(reference.shared.field, scheme, bits, how, measured)


def quantized_cell(
    field: TorchField,
    scheme: str,
    bits: int,
    how: tuple[str, str],
    measure: Callable[[TorchField], dict[str, Any]],
) -> Cell:
    """Quantizes a field and measures it.

    Args:
        field: at full precision.
        scheme: name of the scheme.
        bits: bit-width.
        how: which tensors are quantized, and what has a codebook of its own; see ``quantize_by_protocol``.
        measure: what the cell says of the quantized field, besides its weights.

    Returns:
        A cell with a note where the scheme has no codebook of that size, one that failed where ``measure``
        did.
    """
    began = time.monotonic()
    try:
        quantized = quantize_by_protocol(field, scheme, bits, *how)
    except SchemeError as error:
        return Cell(scheme, bits, note=f"{error.cause}")
    cell = _weights_of(quantized, scheme, bits)
    try:
        cell |= measure(quantized.field)
    except FlowError as error:
        return Cell(**cell, note=str(error), failed=True, seconds=time.monotonic() - began)
    return Cell(**cell, seconds=time.monotonic() - began)


def latent_values(shared: SharedNoise, latent: Tensor | None) -> LatentValues | None:
    """Latent statistics of each seed."""
    if latent is None:
        return None
    found = [latent_statistics(part) for part in shared.by_seed(latent)]
    return LatentValues(
        tuple(each.mean for each in found),
        tuple(each.std for each in found),
        tuple(each.collapsed for each in found),
        found[0].dimensions,
    )


def _weights_of(quantized: QuantizedField[TorchField], scheme: str, bits: int) -> dict[str, Any]:
    """What a cell says of the weights alone.

    Args:
        quantized: the field with its quantized weights.
        scheme: name of the scheme.
        bits: bit-width.
    """
    return {
        "scheme": scheme,
        "bits": bits,
        "effective_bits": quantized.effective_bits,
        "mse": quantized.mse,
        "weight_error_norm": quantized.weight_error_norm,
        "lossless_share": quantized.num_lossless / quantized.num_weights,
    }


def _samples_of(reference: Reference, run: SampleRun) -> dict[str, Any]:
    exact, shared, model = reference.run.end, reference.shared, reference.model
    error = (run.end.double() - exact.double()).square().flatten(1).sum(dim=1).sqrt()
    similarity = ssim(run.end, exact, model.data_range)
    is_image = len(model.sample_shape) == 3
    return {
        "error": _by_seed(shared, error),
        "psnr": _by_seed(shared, psnr(run.end, exact, model.data_range)),
        "ssim": () if similarity is None else _by_seed(shared, similarity),
        "latent": latent_values(shared, run.latent),
        "frechet": _frechet_of(reference, run.end),
        "images": encode_images(run.end[:_SHOWN], model.data_range) if is_image else "",
    }


def _by_seed(shared: SharedNoise, values: Tensor) -> BySeed:
    return tuple(tuple(_floats(part)) for part in shared.by_seed(values))


def _frechet_of(reference: Reference, samples: Tensor) -> FrechetValues | None:
    if reference.phi is None or reference.features is None:
        return None
    exact, found = reference.features, reference.phi(samples)
    of_found = FeatureSet.of(found)
    pairs = zip(reference.shared.by_seed(exact), reference.shared.by_seed(found), strict=True)
    return FrechetValues(
        distance=frechet_distance(FeatureSet.of(exact), of_found),
        feature_rms=paired_rms(exact, found),
        per_seed=tuple(frechet_distance(FeatureSet.of(a), FeatureSet.of(b)) for a, b in pairs),
        to_data=None if reference.data is None else frechet_distance(of_found, reference.data),
        count=of_found.count,
        dimension=of_found.dimension,
    )


def _ladder_of(reference: Reference, quantized: TorchField, settings: FlowSettings) -> dict[str, Any]:
    if settings.ladder_samples == 0:
        return {}
    index = torch.arange(min(settings.ladder_samples, len(reference.shared.noise)))
    field, noise = reference.shared.field, reference.shared.noise
    effort = Effort(pieces=settings.ladder_pieces, seed=settings.seed, theta_times=2, theta_samples=1)
    try:
        found = ladder(
            field.select(index),
            quantized.select(index),
            noise[: len(index)],
            settings.steps,
            settings.sampler,
            effort,
        )
    except FlowError as error:
        return {"note": f"no ladder: {error.thing}: {error.cause}"}
    rounding = _rms(found.rounding)[-1]
    return {"ladder": {**found.summary(), "rounding_rms": rounding, "curves": _curves(found)}}


def _curves(found: Ladder) -> Mapping[str, Any]:
    """Root mean squares over the samples at each time, for the figure."""
    rungs = {rung: _rms(bound) for rung, bound in found.bounds.items()}
    return {
        "times": _floats(found.times),
        "error": _rms(found.error),
        "g3": _rms(found.response),
        **rungs,
    }


def _rms(values: Tensor) -> list[float | None]:
    return [each if math.isfinite(each) else None for each in _floats(values.square().mean(dim=1).sqrt())]


def _floats(values: Tensor) -> list[float]:
    return cast("list[float]", values.double().tolist())  # pyright: ignore[reportUnknownMemberType]
