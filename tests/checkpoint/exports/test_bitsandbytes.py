"""NF4 with the best absmax: rebuilt by bitsandbytes itself, equal to the bit, below its error at its size."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from fmq_theory.checkpoint.exports import Export, export_bnb_nf4
from fmq_theory.checkpoint.exports.nf4 import BLOCK_SIZES, NF4_MAP, dynamic_map, quantize_nf4
from fmq_theory.checkpoint.foreign.files import open_stored
from fmq_theory.cli.main import main
from fmq_theory.errors import CheckpointError, SchemeError, WeightsError
from tests.checkpoint.exports.test_sdnq import dit, saved

pytestmark = pytest.mark.filterwarnings("ignore")  # of diffusers' and bitsandbytes' own use of torch
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def theirs() -> Any:
    return pytest.importorskip("bitsandbytes.functional", reason="bitsandbytes is not installed")


def weights(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    g = torch.Generator().manual_seed(1)
    found = torch.randn(48, 130, generator=g) * 0.02
    found[0] = 0.0
    found[1] = 0.3
    found[2] *= 1e-30 if dtype != torch.float16 else 1.0
    found[3, ::5] *= 40.0
    return found.to(dtype)


def squared(numbers: torch.Tensor, original: torch.Tensor) -> float:
    return float((numbers.double() - original.double()).square().sum())


def rebuilt(path: Path, name: str) -> torch.Tensor:
    """By bitsandbytes, from the keys alone."""
    functional = theirs()
    parts = {key: value for key, value in load_file(path).items() if key.startswith(f"{name}.")}
    state = functional.QuantState.from_dict(parts, device=torch.device("cpu"))
    return functional.dequantize_4bit(load_file(path)[name], state)


def test_the_tables_are_those_of_bitsandbytes() -> None:
    functional = theirs()
    assert np.array_equal(NF4_MAP, functional.get_4bit_type("nf4", device="cpu").numpy())
    assert np.array_equal(dynamic_map(), functional.create_dynamic_map().numpy())


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", BLOCK_SIZES)
def test_bitsandbytes_rebuilds_it_with_less_error_than_its_own(
    tmp_path: Path, dtype: torch.dtype, block: int, nested: bool
) -> None:
    functional = theirs()
    original = weights(dtype)
    save_file({"l.weight": original, "l.bias": torch.ones(48)}, tmp_path / "m.safetensors")
    out = export_bnb_nf4(
        tmp_path / "m.safetensors", tmp_path / "q.safetensors", block_size=block, double_quant=nested
    )
    numbers = rebuilt(out.path, "l.weight")
    assert numbers.dtype == dtype
    with open_stored(out.path) as found:
        ours = next(weight for weight in found.weights if weight.name == "l.weight")
        assert torch.equal(ours.decoded().weights, numbers)
        assert ours.num_bytes == out.quantized["l.weight"].num_bytes
    assert squared(numbers, original) == pytest.approx(out.quantized["l.weight"].error, rel=1e-9)
    codes, state = functional.quantize_4bit(
        original, blocksize=block, compress_statistics=nested, quant_type="nf4"
    )
    own = squared(functional.dequantize_4bit(codes, state), original)
    assert out.quantized["l.weight"].error < own
    size = codes.numel() + sum(part.nbytes for part in state.as_dict(packed=True).values())
    assert abs(size - out.quantized["l.weight"].num_bytes) <= 8  # digits of the offset
    assert torch.equal(load_file(out.path)["l.bias"], torch.ones(48))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("shape", [(64, 32), (40, 96), (64, 64)])
def test_rows_that_are_no_multiple_of_a_block(tmp_path: Path, shape: tuple[int, int], nested: bool) -> None:
    """By its reference in torch: its kernel for CPUs, in 0.50.2, takes scales of other blocks there."""
    functional = theirs()
    reference = pytest.importorskip("bitsandbytes.backends.default.ops")
    original = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    save_file({"l.weight": original}, tmp_path / "m.safetensors")
    out = export_bnb_nf4(
        tmp_path / "m.safetensors", tmp_path / "q.safetensors", block_size=128, double_quant=nested
    )
    stored = load_file(out.path)
    parts = {key: value for key, value in stored.items() if key.startswith("l.weight.")}
    state = functional.QuantState.from_dict(parts, device=torch.device("cpu"))
    absmax = state.absmax
    if nested:
        absmax = functional.dequantize_blockwise(absmax, state.state2) + state.offset
    with torch.compiler.set_stance("force_eager"):
        numbers = reference._dequantize_4bit_compute(
            stored["l.weight"].reshape(-1), absmax, state.code, 128, shape, state.dtype
        )
    with open_stored(out.path) as found:
        assert torch.equal(found.weights[0].decoded().weights, numbers)
    assert squared(numbers, original) == pytest.approx(out.quantized["l.weight"].error, rel=1e-9)


@given(factor=st.floats(0.3, 3.0), seed=st.integers(0, 5), sign=st.sampled_from([-1.0, 1.0]))
def test_no_other_absmax_is_better(factor: float, seed: int, sign: float) -> None:
    original = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
    found = quantize_nf4(original, torch.float32, 64, nested=False, threads=1)
    assert found.absmax.dtype == np.float32
    levels = NF4_MAP * np.float32(sign * factor * abs(found.absmax[0]))
    other = np.square(original[:, None].astype(np.float64) - levels).min(axis=1).sum()
    assert found.error <= other * (1 + 1e-6)


def test_of_double_quantization_each_block_has_the_best_of_its_numbers() -> None:
    original = np.random.default_rng(3).standard_t(4, 64 * 300).astype(np.float32)
    found = quantize_nf4(original, torch.float32, 64, nested=True, threads=2)
    assert found.nested_absmax is not None
    group = np.arange(300) // 256
    offered = dynamic_map()[None, :] * found.nested_absmax[group, None] + np.float32(found.nested_offset)
    rows = original.reshape(300, 64).astype(np.float64)
    for block in (0, 7, 255, 256, 299):
        levels = (offered[block][:, None] * NF4_MAP).astype(np.float64)
        errors = np.square(rows[block][None, :, None] - levels[:, None, :]).min(axis=2).sum(axis=1)
        assert errors[found.absmax[block]] == errors.min()


def test_odd_shapes_and_results_that_threads_do_not_change() -> None:
    original = weights()[:3, :37].numpy()
    one = quantize_nf4(original, torch.float32, 64, nested=False, threads=1)
    two = quantize_nf4(original, torch.float32, 64, nested=False, threads=2)
    assert np.array_equal(one.codes, two.codes)
    assert np.array_equal(one.absmax, two.absmax)
    assert one.codes.shape == (56, 1)  # of 111 weights
    assert one.absmax.shape == (2,)


def export_dit(tmp_path: Path, **options: Any) -> tuple[Any, Export]:
    net = dit()
    config = saved(net, tmp_path / "net")
    return net, export_bnb_nf4(tmp_path / "net", tmp_path / "out", config, **options)


@pytest.mark.parametrize("nested", [False, True])
def test_diffusers_loads_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nested: bool) -> None:
    """Its loader asks for a GPU before it begins; bitsandbytes itself computes on a CPU as well."""
    theirs()
    quantizer = pytest.importorskip(
        "diffusers.quantizers.bitsandbytes.bnb_quantizer", reason="diffusers is not installed"
    )
    pytest.importorskip("accelerate", reason="accelerate, which diffusers loads it with, is not installed")
    net, out = export_dit(tmp_path, double_quant=nested, exclude=["*.ff.*"])
    monkeypatch.setattr(quantizer.BnB4BitDiffusersQuantizer, "validate_environment", lambda *_, **__: None)
    monkeypatch.setattr(quantizer.BnB4BitDiffusersQuantizer, "update_device_map", lambda *_: {"": "cpu"})
    loaded = type(net).from_pretrained(tmp_path / "out", torch_dtype=torch.float32)
    packed = {f"{n}.weight": m for n, m in loaded.named_modules() if type(m).__name__ == "Linear4bit"}
    assert packed.keys() == set(out.quantized)
    assert len(packed) > 10
    dense = dit()
    dense.load_state_dict(net.state_dict())
    for name, module in packed.items():
        numbers = theirs().dequantize_4bit(module.weight.data, module.weight.quant_state)
        assert torch.equal(numbers, rebuilt(out.path, name)), name
        with torch.no_grad():
            dense.get_parameter(name).copy_(numbers)
    sample = torch.randn((1, net.config.in_channels, 8, 8), generator=torch.Generator().manual_seed(1))
    given = {"timestep": torch.tensor([3]), "class_labels": torch.tensor([1])}
    loaded.eval()
    for module in packed.values():
        module.train()  # else it repacks itself for a CPU, which asks for a multiple of 32 outputs
    with torch.no_grad():
        expected = dense.eval()(sample, **given).sample
        assert torch.allclose(loaded(sample, **given).sample, expected, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(net.eval()(sample, **given).sample, expected, rtol=1e-3, atol=1e-4)


def test_only_linear_layers_are_quantized_and_the_config_names_the_others(tmp_path: Path) -> None:
    net, out = export_dit(tmp_path, exclude=["*.attn1.*"])
    kinds = {f"{name}.weight": type(module).__name__ for name, module in net.named_modules()}
    assert {kinds[name] for name in out.quantized} == {"Linear"}
    assert out.kept["pos_embed.proj.weight"] == "of no linear layer, and bitsandbytes has no other"
    said = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))["quantization_config"]
    skipped = {f"{name}.weight" for name in said["llm_int8_skip_modules"]}
    assert {name for name, kind in kinds.items() if kind == "Linear"} == set(out.quantized) | (
        skipped & {name for name, kind in kinds.items() if kind == "Linear"}
    )
    assert out.bits_per_weight > 4.5
    assert out.num_bytes == out.path.stat().st_size < out.original_bytes


def refused(
    error: type[Exception], match: str, tensors: dict[str, torch.Tensor], folder: Path, **options: Any
) -> None:
    save_file(tensors, folder / "bad.safetensors")
    with pytest.raises(error, match=match):
        export_bnb_nf4(folder / "bad.safetensors", folder / "out", **options)
    assert not (folder / "out").exists()
    assert not list(folder.glob(".*"))


def test_what_it_cannot_hold_is_refused_before_writing(tmp_path: Path) -> None:
    good = {"l.weight": weights()}
    refused(SchemeError, "choose one of 64, 128", good, tmp_path, block_size=48)
    refused(
        CheckpointError,
        "what belongs to 'l.weight' goes under its name",
        good | {"l.weight.absmax": torch.ones(3)},
        tmp_path,
    )
    refused(
        CheckpointError,
        "none of its tensors would be quantized",
        {"c.weight": torch.ones(4, 4, 3, 3)},
        tmp_path,
    )
    refused(CheckpointError, "it fits no tensor", good, tmp_path, include=["m.*"])
    refused(WeightsError, "are nan", {"l.weight": torch.full((64, 64), float("nan"))}, tmp_path)
    refused(
        CheckpointError,
        "leave 'a.b' as it is leave 'a.b.c' too",
        {"a.b.weight": torch.ones(2, 2), "a.b.c.weight": weights()},
        tmp_path,
    )
    refused(
        CheckpointError,
        "pass the folder of a diffusers model|no _class_name|has no model",
        good,
        tmp_path,
        config={"_class_name": "Nothing"},
    )


def test_what_bitsandbytes_wrote_is_recognised(tmp_path: Path) -> None:
    save_file({"l.weight": weights()}, tmp_path / "m.safetensors")
    first = export_bnb_nf4(tmp_path / "m.safetensors", tmp_path / "q.safetensors")
    with pytest.raises(CheckpointError, match=r"it is quantized already: NF4, blocks of 64.*fmq compare"):
        export_bnb_nf4(first.path, tmp_path / "again.safetensors")


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_file({"l.weight": weights(), "embed.weight": weights()[:9]}, "m.safetensors")
    options = ["--format", "bnb-nf4", "--exclude", "embed*"]
    done = CliRunner().invoke(main, ["export", "m.safetensors", "-o", "q.safetensors", *options])
    assert done.exit_code == 0, done.output
    assert "1 tensor quantized (1 x NF4, blocks of 64)" in done.output
    assert "Kept: embed.weight (not asked for)" in done.output
    assert "Next: fmq compare m.safetensors q.safetensors" in done.output
    done = CliRunner().invoke(main, ["export", "m.safetensors", "-o", "folder", *options, "--double-quant"])
    assert done.exit_code == 0, done.output
    said = json.loads(Path("folder/config.json").read_text("utf-8"))["quantization_config"]
    assert said["bnb_4bit_use_double_quant"] is True
    assert said["llm_int8_skip_modules"] == ["embed"]
    assert Path("folder/model.safetensors").exists()
    wrong = CliRunner().invoke(
        main, ["export", "m.safetensors", "-o", "x", "--format", "sdnq", "--double-quant"]
    )
    assert wrong.exit_code == 2
    assert "--double-quant is for --format bnb-nf4" in wrong.output
