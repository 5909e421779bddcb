"""A whole run: full-precision samples, then every scheme at every bit-width against them."""

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from fmq_theory.errors import FlowError, SchemeError
from fmq_theory.flow.cell import Cell, encode_images
from fmq_theory.flow.cell_store import CellStore
from fmq_theory.flow.cell_work import CellHelper, measured_in_turn
from fmq_theory.flow.discretisation import check_convergence
from fmq_theory.flow.fidelity.features import FeatureMap
from fmq_theory.flow.fidelity.frechet import FeatureSet, frechet_distance
from fmq_theory.flow.fidelity.similarity import check_torchmetrics, ssim_window
from fmq_theory.flow.flow_report import FlowReport, FullPrecision, Progress, cell_words
from fmq_theory.flow.kept_parts import full_from_json, layers_from_json, part_as_json
from fmq_theory.flow.layers import LayerShare, layer_shares
from fmq_theory.flow.linear_algebra import root_mean_square
from fmq_theory.flow.measure_cell import Reference, latent_values, measure_cell
from fmq_theory.flow.model import FlowModel
from fmq_theory.flow.quantized_field import quantize_field
from fmq_theory.flow.settings import FlowSettings
from fmq_theory.flow.shared_noise import draw_noise, run_samples
from fmq_theory.quantizers import get_scheme

__all__ = ["FlowReport", "FullPrecision", "reference_of", "run_experiment"]

Part = TypeVar("Part", FullPrecision, tuple[LayerShare, ...])

_CHECKED = 16
"""Samples on which the sampler's own error is measured."""
_SHOWN = 8


def run_experiment(
    model: FlowModel,
    subject: str,
    schemes: Sequence[str],
    bits: Sequence[int],
    settings: FlowSettings,
    *,
    phi: FeatureMap | None = None,
    data: Tensor | None = None,
    store: CellStore | None = None,
    layers_of: tuple[str, int] | None = None,
    helpers: Sequence[CellHelper] = (),
    progress: Progress = lambda _share, _what: None,
) -> FlowReport:
    """Measures every cell that the store does not hold yet.

    Args:
        model: with its weights.
        subject: the model in words.
        schemes: names that ``get_scheme`` knows.
        bits: bit-widths.
        settings: all else that a cell depends on.
        phi: for Fréchet distances.
        data: samples of the data, ``[n, *sample_shape]``.
        store: keeps finished cells; without one they live in memory.
        layers_of: a scheme and bit-width whose error is told layer by layer; None for no such table.
        helpers: other processes that measure cells of the same run; none unless given. They are stopped when
            no cell is left.
        progress: called with the share done and what is being done; a smaller share begins a new stage.

    Raises:
        FlowError: the full-precision field cannot be sampled (the step is named), the feature map or the
            data do not fit, or torchmetrics is not installed.
        SchemeError: an unknown scheme.
    """
    for scheme in schemes:
        get_scheme(scheme)  # an unknown name is an error; a name without a codebook of some size is a note
    check_torchmetrics()
    progress(0.0, "full precision")
    asked = [(scheme, b) for scheme in schemes for b in bits]
    found = {task: cell for task in asked if store is not None and (cell := store.get(*task)) is not None}
    missing = [task for task in asked if task not in found]

    @cache  # made once, and only for what is not kept
    def reference() -> Reference:
        return reference_of(model, settings, phi, data)

    if missing:
        reference()  # what cannot be sampled at all is an error before the first cell
    full = _kept_or_made(
        store, "full precision", full_from_json, lambda: _full_precision(reference(), settings)
    )
    began = time.monotonic()
    made = 0

    def begun(scheme: str, b: int) -> None:
        done, elapsed = len(found), time.monotonic() - began
        progress(done / len(asked), cell_words(scheme, b, done, len(asked), elapsed, made))

    def finished(cell: Cell) -> None:
        nonlocal made
        made += 1
        found[cell.scheme, cell.bits] = cell
        if store is not None:
            store.put(cell)

    measured_in_turn(
        missing, lambda scheme, b: measure_cell(reference(), settings, scheme, b), helpers, begun, finished
    )
    layers: tuple[LayerShare, ...] = ()
    if layers_of is not None and settings.ladder_samples:
        progress(0.0, "layer by layer")
        name = f"layers of {layers_of[0]} {layers_of[1]}"
        layers = _kept_or_made(
            store, name, layers_from_json, lambda: _layers(reference(), settings, *layers_of)
        )
    return FlowReport(
        subject=subject,
        config={
            "schemes": list(schemes),
            "bits": list(bits),
            **settings.as_json(),
            "features": None if phi is None else phi.name,
            "data_samples": None if data is None else len(data),
        },
        sample_shape=model.sample_shape,
        data_range=model.data_range,
        ssim_window=ssim_window(model.sample_shape),
        features=None if phi is None else phi.name,
        full=full,
        cells=tuple(found[task] for task in asked),
        layers=layers,
        layers_of=layers_of if layers else None,
    )


