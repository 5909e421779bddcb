"""What a factory says of its model."""

import pytest
import torch

from fmq_theory.errors import FlowError
from fmq_theory.flow import FlowModel
from fmq_theory.flow.digits import build
from tests.flow.linear_fields import Linear, Small


def test_noise_and_conditions_follow_the_generator() -> None:
    model = build()
    noise = model.noise(5, torch.Generator().manual_seed(1))
    assert noise.shape == (5, 1, 8, 8)
    assert torch.equal(noise, model.noise(5, torch.Generator().manual_seed(1)))
    assert not torch.equal(noise, model.noise(5, torch.Generator().manual_seed(2)))
    field = model.field(1000, torch.Generator().manual_seed(1))
    labels = field.condition[0]
    assert torch.equal(labels, model.field(1000, torch.Generator().manual_seed(1)).condition[0])
    assert labels.unique().tolist() == list(range(10))


def test_noise_has_the_type_of_the_weights() -> None:
    assert FlowModel(Linear(1.0), (3,)).noise(2, torch.Generator()).dtype == torch.float64


@pytest.mark.parametrize("data_range", [0.0, -1.0, float("inf"), float("nan")])
def test_range_must_be_a_width(data_range: float) -> None:
    with pytest.raises(FlowError, match="data_range"):
        FlowModel(Small(), (1, 4, 4), data_range=data_range)


def test_latent_layer_must_exist() -> None:
    with pytest.raises(FlowError, match="latent_layer 'middle'"):
        FlowModel(Small(), (1, 4, 4), latent_layer="middle")
