"""Samples that can be compared: the same noise and condition for every field, several seeds."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fmq_theory.errors import FlowError
from fmq_theory.flow.fidelity.latent import latent_activations
from fmq_theory.flow.field import TorchField
from fmq_theory.flow.model import FlowModel
from fmq_theory.flow.samplers import Sampler, sample

__all__ = ["SampleRun", "SharedNoise", "draw_noise", "run_samples"]


@dataclass(frozen=True, slots=True, eq=False)
class SharedNoise:
    """Noise and conditions of all seeds, one after another.

    Attributes:
        field: the full-precision field with the condition of every row.
        noise: ``[seeds * samples, *sample_shape]``.
        seeds: how many.
    """

    field: TorchField
    noise: Tensor
    seeds: int

    def by_seed(self, values: Tensor) -> tuple[Tensor, ...]:
        """Rows of ``values``, seed by seed."""
        return values.chunk(self.seeds)


@dataclass(frozen=True, slots=True, eq=False)
class SampleRun:
    """Samples at t = 1 and, if the model names a layer, its answers near t = 1/2; rows as the noise."""

    end: Tensor
    latent: Tensor | None


def draw_noise(model: FlowModel, samples: int, seeds: int, seed: int) -> SharedNoise:
    """``samples`` rows for each of ``seeds`` seeds, all of them spawned from ``seed``.

    Raises:
        FlowError: a count is below 1.
    """
    if samples < 1 or seeds < 1:
        raise FlowError(
            f"{samples} samples and {seeds} seeds", "there is nothing to draw", "pass positive numbers"
        )
    noise: list[Tensor] = []
    fields: list[TorchField] = []
    for child in np.random.SeedSequence(seed).spawn(seeds):
        generator = torch.Generator().manual_seed(int(child.generate_state(1, np.uint64)[0] >> 1))
        fields.append(model.field(samples, generator))
        noise.append(model.noise(samples, generator))
    parts = zip(*(each.condition for each in fields), strict=True)
    condition = tuple(torch.cat(part) for part in parts)
    return SharedNoise(fields[0].with_condition(condition), torch.cat(noise), seeds)


def run_samples(
    field: TorchField,
    noise: Tensor,
    steps: int,
    sampler: str | Sampler,
    layer: str | None = None,
    rows: int = 64,
) -> SampleRun:
    """The flow of ``noise``, ``rows`` samples at a time, which bounds the memory.

    Raises:
        FlowError: as ``sample`` raises (it names the step), or as ``latent_activations`` raises.
    """
    ends: list[Tensor] = []
    latents: list[Tensor] = []
    for start in range(0, len(noise), rows):
        stop = min(len(noise), start + rows)
        part = field.select(torch.arange(start, stop))
        try:
            path = sample(part, noise[start:stop], steps, sampler)
        except FlowError as error:
            if start == 0:
                raise
            raise FlowError(f"{error.thing} (samples from {start} on)", error.cause, error.remedy) from error
        ends.append(path.end)
        if layer is not None:
            latents.append(latent_activations(part, path, layer))
    return SampleRun(torch.cat(ends), torch.cat(latents) if latents else None)
