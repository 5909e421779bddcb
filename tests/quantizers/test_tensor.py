"""quantize(): layouts, types, what is stored, and bad input."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.errors import SchemeError, WeightsError
from fmq_theory.quantizers import Scheme, get_scheme, quantize
from fmq_theory.sources import Empirical
from tests.quantizers import published
from tests.quantizers.drawing import NAMES

RNG = np.random.default_rng(0)


def bits_for(name: str) -> int:
    return 4 if name in ("nf4", "fp4") else 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_mse_is_that_of_what_dequantize_returns(name: str, dtype: type) -> None:
    w = RNG.standard_normal((5, 40)).astype(dtype)
    q = quantize(w, name, bits_for(name))
    y = q.dequantize()
    assert y.shape == w.shape
    assert y.dtype == (np.float64 if dtype is np.float64 else np.float32)
    assert q.codes.shape == w.shape
    assert q.codes.dtype == np.uint8
    assert q.codebooks.shape == (5, 2 ** bits_for(name))
    assert q.mse == pytest.approx(np.mean((w.astype(float) - y.astype(float)) ** 2), rel=1e-12)
    # Control: the error of another scheme is another number.
    assert q.mse != pytest.approx(quantize(w, "log2" if name != "log2" else "uniform", 4).mse, rel=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_channels_of_any_axis(axis: int) -> None:
    w = RNG.standard_normal((4, 5, 6))
    q = quantize(w, "uniform", 3, axis=axis)
    y = q.dequantize()
    for index in range(w.shape[axis]):
        channel = np.take(w, index, axis=axis)
        expected = published.uniform(channel.ravel(), 3).reshape(channel.shape)
        np.testing.assert_allclose(np.take(y, index, axis=axis), expected, rtol=1e-12, atol=1e-15)
    assert q.axis == axis % 3
    assert q.codebooks.shape[0] == w.shape[axis]


def test_tensor_and_group() -> None:
    w = RNG.standard_normal((4, 6))
    whole = quantize(w, "uniform", 2, "tensor")
    np.testing.assert_allclose(whole.dequantize().ravel(), published.uniform(w.ravel(), 2), atol=1e-15)
    assert (whole.granularity, whole.axis, whole.codebooks.shape) == ("tensor", None, (1, 4))
    grouped = quantize(w, "uniform", 2, "group", group_size=3)
    expected = [published.uniform(group, 2) for group in w.reshape(-1, 3)]
    np.testing.assert_allclose(grouped.dequantize().reshape(-1, 3), expected, atol=1e-15)
    assert (grouped.granularity, grouped.group_size, grouped.codebooks.shape) == ("group", 3, (8, 4))
    by_column = quantize(w, "uniform", 2, "group", axis=1, group_size=2)
    expected = [published.uniform(group, 2) for group in w.T.reshape(-1, 2)]
    np.testing.assert_allclose(by_column.dequantize().T.reshape(-1, 2), expected, atol=1e-15)


@pytest.mark.parametrize("shape", [(), (1,), (9,)])
def test_fewer_than_two_dimensions_are_one_channel(shape: tuple[int, ...]) -> None:
    w = RNG.standard_normal(shape)
    q = quantize(w, "uniform", 2)
    assert q.granularity == "tensor"
    np.testing.assert_allclose(q.dequantize().ravel(), published.uniform(w.ravel(), 2), atol=1e-15)


@given(st.data())
def test_layouts_restore_what_they_cut(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=4)))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    w = np.arange(float(np.prod(shape))).reshape(shape)
    channel = w.size // shape[axis]
    group = data.draw(st.sampled_from([d for d in range(1, channel + 1) if channel % d == 0]))
    for granularity, size in (("channel", None), ("tensor", None), ("group", group)):
        layout = quantize(w, "uniform", 8, granularity, axis, size).layout
        np.testing.assert_array_equal(layout.restore(layout.rows(w)), w)


def test_lloyd_max_and_equal_mass_lose_nothing_on_few_weights() -> None:
    w = RNG.standard_normal((3, 8)).astype(np.float32)
    for name in ("lloyd_max", "equal_mass"):
        q = quantize(w, name, 3)
        np.testing.assert_array_equal(q.dequantize(), w)
        assert q.mse == 0.0
        assert q.lossless_by_construction.all()
    assert not quantize(w, "lloyd_max", 2).lossless_by_construction.any()
    uniform = quantize(w, "uniform", 3)  # flagged, because a lossless codebook exists, and yet lossy
    assert uniform.lossless_by_construction.all()
    assert uniform.mse > 0.0


def test_effective_bits() -> None:
    w = RNG.standard_normal((2, 64)).astype(np.float32)
    assert quantize(w, "lloyd_max", 4).effective_bits == 4 + 2 * 16 * 32 / 128
    assert quantize(w, "uniform", 4).effective_bits == 4 + 2 * 2 * 32 / 128
    assert quantize(w, "nf4", 4).effective_bits == 4 + 2 * 1 * 32 / 128
    assert quantize(w.astype(np.float64), "lloyd_max", 4).effective_bits == 4 + 2 * 16 * 64 / 128
    w[0] = 1.0  # one level is one number
    assert quantize(w, "lloyd_max", 4).effective_bits == 4 + (1 + 16) * 32 / 128


def test_padding_and_constant_channels() -> None:
    w = np.array([[0.1, 0.1, 0.1, 0.1], [0.0, 1.0, 2.0, 2.0]], dtype=np.float32)
    q = quantize(w, "lloyd_max", 2)
    np.testing.assert_array_equal(q.num_levels_used, [1, 3])
    np.testing.assert_array_equal(q.codebooks, np.array([[0.1] * 4, [0.0, 1.0, 2.0, 2.0]], dtype=np.float32))
    np.testing.assert_array_equal(q.dequantize(), w)


def test_sample_weight() -> None:
    w = np.array([[0.0, 1.0, 10.0, 11.0], [0.0, 1.0, 10.0, 11.0]])
    importance = np.array([[1.0, 3.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    q = quantize(w, "lloyd_max", 1, sample_weight=importance)
    np.testing.assert_allclose(q.codebooks, [[0.75, 10.5], [0.5, 10.5]], rtol=1e-15)
    y = q.dequantize()
    assert q.mse == pytest.approx(np.sum(importance * (w - y) ** 2) / 6.0, rel=1e-15)
    assert quantize(w, "lloyd_max", 1, sample_weight=1e-300 * importance).mse == pytest.approx(q.mse)
    # Control: without weights it is another codebook.
    assert quantize(w, "lloyd_max", 1).codebooks[0, 0] == 0.5


def test_result_is_frozen() -> None:
    q = quantize(RNG.standard_normal(20), bits=2)
    for array in (q.codes, q.codebooks):
        assert not array.flags.writeable
    with pytest.raises(dataclasses.FrozenInstanceError):
        q.bits = 3  # pyright: ignore[reportAttributeAccessIssue]
    assert (q.scheme, q.bits) == ("lloyd_max", 2)


# --- input of every kind --------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_memory_layout_does_not_matter(name: str) -> None:
    base = RNG.standard_normal((8, 20))
    frozen = base[::2, ::-1].copy()
    frozen.setflags(write=False)
    plain = quantize(frozen, name, bits_for(name))
    strided = quantize(base[::2, ::-1], name, bits_for(name))
    fortran = quantize(np.asfortranarray(frozen), name, bits_for(name))
    for other in (strided, fortran):
        np.testing.assert_array_equal(other.codes, plain.codes)
        np.testing.assert_array_equal(other.codebooks, plain.codebooks)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "w",
    [
        np.array([1e38, -3.4e38, 2e38, 3.4028235e38, 0.0], dtype=np.float32),
        np.array([65504.0, -65504.0, 300.0, 1.0, 0.0], dtype=np.float16),  # overflows float16 when squared
        np.array([1e-45, 3e-45, 1e-40, -1e-41, 0.0], dtype=np.float32),
        np.array([5e-324, 1e-323, -5e-322, 0.0]),
        np.array([1e300, -1e300, 1e-300, 3e299]),
        np.array([1.7e308, -1.7e308, 1e308]),
        np.array([1e8, 1e8 + 1, 1e8 + 3, 1e8 + 7]),
        np.array([-0.0, 0.0]),
        np.array([3, 1, 2, 7, 7]),
    ],
    ids=["huge32", "huge16", "denormal32", "denormal64", "1e300", "limit", "offset", "zeros", "integers"],
)
def test_edges_of_the_number_formats(name: str, w: np.ndarray) -> None:
    q = quantize(w, name, bits_for(name))
    y = q.dequantize().astype(float)
    assert np.isfinite(y).all()
    exponent = int(np.frexp(np.abs(w).astype(float).max())[1])
    x, y = np.ldexp(w.astype(float), -exponent), np.ldexp(y, -exponent)
    error = np.mean((x - y) ** 2)
    if abs(exponent) < 400:
        assert np.ldexp(q.mse, -2 * exponent) == pytest.approx(error, rel=1e-12)
    spread = (x.max() - x.min()) ** 2
    if name not in ("nf4", "fp4"):  # they are anchored at zero
        assert error <= spread / 4 + 1e-15


def test_mse_beyond_float64_is_infinite() -> None:
    assert quantize(np.array([0.0, 1e300, 1.1e300]), "uniform", 1).mse == np.inf


def test_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    w = torch.randn(3, 50, generator=torch.Generator().manual_seed(0), requires_grad=True)
    np.testing.assert_array_equal(quantize(w, bits=3).codes, quantize(w.detach().numpy(), bits=3).codes)
    half = w.detach().to(torch.bfloat16)
    q = quantize(half, bits=3)
    assert q.codebooks.dtype == np.float32
    np.testing.assert_array_equal(q.codes, quantize(half.float().numpy(), bits=3).codes)
    assert quantize(half.double(), bits=3).codebooks.dtype == np.float64
    with pytest.raises(WeightsError, match="channel 1"):
        quantize(torch.tensor([[1.0, 2.0], [float("nan"), 1.0]], dtype=torch.bfloat16))


def test_numpy_input_does_not_import_torch() -> None:
    code = (
        "import sys, numpy, fmq_theory; "
        "fmq_theory.quantize(numpy.arange(9.0)); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# --- bad input ------------------------------------------------------------------------------------

GOOD = np.arange(12.0).reshape(3, 4)


def spoilt(value: float) -> np.ndarray:
    w = GOOD.copy()
    w[1, 2] = value
    return w


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"weights": np.zeros((3, 0))}, WeightsError, "empty"),
        (
            {"weights": spoilt(np.nan)},
            WeightsError,
            r"channel 1 \(axis 0\).*: 1 of its 4 weights are nan or inf",
        ),
        ({"weights": spoilt(np.inf), "axis": 1}, WeightsError, r"channel 2 \(axis 1\)"),
        (
            {"weights": spoilt(np.nan), "granularity": "group", "group_size": 2},
            WeightsError,
            "group 1 of channel 1",
        ),
        ({"weights": spoilt(np.nan), "granularity": "tensor"}, WeightsError, "^weights: 1 of its 12"),
        ({"weights": GOOD + 1j}, WeightsError, "complex"),
        ({"weights": np.array(["a"])}, WeightsError, "real numbers"),
        ({"bits": 0}, SchemeError, "1 to 8 bits"),
        ({"bits": 9}, SchemeError, "1 to 8 bits"),
        ({"bits": 2.5}, SchemeError, "1 to 8 bits"),
        ({"scheme": "best"}, SchemeError, "choose one of uniform"),
        ({"scheme": "nf4", "bits": 3}, SchemeError, "nf4 has 16 levels"),
        ({"granularity": "row"}, SchemeError, "choose one of tensor, channel, group"),
        ({"granularity": "group"}, SchemeError, "groups need a size; pass for example group_size=64"),
        ({"granularity": "channel", "group_size": 2}, SchemeError, "has no groups"),
        ({"granularity": "group", "group_size": 0}, SchemeError, "not a positive integer"),
        ({"granularity": "group", "group_size": 3}, WeightsError, "does not divide the 4 weights"),
        ({"axis": 2}, WeightsError, "choose an axis from -2 to 1"),
        ({"sample_weight": np.ones(12)}, WeightsError, "is not that of the weights"),
        ({"sample_weight": -np.ones((3, 4))}, WeightsError, "negative"),
        ({"sample_weight": np.zeros((3, 4))}, WeightsError, "all are zero"),
        ({"sample_weight": spoilt(np.nan)}, WeightsError, "sample_weight"),
    ],
)
def test_bad_input(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        quantize(**{"weights": GOOD, **arguments})  # pyright: ignore[reportArgumentType]


def test_an_error_in_one_channel_names_it() -> None:
    class Refuses(Scheme):
        name = "refuses"

        def _design(self, source: object, num_levels: int) -> object:
            raise WeightsError("source", "it is not to my taste", "try another")

    with pytest.raises(WeightsError, match=r"channel 0 \(axis 0\) of weights of shape \(3, 4\): source"):
        quantize(GOOD, Refuses())


@pytest.mark.parametrize("name", [name for name in NAMES if "idempotent" in get_scheme(name).promises])
def test_idempotent_after_rounding_to_float32(name: str) -> None:
    w = RNG.standard_normal((6, 70)).astype(np.float32)
    once = quantize(w, name, bits_for(name)).dequantize()
    again = quantize(once, name, bits_for(name))
    np.testing.assert_array_equal(again.dequantize(), once)
    assert again.mse == 0.0


@pytest.mark.parametrize("scheme", ["lloyd_max", "equal_mass", "uniform", "panter_dite"])
@pytest.mark.parametrize("num_levels", [2, 3, 10, 255, 256])
def test_any_number_of_levels(scheme: str, num_levels: int) -> None:
    """K levels: those of the scheme's own design, in codes of ceil(log2 K) bits."""
    weights = np.random.default_rng(3).standard_normal((3, 700))
    found = quantize(weights, scheme, num_levels=num_levels)
    assert found.codebooks.shape == (3, num_levels)
    assert found.codes.max() == found.num_levels_used.max() - 1
    assert found.bits == math.ceil(math.log2(num_levels))
    codebook = get_scheme(scheme).design(Empirical(weights[1]), num_levels)
    used = found.num_levels_used[1]
    assert used == codebook.levels.size
    assert found.codebooks[1][:used] == pytest.approx(codebook.levels, rel=1e-12, abs=1e-12)
    assert found.mse == pytest.approx(float(np.square(weights - found.dequantize()).mean()), rel=1e-9)
    if num_levels in (2, 256):
        assert (found.codes == quantize(weights, scheme, found.bits).codes).all()


def test_levels_and_bits_that_cannot_be() -> None:
    for bad in (0, 1, 257, 2.5, "ten"):
        with pytest.raises(SchemeError, match="choose an integer from 2 to 256"):
            quantize([0.0, 1.0, 3.0], num_levels=bad)  # pyright: ignore[reportArgumentType]
    with pytest.raises(SchemeError, match="says it already"):
        quantize([0.0, 1.0, 3.0], bits=3, num_levels=8)
    with pytest.raises(SchemeError):
        quantize([0.0, 1.0, 3.0], "nf4", num_levels=10)


def test_a_group_size_alone_is_granularity_group() -> None:
    weights = np.random.default_rng(4).standard_normal((4, 64))
    found = quantize(weights, bits=2, group_size=16)
    assert found.granularity == "group"
    assert (found.codes == quantize(weights, bits=2, granularity="group", group_size=16).codes).all()
