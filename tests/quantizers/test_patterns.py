"""16-bit weights by counts of their patterns: the same as by a sort, whatever the scheme."""

import numpy as np
import pytest
import torch

from fmq_theory.errors import WeightsError
from fmq_theory.quantizers import SCHEMES, quantize
from fmq_theory.quantizers.patterns import Patterns

SIZE = 1 << 17


def weights(dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(SIZE, generator=generator).to(dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", [name for name in SCHEMES if name != "ecq"])
def test_counts_and_sorts_agree(dtype: torch.dtype, name: str) -> None:
    tensor = weights(dtype)
    assert Patterns.of(tensor, "tensor", None) is not None
    by_counts = quantize(tensor, name, 4, "tensor")
    by_sort = quantize(tensor.float(), name, 4, "tensor")
    np.testing.assert_allclose(by_counts.codebooks, by_sort.codebooks, rtol=1e-6)
    assert by_counts.mse == pytest.approx(by_sort.mse, rel=1e-9)
    assert (by_counts.codes == by_sort.codes).all()
    dequantized = by_counts.dequantize().astype(np.float64)
    assert by_counts.mse == pytest.approx(np.square(tensor.double().numpy() - dequantized).mean(), rel=1e-12)


def test_numpy_halves_of_any_shape_and_byte_order() -> None:
    halves = weights(torch.float16).numpy().reshape(4, -1)
    one = quantize(halves, "lloyd_max", 3, "tensor")
    other = quantize(halves.astype(">f2"), "lloyd_max", 3, "tensor")
    assert one.codes.shape == halves.shape
    assert (one.codes == other.codes).all()
    assert one.mse == pytest.approx(other.mse, rel=1e-14)
    assert one.effective_bits == other.effective_bits


def test_only_where_it_pays() -> None:
    tensor = weights(torch.bfloat16)
    assert Patterns.of(tensor.float(), "tensor", None) is None
    assert Patterns.of(tensor[:100], "tensor", None) is None
    assert Patterns.of(tensor.reshape(2, -1), "channel", None) is None
    assert Patterns.of(tensor, "group", 64) is None
    assert Patterns.of([1.0, 2.0], "tensor", None) is None


def test_what_is_not_finite_is_refused() -> None:
    tensor = weights(torch.bfloat16)
    tensor[17] = float("nan")
    with pytest.raises(WeightsError, match="1 of its 131072 weights are nan"):
        quantize(tensor, "lloyd_max", 4, "tensor")
