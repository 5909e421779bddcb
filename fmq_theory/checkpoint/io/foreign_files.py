"""What a file is that is no checkpoint of ours, by its first bytes, and what its owner can do about it."""

import re
import zipfile
from pathlib import Path

__all__ = ["what_it_is"]

_HEAD = 1024
_SHORTEST_TEXT = 8  # of what says something
_ORIGINAL = "quantize the original weights (.safetensors or .pt) from which it was made"
_COMPARED = "; what it lost of them is told by fmq compare (fmq_theory.compare)"
_UNPACK = "unpack it and pass the checkpoint inside"
_CONVERT = "convert it in its own framework: save the weights with safetensors.torch.save_file"

_SIGNS: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs.github.com/spec/",
        "a pointer of git-lfs in place of the file",
        "run git lfs pull",
    ),
    (b"GGUF", "a GGUF file of llama.cpp, whose weights are quantized already", _ORIGINAL + _COMPARED),
    (b"tjgg", "a GGML file of llama.cpp, whose weights are quantized already", _ORIGINAL),
    (b"lmgg", "a GGML file of llama.cpp, whose weights are quantized already", _ORIGINAL),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it", _CONVERT),
    (b"\x93NUMPY", "a single NumPy array", "save it under a name with safetensors.numpy.save_file"),
    (b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
)
_TABLE_END = bytes.fromhex("57fb808b247547db")  # of the tables in which TensorFlow keeps checkpoints
_ONNX = re.compile(rb"\x08[\x01-\x20](\x12|\x3a|\x42|\x1a)")  # ir_version, then the producer or the graph


def what_it_is(path: Path) -> tuple[str, str] | None:
    """The kind of file and the remedy, in words; None where nothing is recognised.

    Args:
        path: a regular file.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(max(0, path.stat().st_size - len(_TABLE_END)))
            end = file.read(len(_TABLE_END))
    except OSError:
        return None
    for sign, kind, remedy in _SIGNS:
        if head.startswith(sign):
            return kind, remedy
    if end == _TABLE_END or re.search(r"\.(ckpt\S*\.)?(data-\d{5}-of-\d{5})$", path.name):
        return "a part of a TensorFlow checkpoint", _CONVERT
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model", _CONVERT
    if head[257:262] == b"ustar":
        return "a tar archive", _UNPACK
    if head.startswith(b"PK\x03\x04"):
        return _zipped(path)
    if _ONNX.match(head):
        return "an ONNX model", "pass the checkpoint from which it was exported"
    return _text(head)


def _zipped(path: Path) -> tuple[str, str] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    if any(name.endswith("data.pkl") for name in names):
        return None  # torch wrote it
    if any(name.endswith(".npy") for name in names):
        return "a NumPy archive (.npz)", "save its arrays with safetensors.numpy.save_file"
    if any(name.endswith(".weights.h5") for name in names):
        return "a Keras model", _CONVERT
    return "a zip archive that torch did not write", _UNPACK


def _text(head: bytes) -> tuple[str, str] | None:
    try:
        text = head.decode("utf-8", errors="strict" if len(head) < _HEAD else "ignore").lstrip(
            "\ufeff \r\n\t"
        )
    except UnicodeDecodeError:
        return None
    if len(text) < _SHORTEST_TEXT or any(not (sign.isprintable() or sign in "\r\n\t") for sign in text):
        return None
    start = text[:15].lower()
    if start.startswith(("<!doctype", "<html", "<head", "<?xml", "<!--")):
        return (
            "a web page, as a download that failed or asked for a login leaves it",
            "download the file itself (on Hugging Face with /resolve/ in place of /blob/)",
        )
    first = text.splitlines()[0][:60]
    if start.startswith(("{", "[")):
        return (
            f"JSON text ({first!r})",
            "pass the file of the weights; an error message means a failed download",
        )
    return f"text ({first!r})", "pass the file of the weights"
