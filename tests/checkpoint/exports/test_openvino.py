"""OpenVINO's files: read by its own core, equal to the bit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fmq_theory.checkpoint import QuantizedFile
from fmq_theory.checkpoint.exports import Repacked, export_openvino
from fmq_theory.cli.main import main
from fmq_theory.errors import CheckpointError, OutputError
from tests.checkpoint.exports.packed_model import RECIPES, packed_model

openvino = pytest.importorskip(
    "openvino", reason="openvino, which writes and reads the files, is not installed"
)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_model(tmp_path_factory.mktemp("openvino"), block_bf16__weight=False)


@pytest.fixture(scope="module")
def written(packed: Path) -> Repacked:
    return export_openvino(packed, packed.parent / "weights.xml")


def outputs(path: Path) -> dict[str, np.ndarray]:
    core = openvino.Core()
    found = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({})
    return {name: found[key] for key in found for name in key.get_names()}


def test_openvino_gives_every_tensor_to_the_bit(packed: Path, written: Repacked) -> None:
    found = outputs(written.path)
    with QuantizedFile(packed) as file:
        assert set(found) == set(file.names)
        assert set(file.ties) == {"tied.weight", "turned.weight"}
        for name, value in found.items():
            wanted = file.dequantize(name)
            wanted = (wanted.float() if wanted.dtype == torch.bfloat16 else wanted).numpy()
            assert (value.dtype, value.shape) == (wanted.dtype, wanted.shape), name
            assert value.tobytes() == wanted.tobytes(), name
    assert set(written.quantized) == set(RECIPES) - {"block_bf16.weight"}


def test_sizes_are_those_of_the_constants(written: Repacked) -> None:
    numbers = written.path.with_suffix(".bin").stat().st_size
    assert written.num_bytes == numbers + written.path.stat().st_size
    # 384 codes of 4 bits and 16 levels of 32; codes of 5 bits take a byte.
    assert written.quantized["tensor.weight"].num_bytes == 384 // 2 + 16 * 4
    assert written.quantized["group.weight"].num_bytes == 192 + 12 * 32 * 4
    assert numbers > sum(held.num_bytes for held in written.quantized.values())


def test_a_code_that_was_changed_is_seen(packed: Path, written: Repacked, tmp_path: Path) -> None:
    with QuantizedFile(packed) as file:
        wanted = file.dequantize("tensor.weight").numpy()
        codes = file.codes("tensor.weight").reshape(-1)
    data = bytearray(written.path.with_suffix(".bin").read_bytes())
    place = data.find((codes[::2] | codes[1::2] << 4).tobytes())
    assert place >= 0
    data[place] ^= 1
    (tmp_path / "w.xml").write_bytes(written.path.read_bytes())
    (tmp_path / "w.bin").write_bytes(data)
    assert np.flatnonzero(outputs(tmp_path / "w.xml")["tensor.weight"] != wanted).tolist() == [0]


def test_what_it_cannot_hold_is_refused_and_nothing_is_left(packed: Path, tmp_path: Path) -> None:
    whole = packed_model(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match="does not round their products to BF16"):
        export_openvino(whole, tmp_path / "o.xml")
    with pytest.raises(OutputError, match=r"ends in \.xml"):
        export_openvino(packed, tmp_path / "o.bin")
    with pytest.raises(CheckpointError, match="no quantized checkpoint"):
        export_openvino(tmp_path / "plain.pt", tmp_path / "o.xml")
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "o.bin").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        export_openvino(packed, tmp_path / "o.xml")
    words = ["export", str(packed), "--format", "openvino", "-o", str(tmp_path / "o.xml"), "--force"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "10 tensors as codes" in result.output
    assert len(outputs(tmp_path / "o.xml")) == 15
