"""How near the samples of changed weights are to those of a model's own, from the same noise."""

from collections.abc import Mapping

import torch
from torch import Tensor

from experiments.framework.flow_runs import FlowRun
from fmq_theory.checkpoint import load_flow, read_state
from fmq_theory.flow import FlowModel, build_model, sample, with_weights
from fmq_theory.flow.fidelity.similarity import psnr

__all__ = ["Sampled"]

_STEPS = 10


class Sampled:
    """A model's samples from one noise, against which others are held.

    Args:
        run: the model.
        samples: how many.
        seed: of noise and conditions.
    """

    def __init__(self, run: FlowRun, samples: int, seed: int) -> None:
        self._run, self._samples, self._seed = run, samples, seed
        self._own = load_flow(run.path, run.factory)
        self._end = self._ends(self._own)

    def psnr(self, changed: Mapping[str, Tensor]) -> list[float]:
        """dB of each sample with these tensors in place of the model's own; the others stay."""
        state = {**read_state(self._run.path), **changed}
        model = with_weights(build_model(self._run.factory), state, self._run.name)
        found = psnr(self._ends(model), self._end, self._own.data_range)
        return [float(value) for value in found]

    def _ends(self, model: FlowModel) -> Tensor:
        generator = torch.Generator().manual_seed(self._seed)
        field = model.field(self._samples, generator)
        noise = torch.randn((self._samples, *model.sample_shape), generator=generator)
        return sample(field, noise, _STEPS, "midpoint").end
