"""The score of a file: closed forms, an independent route, properties."""

import json
import math
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fmq_theory
from fmq_theory import checkpoint
from fmq_theory.checkpoint.compare.keeping import keep_in_16_bits
from fmq_theory.checkpoint.compare.layer import squared_sums
from fmq_theory.checkpoint.foreign.stored import Decoded, StoredWeight
from fmq_theory.shown import json_text
from tests.checkpoint.made_tensors import Tensors, drawn, save


def _model() -> Tensors:
    return {
        "first.weight": drawn(16, 64),
        "second.weight": 0.1 * drawn(8, 4, 3, 3, seed=1),
        "first.bias": drawn(16, seed=2),
    }


def test_rounding_to_sixteen_bits_has_the_error_of_its_step(tmp_path: Path) -> None:
    """On [1, 2) the step of bfloat16 is 2**-7, the error of uniform weights has the variance step**2 / 12.

    sum w**2 of uniform weights on [1, 2) is 7/3 a weight.
    """
    weights = 1.0 + torch.rand((64, 4096), generator=torch.Generator().manual_seed(0))
    original = save(tmp_path, "original", {"w": weights})
    found = fmq_theory.compare(original, save(tmp_path, "half", {"w": weights.bfloat16()}))
    (layer,) = found.layers
    assert layer.sse / layer.weights == pytest.approx(2.0**-14 / 12, rel=0.01)
    assert layer.sqnr_db == pytest.approx(10 * math.log10(7 / 3 / (2.0**-14 / 12)), abs=0.05)
    assert layer.effective_bits == 16.0
    assert layer.over_own == 1.0
    assert layer.best is None
    assert found.formats == ("bfloat16",)


def test_truncation_is_four_times_as_far_as_rounding(tmp_path: Path) -> None:
    """The control of the optimum: a cast that cuts has step**2 / 3, four times the least."""
    weights = 1.0 + torch.rand((64, 4096), generator=torch.Generator().manual_seed(0))
    cut = (weights.view(torch.int32) & -65536).view(torch.float32).bfloat16()
    original = save(tmp_path, "original", {"w": weights})
    found = fmq_theory.compare(original, save(tmp_path, "cut", {"w": cut}))
    assert found.totals.over_own == pytest.approx(4.0, rel=0.01)


def test_the_same_file_twice_loses_nothing(tmp_path: Path) -> None:
    original = save(tmp_path, "original", _model())
    found = fmq_theory.compare(original, original)
    assert found.totals.sse == 0.0
    assert found.totals.sqnr_db == math.inf
    assert found.totals.over_own == 1.0
    assert found.keep == ()
    assert [layer.share_of_error for layer in found.layers] == [None, None]
    text = json_text(found.as_json())
    assert "Infinity" not in text
    assert json.loads(text)["totals"]["sqnr_db"] == "inf"
    assert "SQNR inf dB" in repr(found)


def test_sums_by_another_route(tmp_path: Path) -> None:
    """Every number of a scaled int8 file from its definition, in Python's own sums."""
    model = _model()
    stored: Tensors = {"first.bias": model["first.bias"]}
    dequantized: Tensors = {}
    for name in ("first", "second"):
        weight = model[f"{name}.weight"]
        scale = weight.flatten(1).abs().amax(1) / 127
        shaped = scale.reshape(-1, *(1 for _ in weight.shape[1:]))
        codes = (weight / shaped).round().to(torch.int8)
        stored |= {f"{name}.weight": codes, f"{name}.weight_scale": scale}
        dequantized[f"{name}.weight"] = codes.float() * shaped
    original = save(tmp_path, "original", model)
    found = fmq_theory.compare(original, save(tmp_path, "int8", stored))
    everything = 0.0
    for layer in found.layers:
        w = model[layer.name].double().flatten().tolist()
        q = dequantized[layer.name].double().flatten().tolist()
        sse = math.fsum((a - b) ** 2 for a, b in zip(w, q, strict=True))
        everything += sse
        assert layer.sse == pytest.approx(sse, rel=1e-12)
        assert layer.relative_error == pytest.approx(math.sqrt(sse / math.fsum(a * a for a in w)), rel=1e-12)
        assert layer.num_bytes == len(w) + 4 * layer.shape[0]
        assert layer.own_sse is None
        assert "not computed" in layer.own
        assert layer.best is not None
        assert layer.best.effective_bits <= layer.effective_bits
    assert found.totals.sse == pytest.approx(everything, rel=1e-12)
    assert sum(layer.share_of_error or 0.0 for layer in found.layers) == pytest.approx(1.0)
    assert sum(layer.share_of_weights for layer in found.layers) == pytest.approx(1.0)
    assert found.left_out == (("first.bias", (16,), "fewer than 2 dimensions"),)


