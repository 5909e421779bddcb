"""Quantized weights in a field: what is replaced, and that the errors are those of the weights in use."""

import math

import numpy as np
import pytest
import torch

from fmq_theory.errors import FlowError, SchemeError, WeightsError
from fmq_theory.flow import quantize_field, sample
from fmq_theory.quantizers import quantize
from tests.flow.linear_fields import linear_field, small_field


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_errors_are_the_distances_of_the_weights_in_use(granularity: str) -> None:
    field = small_field()
    found = quantize_field(field, "lloyd_max", 2, granularity)
    assert set(found.weight_error) == {"conv.weight", "last.weight"}
    for name, weights in field.parameters.items():
        change = float((found.field.parameters[name].double() - weights.double()).square().sum())
        assert change == found.weight_error.get(name, 0.0)
        if name in found.weight_error:
            levels = quantize(weights.numpy(), "lloyd_max", 2, granularity).dequantize()
            assert np.array_equal(found.field.parameters[name].numpy(), levels)
    total = sum(found.weight_error.values())
    assert found.weight_error_norm == pytest.approx(math.sqrt(total))
    assert found.num_weights == 27 + 3
    assert found.mse == pytest.approx(total / 30)


def test_quantization_changes_the_samples_and_more_bits_change_them_less() -> None:
    field, noise = small_field(), torch.randn(16, 1, 4, 4)
    end = sample(field, noise, 5).end
    errors = [
        float((sample(quantize_field(field, "lloyd_max", bits, "tensor").field, noise, 5).end - end).norm())
        for bits in (1, 2, 4)
    ]
    assert errors[0] > errors[1] > errors[2] > 0.0
    assert torch.equal(sample(field, noise, 5).end, end)  # the original is as it was


def test_enough_levels_lose_nothing() -> None:
    field = small_field()
    found = quantize_field(field, "lloyd_max", 5, "tensor")  # 32 levels for 27 and for 3 weights
    assert found.weight_error_norm == 0.0
    assert found.num_lossless == found.num_weights == 30
    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(found.field.velocity(x, 0.5), field.velocity(x, 0.5))
    assert quantize_field(field, "lloyd_max", 3).num_lossless == 3  # 9 weights a channel, and 3


def test_effective_bits_count_the_codebooks() -> None:
    found = quantize_field(small_field(), "lloyd_max", 2, include=lambda name, _: name == "conv.weight")
    assert found.effective_bits == pytest.approx(2 + 3 * 4 * 32 / 27)
    uniform = quantize_field(small_field(), "uniform", 2, include=lambda name, _: name == "conv.weight")
    assert uniform.effective_bits == pytest.approx(2 + 3 * 2 * 32 / 27)


def test_include_chooses_the_tensors() -> None:
    everything = quantize_field(small_field(), "uniform", 1, include=lambda name, _: True)
    assert set(everything.weight_error) == set(small_field().parameters)
    groups = quantize_field(
        small_field(), "uniform", 1, "group", lambda name, _: name == "conv.weight", group_size=3
    )
    assert (
        groups.mse
        < quantize_field(small_field(), "uniform", 1, "channel", lambda name, _: name == "conv.weight").mse
    )


def test_what_cannot_be_quantized_is_named() -> None:
    with pytest.raises(FlowError, match="2 tensors: none"):
        quantize_field(linear_field(1.0), "uniform", 4)
    with pytest.raises(SchemeError, match="no_such"):
        quantize_field(small_field(), "no_such", 4)
    broken = small_field().with_parameters({"conv.weight": torch.full((3, 1, 3, 3), float("nan"))})
    with pytest.raises(WeightsError, match=r"tensor 'conv\.weight'.*channel 0"):
        quantize_field(broken, "uniform", 4)
    with pytest.raises(WeightsError, match=r"tensor 'last\.weight'.*group_size"):
        quantize_field(small_field(), "uniform", 4, "group", group_size=9)
