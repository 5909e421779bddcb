"""The action policy of pendulum_policy_*.pth: the torque for an observed state of a pendulum.

Written from a description of the checkpoint (github.com/ZidongChen25/Dense-Jump-FlowMatchingPolicy,
MIT). For ``--model experiments.models.pendulum:build``. Its conditions are observations of the
expert's data, which are not part of this repository: ``FMQ_PENDULUM_DATA`` names the file, else
``../shared/data/pendulum_expert.npz`` beside the repository is used.
"""

import os
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from fmq_theory.errors import FlowError
from fmq_theory.flow import FlowModel

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "pendulum_expert.npz"
TRAINED_ON = 600  # rows, which also give the mean and the standard deviation
_HIDDEN = 128


class PendulumPolicy(nn.Module):
    """v(x, t, observation) of actions ``[batch, 1]`` and observations ``[batch, 3]``, both normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.obs_encoder_mlp = _mlp(3, _HIDDEN, _HIDDEN, _HIDDEN)
        self.mlp = _mlp(_HIDDEN + 1 + 1, _HIDDEN, _HIDDEN, 1)

    def forward(self, x: Tensor, t: Tensor, observation: Tensor) -> Tensor:
        seen = cast("Tensor", self.obs_encoder_mlp(observation))
        return cast("Tensor", self.mlp(torch.cat([seen, x, t[:, None]], dim=1)))


def _mlp(*widths: int) -> nn.Sequential:
    """Linear layers with GELU between them."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.GELU()]
    return nn.Sequential(*layers[:-1])


@dataclass(frozen=True, slots=True, eq=False)
class Demonstrations:
    """The rows that were trained on, normalised: observations ``[600, 3]``, actions ``[600, 1]``."""

    observations: Tensor
    actions: Tensor

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor]:
        """Observations of rows drawn with repetition."""
        rows = torch.randint(len(self.observations), (batch,), generator=generator)
        return (self.observations[rows],)


def read_demonstrations(path: Path | None = None) -> Demonstrations:
    """The expert's first 600 rows.

    Raises:
        FlowError: the file is missing or holds something else.
    """
    path = path or Path(os.environ.get("FMQ_PENDULUM_DATA", DATA))
    try:
        with np.load(path, allow_pickle=False) as archive:
            observations, actions = (archive[name][:TRAINED_ON] for name in ("observations", "actions"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise FlowError(
            f"pendulum data {path}",
            f"it cannot be read ({error})",
            "set FMQ_PENDULUM_DATA to the path of pendulum_expert.npz",
        ) from error
    return Demonstrations(_normalised(torch.from_numpy(observations)), _normalised(torch.from_numpy(actions)))


def actions_and_states() -> tuple[Tensor, Tensor]:
    """The expert's actions ``[600, 1]`` and the states they were taken in: for ``fmq flow --images``."""
    demonstrations = read_demonstrations()
    return demonstrations.actions, demonstrations.observations


def _normalised(rows: Tensor) -> Tensor:
    return (rows - rows.mean(dim=0)) / rows.std(dim=0)  # n - 1


def build() -> FlowModel:
    """The network with fresh weights, conditions from the expert's rows."""
    demonstrations = read_demonstrations()
    actions = demonstrations.actions
    return FlowModel(
        PendulumPolicy().eval(),
        sample_shape=(1,),
        data_range=float(actions.max() - actions.min()),
        draw_condition=demonstrations.draw,
        latent_layer="mlp.2",
        unused=("time_mlp.",),  # in the checkpoint, and never trained
    )
