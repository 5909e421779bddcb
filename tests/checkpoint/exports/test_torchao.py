"""torchao's codebook tensors: loaded by torch, rebuilt by torchao, equal to the bit."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from fmq_theory.checkpoint import Choice, QuantizedFile, Recipe, write_quantized
from fmq_theory.checkpoint.exports import Repacked, export_torchao
from fmq_theory.checkpoint.exports.torchao import TENSORS
from fmq_theory.cli.main import main
from fmq_theory.errors import CheckpointError, OutputError
from tests.checkpoint.exports.packed_model import packed_model

pytestmark = pytest.mark.filterwarnings("ignore")  # torchao's own, of torch and of its kernels
SCALED = {f"block{kind}__weight": False for kind in ("", "_half", "_bf16")}


@pytest.fixture(scope="module")
def kind() -> Any:
    try:
        return importlib.import_module(TENSORS).CodebookQuantizedTensor
    except ImportError:
        pytest.skip("torchao, which has the tensors, is not installed")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory, kind: Any) -> Path:
    return packed_model(tmp_path_factory.mktemp("torchao"), **SCALED)


@pytest.fixture(scope="module")
def written(packed: Path) -> Repacked:
    return export_torchao(packed, packed.parent / "weights.pt")


def loaded(path: Path, kind: Any) -> dict[str, Any]:
    with torch.serialization.safe_globals([kind]):
        return torch.load(path, weights_only=True)


def test_torchao_gives_every_tensor_to_the_bit(packed: Path, written: Repacked, kind: Any) -> None:
    found = loaded(written.path, kind)
    with QuantizedFile(packed) as file:
        assert set(found) == set(file.names)
        for name, value in found.items():
            wanted, quantized = file.dequantize(name), name in file.quantized
            assert isinstance(value, kind) == quantized, name
            rebuilt = value.dequantize() if quantized else value
            assert rebuilt.dtype == wanted.dtype, name
            assert torch.equal(rebuilt, wanted), name
        assert set(written.quantized) == set(file.quantized)
    assert written.quantized["tensor.weight"].num_bytes == 384 + 16 * 4  # a byte a code
    assert written.num_bytes == written.path.stat().st_size


def test_a_layer_computes_with_it(packed: Path, written: Repacked, kind: Any) -> None:
    layer = torch.nn.Linear(35, 6, bias=False)
    layer.load_state_dict({"weight": loaded(written.path, kind)["channel.weight"]}, assign=True)
    x = torch.randn(2, 35, generator=torch.Generator().manual_seed(0))
    with QuantizedFile(packed) as file:
        wanted = torch.nn.functional.linear(x, file.dequantize("channel.weight"))
    assert torch.equal(layer(x), wanted)
    codes = layer.weight.codes  # type: ignore[union-attr]
    codes[0, 0] ^= 1
    assert not torch.equal(layer(x), wanted)


def test_what_it_cannot_hold_is_refused(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has scales"):
        export_torchao(packed_model(tmp_path), tmp_path / "o.pt")
    with pytest.raises(OutputError, match=r"ends in \.pt"):
        export_torchao(packed, tmp_path / "o.bin")
    save_file({"w": torch.randn(4, 8).double()}, tmp_path / "m.safetensors")
    write_quantized(
        tmp_path / "m.safetensors", tmp_path / "q.safetensors", [Recipe("w", Choice("uniform", 2))]
    )
    with pytest.raises(CheckpointError, match="numbers of float64"):
        export_torchao(tmp_path / "q.safetensors", tmp_path / "o.pt")
    assert not (tmp_path / "o.pt").exists()
    words = ["export", str(packed), "--format", "torchao", "-o", str(tmp_path / "o.pt")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "8 tensors as codes" in result.output
    assert "--force" in CliRunner().invoke(main, words).output
