"""Core ML's packages: decompressed by coremltools, equal to the bit. Nothing runs them on this system."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from fmq_theory.checkpoint import Choice, QuantizedFile, Recipe, write_quantized
from fmq_theory.checkpoint.exports import Repacked, export_coreml
from fmq_theory.cli.main import main
from fmq_theory.errors import CheckpointError, FmqError, OutputError
from tests.checkpoint.exports.packed_model import packed_model, state

coremltools = pytest.importorskip(
    "coremltools", reason="coremltools, which writes the packages, is not installed"
)

# coremltools leaves its temporary folders to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SCALED = {f"block{kind}__weight": False for kind in ("", "_half", "_bf16")}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_model(tmp_path_factory.mktemp("coreml"), **SCALED)


@pytest.fixture(scope="module")
def written(packed: Path) -> Repacked:
    return export_coreml(packed, packed.parent / "weights.mlpackage")


def decompressed(path: Path) -> dict[str, np.ndarray]:
    optimize = importlib.import_module("coremltools.optimize.coreml")
    model = coremltools.models.MLModel(str(path), skip_model_load=True)
    plain = optimize.decompress_weights(model)
    return {
        name: found.val for name, found in optimize.get_weights_metadata(plain, weight_threshold=1).items()
    }


def test_coremltools_decompresses_every_tensor_to_the_bit(packed: Path, written: Repacked) -> None:
    found = decompressed(written.path)
    with QuantizedFile(packed) as file:
        for name in file.quantized:
            wanted = file.dequantize(name)
            wanted = (wanted.float() if wanted.dtype == torch.bfloat16 else wanted).numpy()
            # coremltools calls what it decompresses by the operation or by the output.
            key = next(
                key for key in (f"{name.replace('.', '_')}_codes", name.replace(".", "_")) if key in found
            )
            assert (found[key].dtype, found[key].shape) == (wanted.dtype, wanted.shape), name
            assert found[key].tobytes() == wanted.tobytes(), name
        assert set(written.quantized) == set(file.quantized)
        model = coremltools.models.MLModel(str(written.path), skip_model_load=True)
        outputs = {output.name for output in model.get_spec().description.output}
        assert outputs == {name.replace(".", "_") for name in file.names}


def test_codes_stay_packed_in_the_package(written: Repacked) -> None:
    # 384 codes of 4 bits; 3 bits have a type of their own, and 5 bits take 6.
    assert written.quantized["tensor.weight"].num_bytes == 384 // 2 + 16 * 4
    assert written.quantized["channel.weight"].num_bytes == -(-210 * 3 // 8) + 6 * 8 * 4
    assert written.quantized["group.weight"].num_bytes == 192 * 6 // 8 + 12 * 64 * 4
    numbers = next(written.path.rglob("weight.bin")).stat().st_size
    assert numbers < sum(4 * value.numel() for value in state().values())
    assert written.num_bytes == sum(part.stat().st_size for part in written.path.rglob("*") if part.is_file())


def test_what_it_cannot_hold_is_refused(packed: Path, tmp_path: Path) -> None:
    whole = packed_model(tmp_path)
    with pytest.raises(CheckpointError, match="has scales"):
        export_coreml(whole, tmp_path / "o.mlpackage")
    with pytest.raises(OutputError, match=r"ends in \.mlpackage"):
        export_coreml(packed, tmp_path / "o")

    def refused(tensors: dict[str, torch.Tensor], choice: Choice) -> str:
        save_file(tensors, tmp_path / "m.safetensors")
        names = [name for name in tensors if name.endswith("w")]
        plan = [Recipe(name, choice) for name in names]
        write_quantized(tmp_path / "m.safetensors", tmp_path / "q.safetensors", plan, overwrite=True)
        with pytest.raises(FmqError) as error:
            export_coreml(tmp_path / "q.safetensors", tmp_path / "o.mlpackage")
        return str(error.value)

    wide = torch.randn(4, 6, 10)
    assert "no blocks of rows of 10" in refused({"w": wide}, Choice("lloyd_max", 2, "group", 15))
    assert "float64" in refused({"w": wide.double()}, Choice("lloyd_max", 2))
    assert "'a_w'" in refused({"a.w": wide, "a_w": wide + 1}, Choice("lloyd_max", 2))
    assert "int64" in refused({"w": wide, "n": torch.tensor([2**40])}, Choice("lloyd_max", 2))
    assert not list(tmp_path.glob("*.mlpackage"))


def test_the_command_replaces_a_package_only_when_asked(packed: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.mlpackage"
    words = ["export", str(packed), "--format", "coreml", "-o", str(out)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "8 tensors as codes" in result.output
    assert "--force" in CliRunner().invoke(main, words).output
    assert CliRunner().invoke(main, [*words, "--force"]).exit_code == 0
    assert len(decompressed(out)) >= 8
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    (tmp_path / "mine.mlpackage").mkdir()
    words[-1] = str(tmp_path / "mine.mlpackage")
    assert "no package of Core ML" in CliRunner().invoke(main, [*words, "--force"]).output
