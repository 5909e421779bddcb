"""Models by name, and weights that fit or are refused with the names of those that do not."""

import pytest
import torch
from torch import Tensor

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
    ],
)
def test_factory_that_is_none(factory: str, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        build_model(factory)


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
