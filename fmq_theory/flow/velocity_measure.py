"""The measure of the published scripts: one network output at t = 0 on real data, no flow integrated.

Fig. 3's script feeds one batch of 64 real images in [0, 1] to the network at t = 0 and compares its output
with the full-precision network's: PSNR with peak 1 over the whole batch, SSIM with a plain window. Fig. 4's
script takes the middle layer's answer at t = 0 to real images, turns it onto 20 principal components found
for each model by itself, and reports the standard deviation of the variances along them.

Here the same is done batch by batch, on disjoint batches of real images, so that one sees what a batch
happens to show; one batch is the script. At t = 0 a flow has *noise*, which is what a network was
trained on there: the measure tells how far two networks' functions are apart on these inputs, not how far
their samples are.

Reference:
    Scripts of Figs. 3 and 4 of arXiv:2511.11418, in the authors' public repository; theory section 0.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor

from fmq_theory.brief import brief_repr
from fmq_theory.errors import FlowError
from fmq_theory.flow.cell import BySeed, Cell, LatentValues
from fmq_theory.flow.cell_store import CellStore
from fmq_theory.flow.fidelity.latent import LatentStatistics, answer_of, principal_statistics
from fmq_theory.flow.fidelity.real_data import RealData
from fmq_theory.flow.fidelity.similarity import batch_psnr, box_ssim
from fmq_theory.flow.field import TorchField
from fmq_theory.flow.flow_report import FlowReport, FullPrecision, Progress, cell_words
from fmq_theory.flow.measure_cell import quantized_cell
from fmq_theory.flow.model import FlowModel
from fmq_theory.flow.published_protocol import PROTOCOLS
from fmq_theory.quantizers import get_scheme

__all__ = ["Outputs", "VelocitySettings", "measure_velocity", "network_outputs"]

_WINDOW = 11
_MOST_BATCHES = 16


@dataclass(frozen=True, slots=True)
class VelocitySettings:
    """Everything that a cell depends on besides the model and the data.

    Attributes:
        batch: samples that are compared as one; the script's 64.
        batches: disjoint ones; None for as many as the data fill, 16 at most.
        peak: P of PSNR and SSIM; the script's 1.
        components: principal components of the latent; the script's 20.
        protocol: "weights" or "published", see ``published_protocol``.
        granularity: "channel" or "tensor", under the protocol "weights".
        seed: of conditions, where the data bring none.
    """

    batch: int = 64
    batches: int | None = None
    peak: float = 1.0
    components: int = 20
    protocol: str = "weights"
    granularity: str = "channel"
    seed: int = 0

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if self.batch < 2 or (self.batches is not None and self.batches < 1) or self.components < 1:
            raise FlowError(
                "settings",
                f"{self.batches} batches of {self.batch} and {self.components} components are too few",
                "use a batch of two at least",
            )
        if not 0.0 < self.peak < float("inf"):
            raise FlowError(
                f"peak {self.peak}", "it is not positive and finite", "pass 1.0, as the scripts do"
            )
        if self.protocol not in PROTOCOLS:
            raise FlowError(
                f"protocol {self.protocol!r}", "it is unknown", f"choose one of {', '.join(PROTOCOLS)}"
            )

    def as_json(self) -> dict[str, Any]:
        """Plain values, with the name of the measure."""
        return {"measure": "velocity", **asdict(self)}

    def batches_of(self, data: RealData) -> int:
        """How many batches there are.

        Args:
            data: the images that the network is asked about.

        Raises:
            FlowError: the data do not fill them.
        """
        full = len(data) // self.batch
        wanted = min(full, _MOST_BATCHES) if self.batches is None else self.batches
        if full < max(1, wanted):
            raise FlowError(
                f"{len(data)} samples",
                f"they do not fill {max(1, wanted)} batches of {self.batch}",
                "pass more images, fewer batches, or smaller ones",
            )
        return wanted


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """A network's answers to the batches, one after another.

    Attributes:
        velocity: v(x, 0), ``[batches * batch, *sample_shape]``.
        latent: the middle layer's answers, flattened, ``[batches * batch, d]``; None if the model names none.
    """

    velocity: Tensor
    latent: Tensor | None


def network_outputs(field: TorchField, x: Tensor, batch: int, layer: str | None) -> Outputs:
    """One evaluation at t = 0 for each row of ``x``, ``batch`` rows at a time.

    Args:
        field: with one row of condition a row of ``x``.
        x: ``[n, *sample_shape]``, n a multiple of ``batch``.
        batch: rows at once.
        layer: whose answer is the latent; None for none.

    Raises:
        FlowError: the network answers nan or inf, or the layer cannot serve (see ``answer_of``).
    """
    velocities: list[Tensor] = []
    latents: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(x), batch):
            part = field.select(torch.arange(start, start + batch))
            rows = x[start : start + batch]
            if layer is None:
                velocities.append(part.velocity(rows, 0.0))
            else:
                velocity, answer = answer_of(part, rows, 0.0, layer)
                velocities.append(velocity)
                latents.append(answer.flatten(1))
    velocity = torch.cat(velocities)
    if not bool(torch.isfinite(velocity).all()):
        raise FlowError(
            "velocity at t = 0", "some numbers are nan or infinite", "check the weights and the data"
        )
    return Outputs(velocity, torch.cat(latents) if latents else None)


def measure_velocity(
    model: FlowModel,
    subject: str,
    schemes: Sequence[str],
    bits: Sequence[int],
    settings: VelocitySettings,
    data: RealData,
    *,
    store: CellStore | None = None,
    progress: Progress = lambda _share, _what: None,
) -> FlowReport:
    """Measures every cell that the store does not hold yet.

    Args:
        model: with its weights.
        subject: the model in words.
        schemes: names that ``get_scheme`` knows.
        bits: bit-widths.
        settings: all else that a cell depends on.
        data: real samples, of the model's shape; where they bring no condition, the model draws one.
        store: keeps finished cells; without one they live in memory.
        progress: called with the share done and what is being done.

    Raises:
        FlowError: the data do not fit, or the full-precision network answers nan.
        SchemeError: an unknown scheme.
    """
    for scheme in schemes:
        get_scheme(scheme)
    progress(0.0, "full precision")
    count = settings.batches_of(data)
    data = data.first(count * settings.batch)
    field = _field(model, data, settings)
    x = data.x.to(field.dtype)
    exact = network_outputs(field, x, settings.batch, model.latent_layer)
    cells: list[Cell] = []
    total, began, made = len(schemes) * len(bits), time.monotonic(), 0
    for scheme in schemes:
        for b in bits:
            done = len(cells)
            progress(done / total, cell_words(scheme, b, done, total, time.monotonic() - began, made))
            cell = store.get(scheme, b) if store is not None else None
            if cell is None:
                cell = _cell(field, x, exact, model.latent_layer, settings, scheme, b)
                made += 1
                if store is not None:
                    store.put(cell)
            cells.append(cell)
    return FlowReport(
        subject=subject,
        config={
            "schemes": list(schemes),
            "bits": list(bits),
            **settings.as_json(),
            "batches": count,
            "conditions": "of the data" if data.condition else "drawn" if field.condition else "none",
        },
        sample_shape=model.sample_shape,
        data_range=settings.peak,
        ssim_window=_WINDOW if len(model.sample_shape) == 3 else None,
        features=None,
        full=FullPrecision(
            sample_rms=float(exact.velocity.double().square().mean().sqrt()),
            convergence=None,
            latent=_latent(exact.latent, settings),
            frechet_to_data=None,
            images="",
        ),
        cells=tuple(cells),
        measure="velocity",
    )


def _field(model: FlowModel, data: RealData, settings: VelocitySettings) -> TorchField:
    if tuple(data.x.shape[1:]) != model.sample_shape:
        raise FlowError(
            f"data of shape {tuple(data.x.shape)}",
            f"the model's samples are of shape {model.sample_shape}",
            "pass [n, *sample_shape]",
        )
    field = model.field(len(data), torch.Generator().manual_seed(settings.seed))
    if not data.condition:
        return field
    if len(data.condition) != len(field.condition):
        raise FlowError(
            f"{len(data.condition)} parts of the condition",
            f"the network takes {len(field.condition)}",
            "pass labels only to a network that takes them",
        )
    return field.with_condition(data.condition)


def _cell(
    field: TorchField,
    x: Tensor,
    exact: Outputs,
    layer: str | None,
    settings: VelocitySettings,
    scheme: str,
    bits: int,
) -> Cell:
    def measured(quantized: TorchField) -> dict[str, Any]:
        return _compared(network_outputs(quantized, x, settings.batch, layer), exact, settings)

    return quantized_cell(field, scheme, bits, (settings.protocol, settings.granularity), measured)


def _compared(found: Outputs, exact: Outputs, settings: VelocitySettings) -> dict[str, Any]:
    """By batch: the error of each output, one PSNR, the SSIM of each image, the latent's statistics."""
    difference = found.velocity.double() - exact.velocity.double()
    error = difference.flatten(1).square().sum(dim=1).sqrt()
    similarity = box_ssim(found.velocity, exact.velocity, settings.peak)
    pairs = zip(_batches(found.velocity, settings), _batches(exact.velocity, settings), strict=True)
    return {
        "error": _by_batch(error, settings),
        "psnr": tuple((batch_psnr(one, other, settings.peak),) for one, other in pairs),
        "ssim": () if similarity is None else _by_batch(similarity, settings),
        "latent": _latent(found.latent, settings),
    }


def _batches(rows: Tensor, settings: VelocitySettings) -> tuple[Tensor, ...]:
    return rows.chunk(len(rows) // settings.batch)


def _by_batch(values: Tensor, settings: VelocitySettings) -> BySeed:
    return tuple(tuple(_floats(part)) for part in _batches(values, settings))


def _latent(answers: Tensor | None, settings: VelocitySettings) -> LatentValues | None:
    """Of each batch by itself, and of all batches together."""
    if answers is None:
        return None
    parts = [principal_statistics(part, settings.components) for part in _batches(answers, settings)]
    whole: LatentStatistics = principal_statistics(answers, settings.components)
    return LatentValues(
        tuple(each.mean for each in parts),
        tuple(each.std for each in parts),
        tuple(each.collapsed for each in parts),
        whole.dimensions,
        whole_std=whole.std,
    )


def _floats(values: Tensor) -> list[float]:
    return cast("list[float]", values.double().tolist())  # pyright: ignore[reportUnknownMemberType]
