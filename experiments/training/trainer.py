"""Flow matching: minimise E |v(x_t, t, y) - (data - noise)|^2, x_t = t data + (1 - t) noise."""

import copy
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from experiments.training.images import LabelledImages
from fmq_theory.errors import CheckpointError, FlowError
from fmq_theory.report.base.files import write_atomically

# What torch makes of a file that is no saved state.
_DAMAGE = (OSError, RuntimeError, EOFError, LookupError, TypeError, ValueError, pickle.UnpicklingError)


@dataclass(frozen=True, slots=True)
class Config:
    """What decides the weights, together with the number of threads and the versions."""

    data: str = "digits"
    data_path: str = ""
    model: str = "compact"
    steps: int = 5000  # of the digits: after twice as many the held-out error is 2 % larger
    batch: int = 128
    learning_rate: float = 2e-3
    warm_up: int = 200
    weight_decay: float = 1e-2
    ema: float = 0.999
    seed: int = 0
    precision: str = "float32"  # of the network's products; weights and optimiser keep float32


class Trainer:
    """The state of a training run, which can be saved at any step and taken up again.

    The path of the losses after ``load`` is that of a run which was never stopped.
    """

    def __init__(self, config: Config, network: Callable[[], nn.Module], data: LabelledImages) -> None:
        torch.manual_seed(config.seed)  # initial weights, and dropout later
        self.config = config
        self.data = data
        self.generator = torch.Generator().manual_seed(config.seed)
        self.network = network().train()
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.losses: list[float] = []
        self.seconds = self.cpu_seconds = 0.0

    @property
    def step(self) -> int:
        """How many steps were made."""
        return len(self.losses)

    def advance(self) -> None:
        """One step of the optimiser.

        Raises:
            FlowError: the loss is not finite.
        """
        began, began_cpu = time.perf_counter(), time.process_time()
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(self.step, config.warm_up, config.steps)
        loss = self._loss()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FlowError(f"loss at step {self.step}", f"it is {value}", "lower --learning-rate")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.losses.append(value)
        self._follow()
        self.seconds += time.perf_counter() - began
        self.cpu_seconds += time.process_time() - began_cpu

    def _loss(self) -> Tensor:
        batch = self.config.batch
        chosen = torch.randint(len(self.data.labels), (batch,), generator=self.generator)
        data, labels = self.data.images[chosen], self.data.labels[chosen]
        noise = torch.randn(data.shape, generator=self.generator)
        # One time in each of ``batch`` equal parts of [0, 1]: the mean over t with less noise.
        times = (torch.arange(batch) + torch.rand(batch, generator=self.generator)) / batch
        times = times[torch.randperm(batch, generator=self.generator)]
        x = torch.lerp(noise, data, times[:, None, None, None])
        short = self.config.precision == "bfloat16"
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=short):
            velocity = self.network(x, times, labels)
        return (velocity.float() - (data - noise)).square().mean()

    def _follow(self) -> None:
        # A young average forgets fast, so that it does not keep the initial weights.
        decay = min(self.config.ema, self.step / (self.step + 10.0))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(value, 1.0 - decay)
            for mean, value in zip(self.average.buffers(), self.network.buffers(), strict=True):
                mean.copy_(value)

    def save(self, path: Path) -> None:
        """Writes all that ``load`` needs, whole or not at all.

        Raises:
            OutputError: the file system refused.
        """
        state = {
            "config": asdict(self.config),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "dropout": torch.get_rng_state(),
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "seconds": [self.seconds, self.cpu_seconds],
        }
        write_atomically(path, lambda place: torch.save(state, place))

    def load(self, path: Path) -> None:
        """Takes up a run where ``save`` left it.

        Raises:
            CheckpointError: the file is no such state, or one of another configuration.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            before = Config(**state["config"])
        except _DAMAGE as error:
            raise CheckpointError(
                f"state {path}", "it holds no run to resume", "start without --resume"
            ) from error
        if before != self.config:
            now, then = asdict(self.config), asdict(before)
            different = [f"{key} was {then[key]!r}, is {now[key]!r}" for key in now if now[key] != then[key]]
            raise CheckpointError(f"state {path}", "; ".join(different), "resume with the same options")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["dropout"])
        self.losses = state["losses"].tolist()
        self.seconds, self.cpu_seconds = state["seconds"]


def _schedule(step: int, warm_up: int, steps: int) -> float:
    """Linear from 0 to 1 over ``warm_up`` steps, then half a cosine down to 1 %."""
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