@pytest.mark.parametrize(
    ("scheme", "granularity"),
    [("lloyd_max", "channel"), ("lloyd_max", "tensor"), ("equal_mass", "channel"), ("uniform", "channel")],
)
def test_the_optimum_of_the_own_format(tmp_path: Path, scheme: str, granularity: str) -> None:
    """Of tables that of ``quantize`` with Lloyd-Max, of equal steps that with the best range."""
    original = save(tmp_path, "original", _model())
    recipes = [
        checkpoint.Recipe(name, checkpoint.Choice(scheme, 3, granularity))
        for name in ("first.weight", "second.weight")
    ]
    checkpoint.write_quantized(original, tmp_path / "small.safetensors", recipes)
    found = fmq_theory.compare(original, tmp_path / "small.safetensors")
    for layer in found.layers:
        weights = _model()[layer.name].numpy()
        best = "uniform_clipped" if scheme == "uniform" else "lloyd_max"
        optimum = fmq_theory.quantize(weights, best, 3, granularity).mse * weights.size
        assert layer.own_sse == pytest.approx(optimum, rel=1e-9)
        ours = fmq_theory.quantize(weights, scheme, 3, granularity)
        assert layer.sse == pytest.approx(ours.mse * weights.size, rel=1e-6)
        assert (layer.over_own == 1.0) == (scheme == "lloyd_max")
        assert (layer.over_own or 0.0) >= 1.0


def test_nf4_beside_the_best_absmax(tmp_path: Path) -> None:
    """The scale of least error of blocks of 64, by trying many of either sign; the usual absmax is another.

    The table of NF4 is not symmetric, so that a negative absmax fits some blocks better.
    """
    functional = pytest.importorskip("bitsandbytes.functional")
    weights = drawn(12, 128)
    blocks = weights.reshape(-1, 64).double()
    codes, state = functional.quantize_4bit(weights, blocksize=64, quant_type="nf4")
    table = state.code.double()
    steps = torch.linspace(0.5, 1.5, 2001).double()
    grid = torch.cat([steps, -steps]) * blocks.abs().amax(1, keepdim=True)
    gaps = torch.stack([(blocks[:, :, None] - s[:, None, None] * table).abs().amin(2) for s in grid.T])
    tried = float(gaps.square().sum(2).amin(0).sum())
    arrays = {"w": codes} | {f"w.{key}": value for key, value in state.as_dict(packed=True).items()}
    original = save(tmp_path, "original", {"w": weights})
    (layer,) = fmq_theory.compare(original, save(tmp_path, "nf4", arrays), best=False).layers
    assert layer.own_sse == pytest.approx(tried, rel=1e-4)
    assert (layer.own_sse or math.inf) <= tried
    assert 1.02 < (layer.over_own or 0.0) < 1.3
    assert "best scale for each 64 weights" in layer.own


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_blocks_of_gguf_beside_their_optimum(tmp_path: Path, kind: str) -> None:
    gguf = pytest.importorskip("gguf")
    weights = drawn(8, 64)
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "x")
    number = gguf.GGMLQuantizationType[kind]
    writer.add_tensor("w", gguf.quants.quantize(weights.numpy(), number), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    original = save(tmp_path, "original", {"w": weights})
    (layer,) = fmq_theory.compare(original, tmp_path / "x.gguf", best=False).layers
    assert (layer.over_own is None) == (kind == "Q8_0")
    assert layer.over_own is None or 1.0 < layer.over_own < 2.0


def test_the_best_of_a_size_is_not_larger_and_not_worse_than_ours(tmp_path: Path) -> None:
    """The control: scales in float16 take 4.508 bits, and 4.5 are there; in float8 they fit."""
    original = save(tmp_path, "original", {"w": drawn(64, 1024)})
    recipe = checkpoint.Recipe("w", checkpoint.Choice("lloyd_max", 4, "channel"))
    checkpoint.write_quantized(original, tmp_path / "small.safetensors", [recipe])
    (layer,) = fmq_theory.compare(original, tmp_path / "small.safetensors").layers
    assert layer.best is not None
    assert layer.best.effective_bits <= layer.effective_bits
    assert (layer.over_best or 0.0) >= 1.0 - 1e-9
    narrow, wide = (
        checkpoint.Choice(f"block:lloyd_max:{kind}:signed", 4, "group", 32).quantize(drawn(64, 1024))
        for kind in ("float8_e4m3", "float16")
    )
    assert narrow.effective_bits <= layer.effective_bits < wide.effective_bits
    assert wide.mse * 65536 < layer.best.sse <= narrow.mse * 65536 * (1 + 1e-6)


def test_keeping_takes_the_most_error_a_byte_first(tmp_path: Path) -> None:
    """One small layer holds nearly all of the error: keeping it alone leaves what the others have."""
    model = {"big": drawn(256, 256), "bad": 100 * drawn(8, 16, seed=1), "fine": drawn(64, 64, seed=2)}
    stored: Tensors = {}
    for name, weight in model.items():
        scale = weight.abs().max() / 7
        stored |= {f"{name}.weight": (weight / scale).round().to(torch.int8), f"{name}.weight_scale": scale}
    original = save(tmp_path, "original", {f"{name}.weight": value for name, value in model.items()})
    found = fmq_theory.compare(original, save(tmp_path, "small", stored), best=False)
    bad = next(layer for layer in found.layers if layer.name == "bad.weight")
    assert [step.name for step in found.keep][:1] == ["bad.weight"]
    assert found.keep[0].error_left == pytest.approx(1 - bad.sse / found.totals.sse)
    assert found.keep[0].added_bytes == 2 * 128 - bad.num_bytes
    assert found.keep[0].bytes_after == found.totals.num_bytes + found.keep[0].added_bytes
    assert found.worst[0].name == "bad.weight"
    assert keep_in_16_bits(found.layers) == found.keep


@given(
    weights=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20),
    seed=st.integers(0, 99),
    power=st.integers(-300, 300),
)
def test_sums_follow_the_scale_and_never_leave_float64(weights: list[float], seed: int, power: int) -> None:
    w = np.array(weights)
    q = w * np.random.default_rng(seed).uniform(0.5, 1.5, w.size)
    (energy, sse), exponent = squared_sums(w, q)
    assert math.isfinite(energy)
    assert math.isfinite(sse)
    assert energy <= w.size
    scaled = np.ldexp(w, power) if power < 0 else w
    if power < 0 and np.abs(w[w != 0]).min(initial=1.0) > 1e-100:  # else digits are lost
        (other, _), shifted = squared_sums(scaled, np.ldexp(q, power))
        assert (other, shifted) == pytest.approx((energy, exponent + power * bool(w.any())))


