"""Files that are no checkpoints, under the names of some: the message says what they are and what to do."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import load, read_state, read_tensors, write_quantized
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import recipes_for
from fmq_theory.errors import CheckpointError


def _zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"numbers")
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, weight=np.ones((3, 4)))
    return buffer.getvalue()


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((3, 4)))
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("model.pt"))
    return buffer.getvalue()


KINDS: dict[str, tuple[Callable[[], bytes], str]] = {
    "gguf": (lambda: b"GGUF\x03\0\0\0" + bytes(64), r"a GGUF file of llama\.cpp.*quantize the original"),
    "lfs": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "a pointer of git-lfs.*git lfs pull",
    ),
    "html": (lambda: b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "a web page.*/resolve/"),
    "xml": (lambda: b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
    "json": (lambda: b'{"error": "Repository not found"}', r"JSON text .*Repository.*failed download"),
    "text": (lambda: b"Entry not found", "text .*Entry not found"),
    "hdf5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5.*Keras"),
    "onnx": (lambda: b"\x08\x08\x12\x07pytorch\x1a\x052.4.0" + bytes(99), "an ONNX model"),
    "tensorflow": (lambda: bytes(99) + bytes.fromhex("57fb808b247547db"), "TensorFlow checkpoint"),
    "lite": (lambda: b"\x1c\0\0\0TFL3" + bytes(99), "TensorFlow Lite"),
    "gzip": (lambda: gzip.compress(b"weights"), "compressed with gzip.*unpack"),
    "tar": (_tar, "a tar archive"),
    "npz": (_npz, r"NumPy archive \(\.npz\).*safetensors\.numpy"),
    "npy": (_npy, "a single NumPy array"),
    "keras": (lambda: _zip("config.json", "model.weights.h5"), "a Keras model"),
    "zip": (lambda: _zip("model.safetensors"), "a zip archive that torch did not write.*unpack"),
}


@pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".bin", ".safetensors", ".weights"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_message_says_what_it_is(kind: str, suffix: str, tmp_path: Path) -> None:
    make, words = KINDS[kind]
    path = tmp_path / f"model{suffix}"
    path.write_bytes(make())
    for read in (read_tensors, read_state):
        with pytest.raises(CheckpointError, match=words) as refused:
            read(path)
        assert len(str(refused.value).splitlines()) == 1


def test_parts_of_a_tensorflow_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt.data-00000-of-00001"
    path.write_bytes(np.ones(99).tobytes())
    with pytest.raises(CheckpointError, match="a part of a TensorFlow checkpoint"):
        read_state(path)


def test_a_whole_module_is_refused_with_the_remedy(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4), tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"Python objects.*model\.state_dict\(\)"):
        read_state(tmp_path / "m.pt")


@pytest.mark.parametrize("zip_format", [True, False])
def test_control_what_torch_writes_is_read(zip_format: bool, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    torch.save({"w": torch.ones(3, 4)}, path, _use_new_zipfile_serialization=zip_format)
    assert list(read_state(path)) == ["w"]


FACTORS = {
    "peft": ("q.lora_A.weight", "q.lora_B.weight"),
    "nested": ("unet.q.lora_A.default.weight", "unet.q.lora_B.default.weight"),
    "kohya": ("lora_unet_q.lora_down.weight", "lora_unet_q.lora_up.weight"),
    "diffusers": ("q.processor.to_q_lora.down.weight", "q.processor.to_q_lora.up.weight"),
    "loha": ("q.hada_w1_a", "q.hada_w1_b"),
}


@pytest.mark.parametrize("kind", FACTORS)
def test_an_adapter_is_no_model_and_can_be_asked_for(kind: str, tmp_path: Path) -> None:
    path, out = tmp_path / "lora.safetensors", tmp_path / "q.safetensors"
    first, second = FACTORS[kind]
    state = {first: torch.randn(8, 256), second: torch.randn(256, 8), "q.alpha": torch.tensor(8.0)}
    save_file(state, path)
    wanted = Choice("lloyd_max", 3, "tensor")
    with pytest.raises(CheckpointError, match=r"LoRA adapter.*merge it into that model"):
        recipes_for(path, wanted)
    with pytest.raises(CheckpointError, match="LoRA adapter"):
        read_tensors(path)
    recipes, _ = recipes_for(path, wanted, ["*"])
    assert {recipe.name for recipe in recipes} == {first, second}
    write_quantized(path, out, recipes)
    assert {first, second} <= set(load(out))
    # Control: a model that has such layers beside its own keeps them.
    save_file(state | {"q.base_layer.weight": torch.randn(256, 256)}, path)
    assert {first, second, "q.base_layer.weight"} == {r.name for r in recipes_for(path, wanted)[0]}


def test_a_folder_of_several_networks_is_refused_with_their_names(tmp_path: Path) -> None:
    for part in ("transformer", "transformer_2", "vae"):
        (tmp_path / part).mkdir()
        save_file({"w": torch.ones(3, 4)}, tmp_path / part / "diffusion_pytorch_model.safetensors")
    with pytest.raises(CheckpointError, match=r"several components .*transformer.*transformer_2.*name one"):
        read_state(tmp_path)
    assert list(read_state(tmp_path / "transformer_2")) == ["w"]
    (tmp_path / "transformer").rename(tmp_path / "old")
    assert list(read_state(tmp_path)) == ["w"]  # control: one network is the one that is meant
    (tmp_path / "transformer_2").rename(tmp_path / "prior")
    with pytest.raises(CheckpointError, match=r"several components .*old.*prior.*vae"):
        read_state(tmp_path)
