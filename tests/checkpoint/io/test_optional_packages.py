"""Packages that are not installed: named with what they do and how to get them, and nothing is written."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fmq_theory.checkpoint import Choice, Recipe, exports, write_quantized
from fmq_theory.errors import CheckpointError
from tests.checkpoint.made_tensors import drawn, save

EXPORTS: dict[str, tuple[str, str, Callable[[Path, Path], object]]] = {
    "onnx": ("onnx", "out.onnx", exports.export_onnx),
    "openvino": ("openvino", "out.xml", exports.export_openvino),
    "coremltools": ("coreml", "out.mlpackage", exports.export_coreml),
    "torchao": ("torchao", "out.pt", exports.export_torchao),
}


@pytest.mark.parametrize("package", EXPORTS)
def test_an_export_without_its_package(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = save(tmp_path, "model", {"w": drawn(8, 64)})
    small = tmp_path / "small.safetensors"
    write_quantized(original, small, [Recipe("w", Choice("lloyd_max", 4))])
    there = set(tmp_path.iterdir())
    monkeypatch.setitem(sys.modules, package, None)
    extra, name, export = EXPORTS[package]
    with pytest.raises(CheckpointError, match=rf"{package}.* is not installed.*fmq_theory\[{extra}\]"):
        export(small, tmp_path / name)
    assert set(tmp_path.iterdir()) == there


def test_gguf_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = save(tmp_path, "model", {"w": drawn(8, 64)})
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(CheckpointError, match=r"gguf, which writes them, is not installed"):
        exports.export_gguf(original, tmp_path / "out.gguf", architecture="x")
    assert not (tmp_path / "out.gguf").exists()


def test_entropy_coding_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = save(tmp_path, "model", {"w": drawn(8, 64)})
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(CheckpointError, match=r"zstandard, which codes them.*fmq_theory\[entropy\]"):
        write_quantized(
            original, tmp_path / "s.safetensors", [Recipe("w", Choice("ecq", 4))], entropy_coding=True
        )
    assert not (tmp_path / "s.safetensors").exists()
