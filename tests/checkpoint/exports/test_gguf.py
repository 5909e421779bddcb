"""GGUF files: read by gguf-py and by our own reader, equal to the bit, below the error of gguf-py itself."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from fmq_theory.checkpoint.exports import Export, export_gguf
from fmq_theory.checkpoint.exports.gguf_plan import PLAIN, types_of_plan
from fmq_theory.checkpoint.exports.gguf_types import TYPES, quantized_blocks
from fmq_theory.checkpoint.foreign.files import open_stored
from fmq_theory.checkpoint.plan import Plan
from fmq_theory.cli.export import GGUF_TYPES
from fmq_theory.cli.main import main
from fmq_theory.errors import CheckpointError, OutputError, SchemeError, WeightsError

gguf = pytest.importorskip("gguf", reason="gguf, which writes the files, is not installed")

KINDS = list(TYPES)
OWN = [kind for kind in KINDS if kind != "IQ4_NL"]  # that gguf-py quantizes itself
CODES = {"Q4_0": 16, "Q4_1": 16, "Q5_0": 32, "Q5_1": 32, "Q8_0": 256, "IQ4_NL": 16}


def weights(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = (rng.standard_t(4, (count, 32)) * 0.02).astype(np.float32)
    found[0] = 0.0
    found[1] = 0.3  # all equal
    found[2] += 1.0  # of one sign
    found[3] *= 1e-7  # below what scales of float16 tell apart
    found[4] *= 1e6
    found[5] = np.where(np.arange(32) % 2, 0.5, -0.5)
    return found


def squared(blocks: np.ndarray, kind: str, original: np.ndarray) -> np.ndarray:
    back = gguf.dequantize(blocks, gguf.GGMLQuantizationType[kind]).reshape(original.shape)
    return np.square(back.astype(np.float64) - original).sum(axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_the_types_are_those_of_the_package(kind: str) -> None:
    number = gguf.GGMLQuantizationType[kind]
    assert TYPES[kind].number == number
    assert TYPES[kind].file_type == gguf.LlamaFileType[f"MOSTLY_{kind}"]
    assert gguf.GGML_QUANT_SIZES[number] == (32, TYPES[kind].block_bytes)
    assert len(TYPES[kind].levels) == CODES[kind]
    assert {name: gguf.GGMLQuantizationType[name] for name in PLAIN} == PLAIN


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_is_that_of_what_the_package_rebuilds(kind: str) -> None:
    original = weights(40)
    blocks, errors = quantized_blocks(original, TYPES[kind], 2)
    assert squared(blocks, kind, original) == pytest.approx(errors, rel=1e-12, abs=0)
    again, _ = quantized_blocks(original, TYPES[kind], 1)
    assert np.array_equal(blocks, again)


@pytest.mark.parametrize("kind", OWN)
def test_no_block_costs_more_than_as_the_package_quantizes_it(kind: str) -> None:
    original = weights(300)
    _, errors = quantized_blocks(original, TYPES[kind], 2)
    theirs = squared(gguf.quantize(original, gguf.GGMLQuantizationType[kind]), kind, original)
    assert (errors <= theirs * (1 + 1e-9)).all()
    assert errors[6:].sum() < 0.95 * theirs[6:].sum()  # of blocks that are like weights


@given(scale=st.floats(0.2, 2.0), code=st.integers(0, 15), seed=st.integers(0, 9))
def test_no_other_scale_or_code_is_better(scale: float, code: int, seed: int) -> None:
    """Any scale of float16, any code of a weight in place of its own: the package only reads IQ4_NL."""
    original = weights(8, seed)[7:]
    blocks, (error,) = quantized_blocks(original, TYPES["IQ4_NL"], 1)
    other = blocks.copy()
    own = other[:, :2].copy().view(np.float16)
    other[:, :2] = (own * np.float16(scale)).astype(np.float16).view(np.uint8)
    assert squared(other, "IQ4_NL", original)[0] >= error * (1 - 1e-9)
    other = blocks.copy()
    other[0, 2 + seed] = (other[0, 2 + seed] & 0xF0) | code
    assert squared(other, "IQ4_NL", original)[0] >= error * (1 - 1e-9)


def model() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(3)
    return {
        "attn.weight": torch.randn(48, 64, generator=g),
        "attn.bias": torch.randn(48, generator=g),
        "mlp.weight": torch.randn(32, 96, generator=g).to(torch.bfloat16),
        "half.weight": torch.randn(8, 64, generator=g).to(torch.float16),
        "conv.weight": torch.randn(16, 32, 3, 3, generator=g),
        "odd.weight": torch.randn(3, 5, generator=g),
        "norm.num_batches": torch.tensor(7),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file(model(), tmp_path / "m.safetensors", {"modelspec.architecture": "flux"})
    return tmp_path / "m.safetensors"


def export(path: Path, **options: Any) -> Export:
    return export_gguf(path, path.parent / "m.gguf", overwrite=True, **options)


def read(path: Path) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("kind", KINDS)
def test_both_readers_give_the_same_numbers_and_the_rest_is_as_it_was(path: Path, kind: str) -> None:
    out = export(path, kind=kind)
    assert out.path.stat().st_size == out.num_bytes < out.original_bytes
    theirs, original = read(out.path), model()
    assert set(theirs) == set(original)
    assert set(out.quantized) == {"attn.weight", "mlp.weight", "half.weight"}
    error = energy = 0.0
    with open_stored(out.path) as found:
        assert found.architecture == "flux"
        ours = {weight.name: weight for weight in found.weights}
        for name, tensor in theirs.items():
            if name == "norm.num_batches":
                assert int(tensor.data[0]) == 7
                continue
            numbers = ours[name].decoded(tuple(original[name].shape)).weights
            if name in out.quantized:
                rebuilt = gguf.dequantize(tensor.data, tensor.tensor_type)
                assert np.array_equal(numbers.numpy(), rebuilt), name
                assert out.quantized[name].num_bytes == ours[name].num_bytes == tensor.n_bytes
                error += float(np.square(rebuilt.astype(np.float64) - original[name].double().numpy()).sum())
                energy += float(original[name].double().square().sum())
            else:
                assert torch.equal(numbers.to(original[name].dtype), original[name]), name
    assert out.relative_error == pytest.approx(error / energy, rel=1e-12)
    assert out.bits_per_weight == TYPES[kind].bits_per_weight
    assert set(out.kept) == {"conv.weight", "odd.weight"}
    assert "no whole blocks of 32" in out.kept["conv.weight"]


def test_diffusers_rebuilds_the_same_numbers(path: Path) -> None:
    """In float16 with most types: to the bit where that rounds once, near it where it rounds twice."""
    utils = pytest.importorskip("diffusers.quantizers.gguf.utils", reason="diffusers is not installed")
    compared = 0
    for kind in KINDS:
        out = export(path, kind=kind)
        number = gguf.GGMLQuantizationType[kind]
        if number not in utils.dequantize_functions:
            continue
        for name, tensor in read(out.path).items():
            if name in out.quantized:
                data = utils.GGUFParameter(torch.from_numpy(np.array(tensor.data)), quant_type=number)
                theirs = utils.dequantize_gguf_tensor(data)
                exact = torch.from_numpy(gguf.dequantize(tensor.data, number))
                if TYPES[kind].has_least and theirs.dtype == torch.float16:
                    assert torch.allclose(theirs.float(), exact, rtol=2**-10, atol=4e-3), (kind, name)
                else:
                    assert torch.equal(theirs, exact.to(theirs.dtype)), (kind, name)
                compared += 1
    assert compared >= 3 * len(OWN)


def test_folded_convolutions_keep_their_shape(path: Path) -> None:
    out = export(path, fold=True, kind="Q5_0")
    assert "conv.weight" in out.quantized
    assert "fill rows of 256" in out.kept["odd.weight"]
    assert tuple(read(out.path)["conv.weight"].shape) == (256, 18)
    with open_stored(out.path) as found:
        (conv,) = [weight for weight in found.weights if weight.name == "conv.weight"]
        assert conv.shape == (16, 32, 3, 3)
        gap = conv.decoded().weights - model()["conv.weight"]
    assert float(gap.square().sum()) == pytest.approx(out.quantized["conv.weight"].error, rel=1e-5)


def test_a_type_a_tensor(path: Path) -> None:
    out = export(path, types={"mlp.*": "Q8_0", "half.weight": "F32", "*.weight": "Q4_1"})
    kinds = {name: tensor.tensor_type.name for name, tensor in read(out.path).items()}
    assert kinds["mlp.weight"] == "Q8_0"
    assert kinds["attn.weight"] == "Q4_1"
    assert kinds["half.weight"] == "F32"
    assert kinds["conv.weight"] == kinds["attn.bias"] == "F32"
    assert out.formats == {"Q4_1": 1, "Q8_0": 1}
    chosen = export(path, include=["*.weight"], exclude=["mlp*", "half*"], kind="IQ4_NL")
    assert set(chosen.quantized) == {"attn.weight"}
    assert chosen.kept["mlp.weight"] == "not asked for"
    assert read(chosen.path)["mlp.weight"].tensor_type.name == "BF16"


def test_tied_weights_are_there_under_both_names(tmp_path: Path) -> None:
    shared = torch.randn(4, 32)
    torch.save({"a.weight": shared, "b.weight": shared}, tmp_path / "tied.pt")
    out = export(tmp_path / "tied.pt", architecture="x")
    theirs = read(out.path)
    assert np.array_equal(theirs["a.weight"].data, theirs["b.weight"].data)
    assert out.original_bytes == 4 * 32 * 4


def refused(error: type[Exception], match: str, path: Path, **options: Any) -> None:
    before = {file.name for file in path.parent.iterdir()}
    with pytest.raises(error, match=match):
        export_gguf(path, path.parent / "refused.gguf", **options)
    assert {file.name for file in path.parent.iterdir()} == before


def test_what_gguf_cannot_hold_is_refused_before_writing(path: Path) -> None:
    refused(SchemeError, "blocks within blocks.*choose one of Q4_0", path, kind="Q4_K")
    refused(SchemeError, "GGUF has no such type", path, kind="Q4")
    refused(SchemeError, "GGUF has no such type", path, types={"*": "q4_0"})
    refused(CheckpointError, "it fits no tensor; the names are like 'norm", path, types={"up.*": "Q4_0"})
    refused(CheckpointError, "it fits no tensor", path, exclude=["up.*"])
    refused(CheckpointError, r"pass fold=True for ComfyUI-GGUF", path, include=["conv.weight"])
    refused(CheckpointError, "ask for a quantized type", path, kind="F16")
    save_file({"v": torch.ones(8, 8)}, path.parent / "small.safetensors")
    small = path.parent / "small.safetensors"
    refused(CheckpointError, "fill rows of 256.*ask for a quantized type", small, fold=True, architecture="x")
    with pytest.raises(OutputError, match=r"name a file that ends in \.gguf"):
        export_gguf(path, path.parent / "out")
    export_gguf(path, path.parent / "there.gguf")
    with pytest.raises(OutputError, match="overwrite=True"):
        export_gguf(path, path.parent / "there.gguf")


@pytest.mark.parametrize(
    ("tensors", "error", "words"),
    [
        ({"w": torch.full((4, 32), float("nan"))}, WeightsError, "128 of its 128 numbers are nan"),
        ({"w": torch.full((4, 32), 1e300, dtype=torch.float64)},
         WeightsError, "'w': it has numbers beyond float32.*; pass exclude 'w'"),
        ({"v": torch.zeros(2, 2, 2, 2, 2)}, CheckpointError, "GGUF holds at most 4; pass fold=True"),
        ({"e": torch.zeros(0, 32)}, CheckpointError, "it is empty"),
        ({"b": torch.ones(3, dtype=torch.bool)}, CheckpointError, "of type BOOL, which GGUF lacks"),
        ({"x" * 128: torch.ones(2, 32)}, CheckpointError, "its name has 128 bytes"),
        ({"n": torch.full((2, 32), 1e5)}, WeightsError, "numbers beyond F16; choose BF16 or F32"),
        ({"l.scale_weight": torch.ones(()), "l.weight": torch.ones(2, 32).to(torch.float8_e4m3fn)},
         CheckpointError, "it is quantized already: fp8"),
    ],
    ids=["nan", "float64", "axes", "empty", "bool", "name", "F16", "fp8"],
)  # fmt: skip
def test_bad_tensors(
    tmp_path: Path, tensors: dict[str, torch.Tensor], error: type[Exception], words: str
) -> None:
    save_file(tensors | {"good.weight": torch.ones(2, 32)}, tmp_path / "bad.safetensors")
    types = {"n": "F16"} if "n" in tensors else {}
    refused(error, words, tmp_path / "bad.safetensors", architecture="x", types=types)


def test_five_axes_fold(tmp_path: Path) -> None:
    video = torch.randn(4, 4, 2, 4, 4)
    save_file(
        {"v": video, "w": torch.randn(2, 32), "b": torch.randn(1, 1, 1, 1, 3)}, tmp_path / "v.safetensors"
    )
    out = export(tmp_path / "v.safetensors", fold=True, architecture="wan")
    with open_stored(out.path) as found:
        shapes = {weight.name: weight.shape for weight in found.weights}
    assert shapes == {"v": (4, 4, 2, 4, 4), "w": (2, 32), "b": (1, 1, 1, 1, 3)}
    assert set(out.quantized) == {"v", "w"}


def test_float8_is_kept_in_sixteen_bits(tmp_path: Path) -> None:
    eight = torch.randn(4, 5).to(torch.float8_e5m2)
    save_file({"w": torch.randn(2, 32), "f": eight}, tmp_path / "f.safetensors")
    out = export(tmp_path / "f.safetensors", architecture="x")
    assert np.array_equal(read(out.path)["f"].data, eight.to(torch.float16).numpy())


def test_without_the_package_it_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(CheckpointError, match=r"pip install 'fmq_theory\[gguf\]'"):
        export(path)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["export", *arguments])


def test_command(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert GGUF_TYPES[: len(TYPES)] == tuple(TYPES)
    monkeypatch.chdir(path.parent)
    done = run("m.safetensors", "-o", "a.gguf", "--format", "gguf", "--type", "q8_0")
    assert done.exit_code == 0, done.output
    assert "3 tensors quantized (3 x Q8_0), at 8.50 bits a weight" in done.output
    assert "Kept: conv.weight (rows of 3 weights hold no whole blocks of 32)" in done.output
    assert "Next: fmq compare m.safetensors a.gguf" in done.output
    Path("types.json").write_text(json.dumps({"attn*": "Q5_1", "*": "Q4_0"}))
    done = run("m.safetensors", "-o", "b.gguf", "--format", "gguf", "--types", "types.json", "--fold")
    assert done.exit_code == 0, done.output
    assert read(Path("b.gguf"))["attn.weight"].tensor_type.name == "Q5_1"
    for arguments, words in (
        (("m.safetensors", "-o", "c.gguf", "--type", "Q4_0"), "--type is for --format gguf"),
        (("m.safetensors", "-o", "c.gguf", "--format", "gguf", "--bits", "3"), "--bits is for --format sdnq"),
        (("m.safetensors", "-o", "c"), "a plain model is quantized: --format sdnq"),
        (("m.safetensors", "-o", "a.gguf", "--format", "gguf"), "pass --force to replace it"),
        (("m.safetensors", "-o", "m.safetensors", "--format", "gguf"), "ends in .gguf"),
        (("m.safetensors", "-o", "c.gguf", "--format", "gguf", "--include", "conv*"), "pass --fold for"),
        (("m.safetensors", "-o", "c.gguf", "--format", "gguf", "--types", "none.json"), "no such file"),
        (("a.gguf", "-o", "c.gguf", "--format", "gguf"), "a GGUF file of llama.cpp"),
    ):  # fmt: skip
        found = run(*arguments)
        assert found.exit_code == 2, arguments
        assert words in found.output, found.output


def test_a_plan_gives_the_types(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    planned = CliRunner().invoke(
        main, ["quantize", "m.safetensors", "--plan-only", "-o", "p.json", "--budget", "5"]
    )
    assert planned.exit_code == 0, planned.output
    plan = Plan.read("p.json")
    types = types_of_plan(plan)
    for tensor in plan.tensors:
        assert TYPES[types[tensor.name]].bits >= tensor.bits
    done = run("m.safetensors", "-o", "a.gguf", "--format", "gguf", "--plan", "p.json", "--fold")
    assert done.exit_code == 0, done.output
    kinds = {name: tensor.tensor_type.name for name, tensor in read(Path("a.gguf")).items()}
    for name, kind in kinds.items():
        if name in types and name != "odd.weight":
            assert kind == types[name], name
    both = run("m.safetensors", "-o", "b.gguf", "--format", "gguf", "--plan", "p.json", "--type", "Q4_0")
    assert "leave out --type" in both.output


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "IQ4_NL"])
def test_weights_beyond_the_largest_scale_are_refused(tmp_path: Path, kind: str) -> None:
    """65504 times the largest level is held, a hundredth more is not."""
    reach = 65504.0 * max(map(abs, TYPES[kind].levels))
    for factor, fits in ((0.999, True), (1.01, False)):
        weights = torch.full((2, 32), factor * reach)
        weights[:, ::2] = 0.0
        path = tmp_path / f"{fits}.safetensors"
        save_file({"w": weights}, path)
        if fits:
            written = export_gguf(path, tmp_path / "a.gguf", kind=kind, architecture="x")
            assert written.relative_error < 1e-3
        else:
            with pytest.raises(WeightsError, match="choose BF16 or F32"):
                export_gguf(path, tmp_path / "b.gguf", kind=kind, architecture="x")
            assert not (tmp_path / "b.gguf").exists()