def test_weights_whose_squares_are_beyond_float64(tmp_path: Path) -> None:
    weights = 1e200 * drawn(4, 64).double()
    original = save(tmp_path, "original", {"w": weights})
    (layer,) = fmq_theory.compare(original, save(tmp_path, "rounded", {"w": 1.5 * weights})).layers
    assert layer.energy == math.inf
    assert layer.relative_error == pytest.approx(0.5)
    assert layer.sqnr_db == pytest.approx(10 * math.log10(4))


def test_a_layer_of_zeros_has_no_ratio(tmp_path: Path) -> None:
    original = save(tmp_path, "original", {"w": torch.zeros(4, 8), "v": drawn(4, 8)})
    found = fmq_theory.compare(original, save(tmp_path, "half", {"w": torch.zeros(4, 8), "v": drawn(4, 8)}))
    zero = next(layer for layer in found.layers if layer.name == "w")
    assert (zero.relative_error, zero.sqnr_db, zero.over_own) == (None, None, 1.0)


def test_one_layer_is_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twelve layers at most two are alive at once: the one that is scored, and the one before it."""
    alive: list[weakref.ref[torch.Tensor]] = []
    most = 0
    decoded = StoredWeight.decoded

    def watched(self: StoredWeight, shape: tuple[int, ...] | None = None) -> Decoded:
        nonlocal most
        found = decoded(self, shape)
        alive.append(weakref.ref(found.weights))
        most = max(most, sum(ref() is not None for ref in alive))
        return found

    monkeypatch.setattr(StoredWeight, "decoded", watched)
    model = {f"{k}.weight": drawn(16, 32, seed=k) for k in range(12)}
    original = save(tmp_path, "original", model)
    small = save(tmp_path, "small", {name: value.half() for name, value in model.items()})
    fmq_theory.compare(original, small)
    assert len(alive) == 24
    assert most <= 4


def test_records_are_flat_and_short_to_show(tmp_path: Path) -> None:
    original = save(tmp_path, "original", _model())
    half = save(tmp_path, "half", {name: value.half() for name, value in _model().items()})
    found = fmq_theory.compare(original, half)
    records: list[dict[str, Any]] = found.to_records()
    assert [record["name"] for record in records] == ["first.weight", "second.weight"]
    assert all(
        isinstance(value, str | int | float | tuple | None) for row in records for value in row.values()
    )
    assert records[0]["relative_error"] == found.layers[0].relative_error
    assert len(repr(found)) < 300
    assert len(repr(found.layers[0])) < 400
