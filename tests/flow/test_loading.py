"""Models by name, and weights that fit or are refused with the names of those that do not."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fmq_theory.errors import CheckpointError, FlowError, WeightsError
from fmq_theory.flow import FlowModel, build_model, with_weights
from tests.flow.linear_fields import Small


def build() -> FlowModel:
    return FlowModel(Small(), (1, 4, 4), latent_layer="norm", unused=("old.",))


def no_model() -> str:
    return "text"


def _weights(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(tensor.shape, generator=generator).to(tensor.dtype)
        for name, tensor in Small().state_dict().items()
    }


def test_factory_by_name() -> None:
    model = build_model("tests.flow.test_loading:build")
    assert model.sample_shape == (1, 4, 4)
    assert model.latent_layer == "norm"


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("tests.flow.test_loading", "package.module:factory"),
        (":build", "package.module:factory"),
        ("no.such.module:build", "cannot be imported"),
        ("tests.flow.test_loading:nothing", "no function 'nothing'"),
        ("tests.flow.test_loading:no_model", "returned str"),
        (
            "tests.flow.test_loading:made",
            "made in tests.flow.test_loading is of type FlowModel, and no function",
        ),
    ],
)
def test_factory_that_is_none(factory: str, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        build_model(factory)


async def later() -> FlowModel:
    return build()


def one_by_one() -> Iterator[FlowModel]:
    yield build()


class Calls:
    async def __call__(self) -> FlowModel:
        return build()


calls = Calls()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("factory", "what"),
    [("later", "an async function"), ("one_by_one", "a generator"), ("calls", "an async function")],
)
def test_a_factory_that_answers_later_is_refused_before_it_is_called(factory: str, what: str) -> None:
    with pytest.raises(FlowError, match=f"{factory} in tests.flow.test_loading is {what}"):
        build_model(f"tests.flow.test_loading:{factory}")
    gc.collect()  # a coroutine that nobody awaits warns when it is collected


class Own(FlowModel):
    """A model that is made without arguments, and keeps more than the fields."""

    def __init__(self) -> None:
        super().__init__(Small(), (1, 4, 4))
        object.__setattr__(self, "more", 3)


made = FlowModel(Small(), (1, 4, 4))


def test_a_class_of_its_own_is_a_factory_and_stays_that_class() -> None:
    model = with_weights(build_model("tests.flow.test_loading:Own"), _weights(), "weights")
    assert isinstance(model, Own)
    assert vars(model)["more"] == 3
    assert torch.equal(model.module.state_dict()["conv.weight"], _weights()["conv.weight"])


def test_weights_and_running_statistics_are_all_taken() -> None:
    weights = _weights()
    original = build()
    before = original.module.state_dict()["conv.weight"].clone()
    model = with_weights(original, weights, "weights")
    for name, tensor in model.module.state_dict().items():
        assert torch.equal(tensor, weights[name])
    assert torch.equal(original.module.state_dict()["conv.weight"], before)
    assert not model.module.training
    field = model.field(2, torch.Generator())
    assert torch.equal(field.parameters["conv.weight"], weights["conv.weight"])
    assert torch.equal(field.buffers["norm.running_mean"], weights["norm.running_mean"])


def test_other_weights_give_other_samples() -> None:
    x = torch.randn(2, 1, 4, 4)
    first, second = (
        with_weights(build(), _weights(seed), "w").field(2, torch.Generator()) for seed in (0, 1)
    )
    assert not torch.allclose(first.velocity(x, 0.5), second.velocity(x, 0.5))


def test_prefixes_of_wrappers_and_unused_weights_are_left_out() -> None:
    wrapped = {f"module.{name}": tensor for name, tensor in _weights().items()}
    model = with_weights(build(), {**wrapped, "module.old.weight": torch.ones(3)}, "weights")
    assert torch.equal(model.module.state_dict()["last.bias"], _weights()["last.bias"])


def test_first_mismatches_are_named() -> None:
    weights = _weights()
    weights["conv.weight"] = torch.zeros(3, 1, 5, 5)
    weights["extra.weight"] = weights.pop("last.bias")
    with pytest.raises(CheckpointError) as caught:
        with_weights(build(), weights, "checkpoint 'a.pt'")
    message = str(caught.value)
    assert "checkpoint 'a.pt' in Small" in message
    assert "missing: 'last.bias'" in message
    assert "not of the model: 'extra.weight'" in message
    assert "'conv.weight' is (3, 1, 5, 5), not (3, 1, 3, 3)" in message


def test_long_lists_are_cut() -> None:
    with pytest.raises(CheckpointError, match=r"missing: 'conv\.weight'.* and 4 more"):
        with_weights(build(), {}, "nothing")


def test_weights_that_are_not_finite_are_refused() -> None:
    weights = _weights()
    weights["norm.running_var"][1] = float("nan")
    with pytest.raises(WeightsError, match=r"norm\.running_var"):
        with_weights(build(), weights, "weights")


class Holder(nn.Module):
    """A module that holds the network which was trained."""

    def __init__(self, *, scaled: bool = False) -> None:
        super().__init__()
        self.net = Small()
        if scaled:
            self.register_buffer("scale", torch.ones(1))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.net(x, t)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "a.b.c.", "module._orig_mod."])
def test_a_prefix_before_every_name_of_the_checkpoint_is_taken_off(prefix: str) -> None:
    wrapped = {prefix + name: tensor for name, tensor in _weights().items()}
    model = with_weights(build(), wrapped, "weights")
    assert torch.equal(model.module.state_dict()["last.bias"], _weights()["last.bias"])


def test_a_wrapper_s_prefix_is_put_before_every_name() -> None:
    model = with_weights(FlowModel(Holder(), (1, 4, 4)), _weights(), "weights")
    assert torch.equal(model.module.state_dict()["net.last.bias"], _weights()["last.bias"])


def test_a_prefix_under_which_not_all_fits_is_named() -> None:
    with pytest.raises(CheckpointError, match="missing: 'scale'") as caught:
        with_weights(FlowModel(Holder(scaled=True), (1, 4, 4)), _weights(), "weights")
    assert "names of the module begin with 'net.', under which more" in str(caught.value)
    partly = {f"net.{name}": tensor for name, tensor in _weights().items()} | {"other": torch.ones(1)}
    with pytest.raises(CheckpointError, match=r"names of the checkpoint begin with 'net\.'"):
        with_weights(build(), partly, "weights")
    with pytest.raises(CheckpointError) as plain:
        with_weights(build(), {"other": torch.ones(1)}, "weights")
    assert "begin with" not in str(plain.value)


FILE = """
from dataclasses import dataclass
import torch
from beside import SHAPE
from fmq_theory import FlowModel

