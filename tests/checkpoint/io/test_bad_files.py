"""Files that cannot be read: each ends in a CheckpointError that says what to do, and runs nothing."""

import contextlib
import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from fmq_theory.checkpoint import iter_tensors, read_tensors
from fmq_theory.errors import CheckpointError, FmqError

WEIGHT = torch.arange(400.0).reshape(20, 20)


class _CreatesFile:
    """Unpickling an instance would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("form", ["zip", "legacy", "plain pickle"])
def test_a_pickle_that_needs_code_is_refused_and_not_run(tmp_path: Path, form: str) -> None:
    trap = tmp_path / "trap"
    content = {"w": WEIGHT if form != "plain pickle" else [1.0], "x": _CreatesFile(trap)}
    path = tmp_path / "m.pt"
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match="would run code") as caught:
        read_tensors(path)
    assert "state_dict()" in caught.value.remedy
    assert not trap.exists()
    # Negative control: the trap works where nothing guards against it.
    if form == "plain pickle":
        pickle.loads(path.read_bytes())["x"].close()
        assert trap.exists()


def test_the_cause_is_told_and_not_the_advice_of_a_library(tmp_path: Path) -> None:
    """torch's own message tells to switch the protection off, or to file an issue."""
    path = tmp_path / "m.pt"
    path.write_bytes(b"\xf0" * 100)
    with pytest.raises(CheckpointError, match="Unsupported operand 240") as caught:
        read_tensors(path)
    assert "issue" not in str(caught.value)


def test_a_pickled_model_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(3, 3), tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="would run code"):
        read_tensors(tmp_path / "m.pt")


def test_missing_directory_empty_and_special(tmp_path: Path) -> None:
    for path, cause in (
        (tmp_path / "none.pt", "no such file"),
        (tmp_path, "directory"),
        (tmp_path / "no\0name.pt", "(no such file|cannot be opened)"),
    ):
        with pytest.raises(CheckpointError, match=cause):
            read_tensors(path)
    (tmp_path / "m.pt").mkdir()
    with pytest.raises(CheckpointError, match="directory"):
        read_tensors(tmp_path / "m.pt")
    (tmp_path / "e.pt").touch()
    with pytest.raises(CheckpointError, match="empty"):
        read_tensors(tmp_path / "e.pt")
    os.mkfifo(tmp_path / "f.pt")
    with pytest.raises(CheckpointError, match="not a regular file"):
        read_tensors(tmp_path / "f.pt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_unreadable(tmp_path: Path) -> None:
    torch.save({"w": WEIGHT}, tmp_path / "m.pt")
    (tmp_path / "m.pt").chmod(0)
    with pytest.raises(CheckpointError, match="cannot be opened"):
        read_tensors(tmp_path / "m.pt")


def test_unknown_suffix_names_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"\.safetensors"):
        read_tensors(tmp_path / "m.onnx")


def test_a_wrong_suffix_is_seen_through(tmp_path: Path) -> None:
    torch.save({"w": WEIGHT}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"rename it to end in '\.pt'"):
        read_tensors(tmp_path / "a.safetensors")
    save_file({"w": WEIGHT}, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match=r"rename it to end in '\.safetensors'"):
        read_tensors(tmp_path / "b.pt")


def test_a_file_without_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="holds no tensors"):
        read_tensors(tmp_path / "m.pt")
    torch.save({"bias": torch.ones(3)}, tmp_path / "n.pt")
    with pytest.raises(CheckpointError, match="none of its 1 tensors"):
        read_tensors(tmp_path / "n.pt")


@pytest.mark.parametrize("zip_format", [True, False])
@pytest.mark.parametrize("keep", [1, 3, 9, 100, 0.3, 0.5, 0.9, -1])
def test_truncated_pickle(tmp_path: Path, zip_format: bool, keep: float) -> None:
    torch.save({"w": WEIGHT}, tmp_path / "m.pt", _use_new_zipfile_serialization=zip_format)
    data = (tmp_path / "m.pt").read_bytes()
    (tmp_path / "m.pt").write_bytes(data[: int(keep * len(data)) if 0 < keep < 1 else int(keep)])
    with pytest.raises(CheckpointError, match="truncated or corrupt"):
        read_tensors(tmp_path / "m.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    "content", [b"hello world, this is text", b"\0" * 50, b"PK\x03\x04 no archive", b"\xff" * 99]
)
def test_something_else_altogether(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"m{suffix}").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_tensors(tmp_path / f"m{suffix}")


def _safetensors(header: object, body: bytes, length: int | None = None) -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text) if length is None else length) + text + body


ENTRY = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    "data",
    [
        b"\x10",
        _safetensors({"w": ENTRY}, b"\0" * 16)[:20],
        _safetensors({"w": ENTRY}, b"\0" * 15),  # body too short
        _safetensors({"w": ENTRY}, b"\0" * 99),  # body too long
        _safetensors({"w": ENTRY}, b"\0" * 16, length=10**15),
        _safetensors({"w": ENTRY}, b"\0" * 16, length=2**64 - 1),
        _safetensors({"w": ENTRY}, b"\0" * 16, length=5),
        _safetensors({"w": ENTRY | {"shape": [2, 3]}}, b"\0" * 16),
        _safetensors({"w": ENTRY | {"shape": [2**62, 2**62]}}, b"\0" * 16),
        _safetensors({"w": ENTRY | {"shape": [-2, -2]}}, b"\0" * 16),
        _safetensors({"w": ENTRY | {"data_offsets": [0, 10**12]}}, b"\0" * 16),
        _safetensors({"w": ENTRY | {"data_offsets": [16, 0]}}, b"\0" * 16),
        _safetensors({"w": ENTRY, "v": ENTRY}, b"\0" * 16),  # overlap
        _safetensors({"w": ENTRY | {"dtype": "F99"}}, b"\0" * 16),
        _safetensors(b'{"w": ', b"\0" * 16),
        _safetensors(b"\xff\xfe\xfd", b"\0" * 16),
        _safetensors(["w"], b"\0" * 16),
    ],
)
def test_safetensors_headers_that_lie(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError):
        read_tensors(tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError):
        next(iter_tensors(tmp_path / "m.safetensors"))


def test_the_honest_header_is_read(tmp_path: Path) -> None:
    """Negative control of the test above."""
    (tmp_path / "m.safetensors").write_bytes(_safetensors({"w": ENTRY}, b"\0" * 16))
    assert read_tensors(tmp_path / "m.safetensors").tensors[0].array.shape == (2, 2)


@given(data=st.data())
@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_flipped_bytes_never_surface_as_another_error(
    tmp_path_factory, form: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    path = folder / ("m.safetensors" if form == "safetensors" else "m.pt")
    small = {"layer.weight": WEIGHT[:4, :4].clone(), "b": torch.ones(2, 3, dtype=torch.bfloat16)}
    if form == "safetensors":
        save_file(small, path)
    else:
        torch.save(small, path, _use_new_zipfile_serialization=form == "zip")
    content = bytearray(path.read_bytes())
    # Most of the structure is in the first part of the file.
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content), 700) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(FmqError):  # harmless flips leave a readable file
        read_tensors(path)
