"""Networks as others write them: what can be called runs, the rest is one error with the way out."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fmq_theory.checkpoint import read_state
from fmq_theory.errors import CheckpointError, FlowError
from fmq_theory.flow import FlowModel, build_model, sample
from fmq_theory.flow.fidelity import build_features
from fmq_theory.flow.fidelity.data import read_samples
from fmq_theory.flow.foreign import foreign_code

Forward = Callable[..., object]


def _field(x: Tensor, t: Tensor, shift: Tensor | float = 0.0) -> Tensor:
    return x * (1.0 + t.reshape(-1, *[1] * (x.ndim - 1))) + shift


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))


class TimeFirst(Base):
    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return _field(x, t)


class ByName(Base):
    def forward(self, x: Tensor, *, timestep: Tensor) -> Tensor:
        return _field(x, timestep)


class Labelled(Base):
    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return _field(x, t, y[:, None])


class XAlone(Base):
    def forward(self, x: Tensor) -> Tensor:
        return x


class ScalarTime(Base):
    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return x * t.item()


class Narrow(Base):
    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return _field(x, t)[:, :1]


class Answered(Base):
    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor]:
        return (_field(x, t),)


class Raises(Base):
    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        raise AssertionError("expected 3 channels\nnot 2")


class Plain(Base):
    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.weight * _field(x, t)


class Optional(Base):
    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None, *, scale: float = 1.0) -> Tensor:
        return self.weight * _field(x, t) * scale if y is None else x


class Anything(Base):
    def forward(self, *inputs: Tensor) -> Tensor:
        return _field(*inputs)


class Timeless(Base):
    def forward(self, time_series: Tensor, sigma: Tensor) -> Tensor:
        return _field(time_series, sigma)


def _labels(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return (torch.randint(3, (batch,), generator=generator),)


def _run(model: FlowModel) -> Tensor:
    noise = model.noise(4, torch.Generator().manual_seed(0))
    return sample(model.field(4, torch.Generator().manual_seed(0)), noise, 2, "euler").end


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (TimeFirst, r"takes \(t, x\), time first, and it is called as \(x, t\); wrap it"),
        (ByName, r"takes \(x, timestep=\), and it is called as \(x, t\); wrap it"),
        (
            Labelled,
            r"takes \(x, t, y\), and it is called as \(x, t\); return the rest .*draw_condition",
        ),
        (XAlone, r"takes \(x\), and it is called as \(x, t\)"),
        (ScalarTime, r"the module raised RuntimeError: .*x of shape \(4, 2\), t of shape \(4,\)"),
        (Narrow, r"answers \(4, 1\) to x of shape \(4, 2\)"),
        (Answered, "answers tuple to x"),
        (Raises, "the module raised AssertionError: expected 3 channels not 2"),
    ],
)
def test_a_module_that_is_called_otherwise_is_one_error_with_the_way_out(
    module: type[nn.Module], message: str
) -> None:
    with pytest.raises(FlowError, match=message) as caught:
        _run(FlowModel(module(), (2,)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("module", [Plain, Optional, Anything, Timeless])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_control_modules_that_can_be_called_run_in_their_own_type(
    module: type[nn.Module], dtype: torch.dtype
) -> None:
    end = _run(FlowModel(module().to(dtype), (2,)))
    assert end.dtype == dtype
    assert bool(torch.isfinite(end).all())


def broken() -> object:
    raise RuntimeError("no weights here")


@pytest.mark.parametrize("build", [build_features, read_samples, build_model])
def test_every_factory_that_raises_is_one_error(build: Forward) -> None:
    with pytest.raises(FlowError, match="the factory raised RuntimeError: no weights here"):
        build(f"{__name__}:broken")


def test_labels_come_from_draw_condition() -> None:
    assert _run(FlowModel(Labelled(), (2,), draw_condition=_labels)).shape == (4, 2)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda n, _g: torch.zeros(n), "returned Tensor; return a tuple"),
        (lambda n, _g: ([0] * n,), "returned list"),
        (lambda _n, _g: (torch.zeros(1),), r"for 4 samples its tensors are of shape \(1,\)"),
        (lambda _n, _g: (torch.tensor(0.0),), r"of shape \(\)"),
        (lambda _n: (), "it raised TypeError"),
    ],
)
def test_a_condition_that_is_none_is_refused(draw: Forward, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        _run(FlowModel(Labelled(), (2,), draw_condition=draw))  # type: ignore[arg-type]


def test_what_is_no_model_is_refused_when_it_is_made() -> None:
    for module, shape, message in (
        ("net", (2,), "no torch.nn.Module"),
        (Plain(), (0,), "no positive whole"),
        (Plain(), 2, "no positive whole"),
    ):
        with pytest.raises(FlowError, match=message):
            FlowModel(module, shape)  # type: ignore[arg-type]
    with torch.device("meta"):
        empty = Plain()
    with pytest.raises(FlowError, match="on the meta device"):
        FlowModel(empty, (2,))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("can't allocate lock"),
        KeyboardInterrupt(),
        SystemExit(143),
        FlowError("a", "b", "c"),
    ],
)
def test_control_what_is_not_the_code_s_fault_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, foreign_code("a model", "it", "mend it"):
        raise error
    assert caught.value is error


def test_a_whole_module_in_a_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(CheckpointError, match="state_dict"):
        read_state(tmp_path / "whole.pt")
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "state.pt")
    assert set(read_state(tmp_path / "state.pt")) == {"weight", "bias"}
