"""The safetensors container: what we write its library reads, and a header that lies is found out."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from fmq_theory.checkpoint import read_tensors
from fmq_theory.checkpoint.io.container import Spec, open_container, write_container
from fmq_theory.checkpoint.io.number_types import ITEM_BITS, TORCH_TYPES, bytes_of, from_bytes
from fmq_theory.errors import CheckpointError
from tests.corpus.tensors import same

_ENTRY = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


def _file(path: Path, header: object, body: bytes, length: int | None = None) -> Path:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)
    return path


@st.composite
def _tensors(draw: st.DrawFn) -> dict[str, torch.Tensor]:
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True))
    found: dict[str, torch.Tensor] = {}
    for name in names:
        dtype = draw(st.sampled_from(sorted(TORCH_TYPES)))
        shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
        size = int(np.prod(shape)) * ITEM_BITS[dtype] // 8
        data = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype=np.uint8)
        found[name] = from_bytes(np.minimum(data, 1 if dtype == "BOOL" else 255), dtype, shape)
    return found


def _names(tensor: torch.Tensor) -> str:
    return next(name for name, dtype in TORCH_TYPES.items() if dtype == tensor.dtype)


@given(tensors=_tensors(), metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=2))
def test_the_library_reads_what_we_write(tmp_path_factory, tensors, metadata) -> None:
    assume("__metadata__" not in tensors)
    path = tmp_path_factory.mktemp("c") / "m.safetensors"
    specs = [Spec(name, _names(t), tuple(t.shape)) for name, t in tensors.items()]
    size = write_container(path, specs, metadata, lambda name: [bytes_of(tensors[name])])
    assert size == path.stat().st_size
    read = load_file(path)
    assert read.keys() == tensors.keys()
    assert all(same(read[name], tensor) for name, tensor in tensors.items())
    ours = open_container(path)
    assert ours.metadata == metadata
    for name, tensor in tensors.items():
        spec = ours.specs[name]
        assert same(from_bytes(ours.bytes_of(name), spec.dtype, spec.shape), tensor)


def test_numbers_begin_at_multiples_of_their_size(tmp_path: Path) -> None:
    tensors = {
        "odd": torch.zeros(3, dtype=torch.uint8),
        "wide": torch.ones(2, dtype=torch.float64),
        "half": torch.ones(1, dtype=torch.float16),
        "single": torch.ones(1),
    }
    specs = [Spec(name, _names(t), tuple(t.shape)) for name, t in tensors.items()]
    write_container(tmp_path / "m", specs, {}, lambda name: [bytes_of(tensors[name])])
    with (tmp_path / "m").open("rb") as file:
        assert (8 + struct.unpack("<Q", file.read(8))[0]) % 8 == 0
    found = open_container(tmp_path / "m")
    assert all(found.starts[name] % t.element_size() == 0 for name, t in tensors.items())


def test_bytes_may_come_in_parts_and_must_be_as_many_as_promised(tmp_path: Path) -> None:
    spec, parts = Spec("w", "U8", (4,)), [np.array([1, 2], np.uint8), np.array([3, 4], np.uint8)]
    write_container(tmp_path / "m", [spec], {}, lambda _: parts)
    assert open_container(tmp_path / "m").bytes_of("w").tolist() == [1, 2, 3, 4]
    with pytest.raises(CheckpointError, match="has 2 bytes where its shape asks for 4"):
        write_container(tmp_path / "n", [spec], {}, lambda _: parts[:1])


def test_we_read_what_the_library_writes(tmp_path: Path) -> None:
    tensor = torch.arange(6.0).reshape(2, 3)
    save_file({"a": tensor, "b": torch.zeros(0, 3)}, tmp_path / "m", {"x": "y"})
    found = open_container(tmp_path / "m")
    assert found.specs["b"].shape == (0, 3)
    assert torch.equal(from_bytes(found.bytes_of("a"), "F32", (2, 3)), tensor)
    with pytest.raises(CheckpointError, match="lacks 'c'"):
        found.bytes_of("c")


LIES = {
    "no length": b"\x10",
    "body too short": ({"w": _ENTRY}, b"\0" * 15),
    "body too long": ({"w": _ENTRY}, b"\0" * 17),
    "length beyond the file": ({"w": _ENTRY}, b"\0" * 16, 10**6),
    "length of 2**64": ({"w": _ENTRY}, b"\0" * 16, 2**64 - 1),
    "length too short": ({"w": _ENTRY}, b"\0" * 16, 5),
    "shape too large": ({"w": _ENTRY | {"shape": [2, 3]}}, b"\0" * 16),
    "shape overflows": ({"w": _ENTRY | {"shape": [2**62, 2**62]}}, b"\0" * 16),
    "negative shape": ({"w": _ENTRY | {"shape": [-2, -2]}}, b"\0" * 16),
    "shape of floats": ({"w": _ENTRY | {"shape": [2.0, 2.0]}}, b"\0" * 16),
    "shape of booleans": ({"w": _ENTRY | {"shape": [True, 4]}}, b"\0" * 16),
    "no shape": ({"w": {"dtype": "F32", "data_offsets": [0, 16]}}, b"\0" * 16),
    "three offsets": ({"w": _ENTRY | {"data_offsets": [0, 16, 16]}}, b"\0" * 16),
    "end before begin": ({"w": _ENTRY | {"data_offsets": [16, 0]}}, b"\0" * 16),
    "far away": ({"w": _ENTRY | {"data_offsets": [0, 10**12]}}, b"\0" * 16),
    "overlap": ({"w": _ENTRY, "v": _ENTRY}, b"\0" * 16),
    "hole": ({"w": _ENTRY | {"data_offsets": [4, 20]}}, b"\0" * 20),
    "unknown type": ({"w": _ENTRY | {"dtype": "F99"}}, b"\0" * 16),
    "type no text": ({"w": _ENTRY | {"dtype": 3}}, b"\0" * 16),
    "cut JSON": (b'{"w": ', b"\0" * 16),
    "no UTF-8": (b"\xff\xfe\xfd", b"\0" * 16),
    "a list": (["w"], b"\0" * 16),
    "entry no object": ({"w": 1}, b""),
    "metadata no texts": ({"__metadata__": {"a": 1}, "w": _ENTRY}, b"\0" * 16),
    "nested too deep": (b"[" * 100_000, b""),
    "a name twice": (b'{"w": %s, "w": %s}' % ((json.dumps(_ENTRY).encode(),) * 2), b"\0" * 16),
}


@pytest.mark.parametrize("lie", LIES)
def test_headers_that_lie(tmp_path: Path, lie: str) -> None:
    given_ = LIES[lie]
    path = tmp_path / "m.safetensors"
    path.write_bytes(given_) if isinstance(given_, bytes) else _file(path, *given_)
    with pytest.raises(CheckpointError):
        open_container(path)
    with pytest.raises(CheckpointError):
        read_tensors(path)


def test_the_honest_header_is_read(tmp_path: Path) -> None:
    """Negative control of the test above."""
    assert open_container(_file(tmp_path / "m", {"w": _ENTRY}, b"\0" * 16)).specs["w"].shape == (2, 2)


@pytest.mark.parametrize("length", [10 * 2**30, 101_000_000])
def test_a_huge_header_is_refused_without_reading_it(tmp_path: Path, length: int) -> None:
    """The file is really that long, but sparse."""
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", length))
        os.ftruncate(file.fileno(), 8 + length)
    with pytest.raises(CheckpointError, match=f"header would be {length} bytes long"):
        open_container(path)
    with pytest.raises(CheckpointError):
        read_tensors(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such file"):
        open_container(tmp_path / "none")
