"""ONNX files: run by onnxruntime, equal to the bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from fmq_theory.checkpoint import Choice, QuantizedFile, Recipe, write_quantized
from fmq_theory.checkpoint.exports import Repacked, export_onnx, export_onnx_graph
from fmq_theory.checkpoint.exports.lookup import fields, lookup_of
from fmq_theory.checkpoint.exports.onnx_nodes import TYPES
from fmq_theory.cli.main import main
from fmq_theory.errors import CheckpointError, OutputError
from tests.checkpoint.exports.packed_model import RECIPES, packed_model, state

onnx = pytest.importorskip("onnx", reason="onnx, which writes the files, is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime, which reads them, is not installed")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_model(tmp_path_factory.mktemp("onnx"))


@pytest.fixture(scope="module")
def written(packed: Path) -> Repacked:
    return export_onnx(packed, packed.parent / "weights.onnx")


def run(path: Path, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def numbers(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def test_types_have_the_numbers_of_the_package() -> None:
    theirs = {"F32": "FLOAT", "F16": "FLOAT16", "F64": "DOUBLE", "BF16": "BFLOAT16", "C64": "COMPLEX64"}
    theirs |= {"F8_E4M3": "FLOAT8E4M3FN", "F8_E4M3FNUZ": "FLOAT8E4M3FNUZ"}
    theirs |= {"F8_E5M2": "FLOAT8E5M2", "F8_E5M2FNUZ": "FLOAT8E5M2FNUZ"}
    for name, number in TYPES.items():
        own = {"U": "UINT", "I": "INT"}.get(name[0], "") + name[1:]
        assert number == getattr(onnx.TensorProto, theirs.get(name, "BOOL" if name == "BOOL" else own)), name


def test_onnxruntime_gives_every_tensor_to_the_bit(packed: Path, written: Repacked) -> None:
    found = run(written.path)
    with QuantizedFile(packed) as file:
        assert list(found) == list(file.names)
        assert set(file.ties) == {"tied.weight", "turned.weight"}
        for name, value in found.items():
            wanted = numbers(file.dequantize(name))
            assert value.dtype == wanted.dtype, name
            assert value.shape == wanted.shape, name
            assert value.tobytes() == wanted.tobytes(), name
        assert set(written.quantized) == set(file.quantized) == set(RECIPES) - set(file.ties)


def test_sizes_are_those_of_the_initializers(written: Repacked) -> None:
    model = onnx.load(written.path)
    for name, held in written.quantized.items():
        parts = [f"{name}/{part}" for part in ("codes", "table", "scales")]
        stored = [len(one.raw_data) for one in model.graph.initializer if one.name in parts]
        assert held.num_bytes == sum(stored), name
        assert held.weights == state()[name].numel(), name
    assert (
        written.num_bytes
        == written.path.stat().st_size
        > sum(held.num_bytes for held in written.quantized.values())
    )
    # 384 codes of 4 bits and 16 levels of 32; codes of 5 bits take a byte.
    assert written.quantized["tensor.weight"].num_bytes == 384 // 2 + 16 * 4
    assert written.quantized["group.weight"].num_bytes == 192 + 12 * 32 * 4


def test_a_code_that_was_changed_is_seen(packed: Path, written: Repacked) -> None:
    model = onnx.load(written.path)
    codes = next(one for one in model.graph.initializer if one.name == "tensor.weight/codes")
    codes.raw_data = bytes([codes.raw_data[0] ^ 1]) + codes.raw_data[1:]
    changed = packed.parent / "changed.onnx"
    onnx.save(model, changed)
    with QuantizedFile(packed) as file:
        differs = run(changed)["tensor.weight"] != file.dequantize("tensor.weight").numpy()
    assert np.flatnonzero(differs).tolist() == [0]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_fields_fill_bytes_from_their_low_bits(bits: int) -> None:
    codes = np.random.default_rng(0).integers(0, 2**bits, (3, 7)).astype(np.uint8)
    text = "".join(f"{code:0{bits}b}"[::-1] for code in codes.reshape(-1))
    text += "0" * (-len(text) % 8)
    wanted = [int(text[first : first + 8][::-1], 2) for first in range(0, len(text), 8)]
    assert fields(codes, bits).tolist() == wanted


def test_products_beyond_the_weights_type_get_tables_of_their_own(tmp_path: Path) -> None:
    weights = torch.full((2, 64), 65504.0).to(torch.float16)
    weights[:, ::2] *= -1
    save_file({"w": weights}, tmp_path / "m.safetensors")
    plan = [Recipe("w", Choice("block:nf4:float8_e4m3", 4, "group", 32))]
    write_quantized(tmp_path / "m.safetensors", tmp_path / "q.safetensors", plan)
    with QuantizedFile(tmp_path / "q.safetensors") as file:
        kept = file.packed("w")
        clipped = bool((np.abs(kept.unscaled_levels() * kept.scales.values()) > 65504).any())  # type: ignore[union-attr]
        assert (lookup_of(kept).scales is None) == clipped
        out = run(export_onnx(tmp_path / "q.safetensors", tmp_path / "w.onnx").path)["w"]
        assert np.array_equal(out, file.dequantize("w").numpy())


# Graphs.


def graph(weights: dict[str, np.ndarray], opset: int) -> Any:
    """A convolution, a product with a matrix turned, and a Gemm that turns its own."""
    h, wide = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        h.make_node("Conv", ["x", "k"], ["a"], pads=[1, 1, 1, 1]),
        h.make_node("GlobalAveragePool", ["a"], ["b"]),
        h.make_node("Flatten", ["b"], ["c"]),
        h.make_node("MatMul", ["c", "onnx::MatMul_7"], ["d"]),
        h.make_node("Gemm", ["d", "g", "bias"], ["y"], transB=1),
    ]
    inputs = [h.make_tensor_value_info("x", wide, [2, 6, 8, 8])]
    outputs = [h.make_tensor_value_info("y", wide, [2, 5])]
    stored = [onnx.numpy_helper.from_array(np.ascontiguousarray(v), name) for name, v in weights.items()]
    made = h.make_graph(nodes, "net", inputs, outputs, stored)
    return h.make_model(made, opset_imports=[h.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    g = torch.Generator().manual_seed(1)
    tensors = {
        "conv.weight": torch.randn(8, 6, 3, 3, generator=g),
        "linear.weight": torch.randn(8, 8, generator=g),  # of a square its turn must be found by its numbers
        "head.weight": torch.randn(5, 8, generator=g),
        "other.weight": torch.randn(5, 8, generator=g),
        "bias": torch.randn(5, generator=g),
    }
    save_file(tensors, tmp_path / "m.safetensors")
    plan = [Recipe(name, Choice("lloyd_max", 4, "channel")) for name in tensors if name != "bias"]
    write_quantized(tmp_path / "m.safetensors", tmp_path / "q.safetensors", plan)
    return tmp_path


def initializers(net: Path, state_dict: dict[str, torch.Tensor] | None = None) -> dict[str, np.ndarray]:
    if state_dict is None:
        with QuantizedFile(net / "q.safetensors") as file:
            state_dict = {name: file.dequantize(name) for name in file.names}
    return {
        "k": state_dict["conv.weight"].numpy(),
        "onnx::MatMul_7": state_dict["linear.weight"].numpy().T,
        "g": state_dict["head.weight"].numpy(),
        "bias": state_dict["bias"].numpy(),
    }


@pytest.mark.parametrize("opset", [13, 21])
@pytest.mark.parametrize("original", [True, False], ids=["original", "dequantized"])
def test_a_graph_computes_what_the_dequantized_model_does(net: Path, opset: int, original: bool) -> None:
    from safetensors.torch import load_file

    own = graph(initializers(net, load_file(net / "m.safetensors") if original else None), opset)
    onnx.save(own, net / "net.onnx")
    out = export_onnx_graph(net / "q.safetensors", net / "small.onnx", net / "net.onnx")
    assert set(out.quantized) == {"conv.weight", "linear.weight", "head.weight"}
    assert out.missing == ("other.weight",)
    dequantized = graph(initializers(net), opset)
    onnx.save(dequantized, net / "dequantized.onnx")
    x = np.random.default_rng(0).normal(size=(2, 6, 8, 8)).astype(np.float32)
    found = run(out.path, x=x)["y"]
    assert np.array_equal(found, run(net / "dequantized.onnx", x=x)["y"])
    assert np.array_equal(found, run(net / "net.onnx", x=x)["y"]) != original
    left = {one.name for one in onnx.load(out.path).graph.initializer}
    assert "bias" in left
    assert not left & {"k", "g", "onnx::MatMul_7"}


def test_half_precision_of_a_graph_is_recognised_and_kept(net: Path) -> None:
    h, half = onnx.helper, onnx.TensorProto.FLOAT16
    with QuantizedFile(net / "q.safetensors") as file:
        rebuilt = file.dequantize("linear.weight").numpy()
    from safetensors.torch import load_file

    weights = load_file(net / "m.safetensors")["linear.weight"].numpy().astype(np.float16)
    nodes = [h.make_node("Identity", ["w"], ["y"])]
    out = [h.make_tensor_value_info("y", half, [8, 8])]
    made = h.make_graph(nodes, "net", [], out, [onnx.numpy_helper.from_array(weights, "w")])
    onnx.save(h.make_model(made, opset_imports=[h.make_opsetid("", 17)], ir_version=8), net / "h.onnx")
    found = run(export_onnx_graph(net / "q.safetensors", net / "o.onnx", net / "h.onnx").path)["y"]
    assert np.array_equal(found, rebuilt.astype(np.float16))


def test_a_weight_that_the_checkpoint_keeps_stays_however_near_a_quantized_one_is(tmp_path: Path) -> None:
    """As of a network and its average over the training, of which one is quantized."""
    h, single = onnx.helper, onnx.TensorProto.FLOAT
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(8, 64, generator=generator)
    state_dict = {"one": one, "average": one + 1e-3 * torch.randn(8, 64, generator=generator)}
    save_file(state_dict, tmp_path / "m.safetensors")
    recipes = [Recipe("one", Choice("lloyd_max", 2, "tensor"))]
    write_quantized(tmp_path / "m.safetensors", tmp_path / "q.safetensors", recipes)
    nodes = [h.make_node("Identity", [name], [f"{name}.out"]) for name in state_dict]
    out = [h.make_tensor_value_info(f"{name}.out", single, [8, 64]) for name in state_dict]
    held = [onnx.numpy_helper.from_array(tensor.numpy(), name) for name, tensor in state_dict.items()]
    made = h.make_graph(nodes, "net", [], out, held)
    onnx.save(h.make_model(made, opset_imports=[h.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx")
    small = export_onnx_graph(tmp_path / "q.safetensors", tmp_path / "o.onnx", tmp_path / "n.onnx")
    found = run(small.path)
    assert np.array_equal(found["average.out"], state_dict["average"].numpy())
    with QuantizedFile(tmp_path / "q.safetensors") as file:
        assert np.array_equal(found["one.out"], file.dequantize("one").numpy())


def test_what_is_no_graph_of_these_weights_is_refused(net: Path, packed: Path) -> None:
    strangers = {name: value + 1.0 for name, value in initializers(net).items()}
    onnx.save(graph(strangers, 17), net / "net.onnx")
    (net / "text.onnx").write_text("no model")
    (net / "empty.onnx").write_bytes(b"")
    for name, cause in (
        ("net", "none of its initializers"),
        ("text", "ONNX model"),
        ("empty", "no graph"),
        ("absent", "No such file"),
    ):
        with pytest.raises(CheckpointError, match=cause):
            export_onnx_graph(net / "q.safetensors", net / "o.onnx", net / f"{name}.onnx")
    assert not (net / "o.onnx").exists()
    with pytest.raises(CheckpointError, match="no quantized checkpoint"):
        export_onnx(net / "m.safetensors", net / "o.onnx")
    with pytest.raises(OutputError, match=r"ends in \.onnx"):
        export_onnx(packed, net / "o.bin")
    (net / "there.onnx").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        export_onnx(packed, net / "there.onnx")
    assert (net / "there.onnx").read_text() == "mine"


def test_the_command_says_the_size_and_what_the_graph_lacks(net: Path) -> None:
    onnx.save(graph(initializers(net), 21), net / "net.onnx")
    words = ["export", str(net / "q.safetensors"), "--format", "onnx", "-o", str(net / "o.onnx")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert f"{(net / 'o.onnx').stat().st_size:,} bytes" in result.output
    assert "4 tensors as codes" in result.output
    refused = CliRunner().invoke(main, [*words, "--graph", str(net / "net.onnx")])
    assert refused.exit_code == 2
    assert "--force" in refused.output
    result = CliRunner().invoke(main, [*words, "--graph", str(net / "net.onnx"), "--force"])
    assert "Not in the graph: other.weight\n" in result.output
    itself = [*words[:-1], str(net / "net.onnx"), "--graph", str(net / "net.onnx"), "--force"]
    assert "it is a file that is read" in CliRunner().invoke(main, itself).output
    wrong = CliRunner().invoke(main, [*words, "--bits", "4", "--force"])
    assert "--bits is for --format sdnq" in wrong.output


def test_safetensors_is_what_dequantize_writes(net: Path) -> None:
    source = str(net / "q.safetensors")
    one, two = net / "one.safetensors", net / "two.safetensors"
    said = CliRunner().invoke(main, ["export", source, "--format", "safetensors", "-o", str(one)])
    assert said.exit_code == 0, said.output
    assert CliRunner().invoke(main, ["dequantize", source, "-o", str(two)]).exit_code == 0
    assert one.read_bytes() == two.read_bytes()