@dataclass
class Options:
    width: int = 3

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
    def forward(self, x, t):
        return self.layer(x)

def build(width=Options().width):
    print("building")
    return FlowModel(Net(), sample_shape=SHAPE)

def needs(width, *, depth):
    return build()

def bare():
    return Net()

def broken():
    raise KeyError("no config")

def ends():
    raise SystemExit(3)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "beside.py").write_text("SHAPE = (2,)")
    path = tmp_path / "my model.py"
    path.write_text(FILE)
    yield path
    sys.modules.pop("beside", None)


def test_a_file_is_a_place_of_factories(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    for place in ("./my model.py", "my model.py", str(file)):
        assert build_model(f"{place}:build").sample_shape == (2,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("needs", "cannot be called without width, depth; give them defaults"),
        (
            "bare",
            r"returned Net, which does not say what a sample is; return .*FlowModel\(module, ",
        ),
        ("broken", "the factory raised KeyError: 'no config'"),
        ("ends", "the factory raised SystemExit: 3"),
        ("nothing", "no function 'nothing'"),
    ],
)
def test_a_factory_that_does_not_work_says_why(file: Path, name: str, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        build_model(f"{file}:{name}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", "raised SyntaxError"),
        ("import no_such_module_x", "raised ModuleNotFoundError"),
        ("1/0", "raised Zero"),
    ],
)
def test_a_file_that_cannot_be_run_says_why(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    for _ in range(2):  # half a module is not kept
        with pytest.raises(FlowError, match=message):
            build_model(f"{tmp_path / 'bad.py'}:f")
    with pytest.raises(FlowError, match="there is no file"):
        build_model(f"{tmp_path / 'absent.py'}:f")
