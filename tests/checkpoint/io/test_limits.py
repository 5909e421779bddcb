"""Small files that promise much: refused from what they declare, before memory is taken."""

import gc
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from fmq_theory.checkpoint import limits, read_state, read_tensors
from fmq_theory.checkpoint.io.packed.entropy_coding import compress_codes, decompress_codes, may_expand
from fmq_theory.errors import CheckpointError
from tests.corpus import pickles

MOST = (
    64 * 2**20
)  # bytes of Python objects that a refusal may take; the files promise thousands of times that


@pytest.mark.deep
@pytest.mark.parametrize("name", pickles.BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(pickles.BOMBS[name]())
    gc.collect()
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as caught:
            read_state(path)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
    assert "m.pt" in str(caught.value)


def test_the_remedy_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 numbers shown as 100 million: refused, and read where the caller raises the limit that is named."""
    path = tmp_path / "m.pt"
    torch.save({"w": torch.ones(1).expand(70, 1000, 1000)}, path)
    with pytest.raises(CheckpointError, match=r"limits\.EXPANSION"):
        read_state(path)
    with pytest.raises(CheckpointError, match=r"limits\.EXPANSION"):
        read_tensors(path)
    monkeypatch.setattr(limits, "EXPANSION", 10**6)
    with_more = read_tensors(path)
    assert with_more.tensors[0].array.shape == (70, 1000, 1000)


def test_a_healthy_share_of_zeros_and_views_is_read(tmp_path: Path) -> None:
    """Control: a mask that is expanded, zeros that are compressed a thousandfold, a table of many names."""
    table = torch.randn(30, 30, generator=torch.Generator().manual_seed(0))
    content = {f"tied{i}": table for i in range(30)}
    content |= {"mask": torch.ones(1).expand(512, 512), "zeros": torch.zeros(1000, 1000)}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with zipfile.ZipFile(buffer) as a, zipfile.ZipFile(tmp_path / "m.pt", "w", zipfile.ZIP_DEFLATED) as b:
        for name in a.namelist():
            b.writestr(name, a.read(name))
    found = read_state(tmp_path / "m.pt")
    assert all(torch.equal(found[name], tensor) for name, tensor in content.items())


def test_a_hundred_thousand_empty_tensors_take_steps_in_proportion(tmp_path: Path) -> None:
    """The number of operations, not the time: twice the tensors, twice the operations."""
    counts: list[int] = []
    for count in (200, 400):
        torch.save({f"w{i}": torch.zeros(0, 4) for i in range(count)}, tmp_path / "m.pt")
        counts.append(_calls(tmp_path / "m.pt"))
    assert counts[1] < 2.2 * counts[0]


def _calls(path: Path) -> int:
    import sys

    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        read_state(path)
    finally:
        sys.setprofile(None)
    return calls


def test_coded_codes_cannot_call_for_any_amount() -> None:
    codes = np.zeros((4, 1000), dtype=np.uint8)
    data = compress_codes(codes, 4)
    assert (decompress_codes(data, 4, 4, 1000, "tensor 'w'") == 0).all()
    assert may_expand(data, codes.size)
    rows = limits.FREE_BYTES // 1000 + 1
    assert not may_expand(data, rows * 1000)
    with pytest.raises(CheckpointError, match=r"tensor 'w'.*limits\.EXPANSION"):
        decompress_codes(data, 4, rows, 1000, "tensor 'w'")


def test_a_shard_index_is_not_read_beyond_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors.index.json"
    with path.open("wb") as file:
        file.truncate(limits.LONGEST_HEADER + 1)
    with pytest.raises(CheckpointError, match="LONGEST_HEADER"):
        read_state(tmp_path)


def test_a_safetensors_header_of_millions_of_entries_is_not_parsed(tmp_path: Path) -> None:
    text = b'{"a":[' + b"[]," * (3 * limits.MOST_TENSORS + 10) + b"[]]}"
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(CheckpointError, match="MOST_TENSORS"):
        read_state(tmp_path / "m.safetensors")