def _kept_or_made(
    store: CellStore | None, name: str, read: Callable[[Any], Part | None], make: Callable[[], Part]
) -> Part:
    """A part of the report that an earlier run of the same settings kept, or else made now and kept."""
    kept = None if store is None else store.part(name)
    if kept is not None and (part := read(kept)) is not None:
        return part
    part = make()
    if store is not None:
        store.keep_part(name, part_as_json(part))
    return part


def reference_of(
    model: FlowModel, settings: FlowSettings, phi: FeatureMap | None, data: Tensor | None
) -> Reference:
    """The full-precision side of a run.

    Args:
        model: with its weights.
        settings: all else that it depends on.
        phi: for Fréchet distances; None for none.
        data: samples of the data, ``[n, *sample_shape]``; None for none.

    Raises:
        FlowError: see ``run_experiment``.
    """
    shared = draw_noise(model, settings.samples, settings.seeds, settings.seed)
    run = run_samples(
        shared.field, shared.noise, settings.steps, settings.sampler, model.latent_layer, settings.rows
    )
    if phi is None:
        return Reference(model, shared, run)
    features = phi(run.end)
    if data is None:
        return Reference(model, shared, run, phi, features)
    if tuple(data.shape[1:]) != model.sample_shape or len(data) < 2:
        raise FlowError(
            f"data of shape {tuple(data.shape)}",
            f"the model's samples are of shape {model.sample_shape}",
            "pass [n, *sample_shape], in the model's space",
        )
    return Reference(model, shared, run, phi, features, FeatureSet.of(phi(data.to(run.end.dtype))))


def _full_precision(reference: Reference, settings: FlowSettings) -> FullPrecision:
    shared, end = reference.shared, reference.run.end
    index = torch.arange(min(_CHECKED, len(shared.noise)))
    to_data = None
    if reference.features is not None and reference.data is not None:
        to_data = frechet_distance(FeatureSet.of(reference.features), reference.data)
    is_image = len(reference.model.sample_shape) == 3
    return FullPrecision(
        sample_rms=root_mean_square(end.double()),
        convergence=check_convergence(
            shared.field.select(index), shared.noise[: len(index)], settings.steps, settings.sampler
        ),
        latent=latent_values(shared, reference.run.latent),
        frechet_to_data=to_data,
        images=encode_images(end[:_SHOWN], reference.model.data_range) if is_image else "",
    )


def _layers(reference: Reference, settings: FlowSettings, scheme: str, bits: int) -> tuple[LayerShare, ...]:
    field = reference.shared.field.select(torch.arange(settings.ladder_samples))
    noise = reference.shared.noise[: settings.ladder_samples]
    try:
        quantized = quantize_field(field, scheme, bits, settings.granularity)
        return layer_shares(
            field,
            quantized.field,
            noise,
            settings.steps,
            settings.sampler,
            rows=settings.rows,
            lipschitz_samples=0,
        )
    except (FlowError, SchemeError):
        return ()  # the cell itself says why: no such codebook, no finite samples, or nothing changed
