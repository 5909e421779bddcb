"""Archives: whatever a tool made of a checkpoint gives the numbers that were saved, or is refused."""

import io
import warnings
from pathlib import Path

import pytest
import torch

from fmq_theory.checkpoint import read_state
from fmq_theory.errors import CheckpointError
from tests.corpus import zips
from tests.corpus.tensors import same

STATE = zips.state()
SAVED = zips.saved(STATE)
HEALTHY = list(zips.healthy(SAVED))
DAMAGED = list(zips.damaged(SAVED))


@pytest.mark.parametrize("variant", HEALTHY, ids=lambda variant: variant.name)
def test_every_archive_of_a_checkpoint_gives_its_numbers(tmp_path: Path, variant: zips.Variant) -> None:
    (tmp_path / "m.pt").write_bytes(variant.data)
    found = read_state(tmp_path / "m.pt")
    assert found.keys() == STATE.keys()
    assert all(same(found[name], tensor) for name, tensor in STATE.items())
    if variant.torch_reads:
        theirs = torch.load(io.BytesIO(variant.data), weights_only=True)
        assert all(same(found[name], tensor) for name, tensor in theirs.items())


@pytest.mark.parametrize(("name", "data"), DAMAGED, ids=[name for name, _ in DAMAGED])
def test_a_damaged_archive_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / "m.pt").write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        read_state(tmp_path / "m.pt")
    assert "m.pt" in str(caught.value)
    if name.startswith("encrypted"):
        assert "data/0'" in str(caught.value)


def test_what_is_told_of_the_two_that_others_pass_over(tmp_path: Path) -> None:
    told = dict(DAMAGED)
    for name, words in (("a name twice", "there twice"), ("two records in one place", "overlaps")):
        (tmp_path / "m.pt").write_bytes(told[name])
        with pytest.raises(CheckpointError, match=words):
            read_state(tmp_path / "m.pt")


def test_files_that_torch_wrote_without_checksums_are_read(tmp_path: Path) -> None:
    """An option of torch.save; it writes zeros. Nothing tells damage from numbers then."""
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(STATE, tmp_path / "m.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    found = read_state(tmp_path / "m.pt")
    assert all(same(found[name], tensor) for name, tensor in STATE.items())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_protocols_of_pickles(tmp_path: Path, protocol: int) -> None:
    """Those above 2 are not read by torch itself where it must not run code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({"state_dict": STATE, "epoch": 3}, tmp_path / "m.pt", pickle_protocol=protocol)
    found = read_state(tmp_path / "m.pt")
    assert all(same(found[name], tensor) for name, tensor in STATE.items())


def test_the_older_format(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    found = read_state(tmp_path / "m.pt")
    assert all(same(found[name], tensor) for name, tensor in STATE.items())


def test_numbers_of_the_other_order_of_bytes(tmp_path: Path) -> None:
    """As a machine of that order writes them; torch turns them round, and so do we."""
    widths = {f"archive/data/{i}": t.element_size() for i, t in enumerate(_storages())}

    def turned(name: str, content: bytes) -> bytes:
        if name.endswith("byteorder"):
            return b"big"
        width = widths.get(name, 1)
        return b"".join(content[i : i + width][::-1] for i in range(0, len(content), width))

    (tmp_path / "m.pt").write_bytes(zips.repacked(zips.saved(_storages()), change=turned))
    theirs = torch.load(tmp_path / "m.pt", weights_only=True)
    found = read_state(tmp_path / "m.pt")
    assert all(same(found[str(i)], tensor) for i, tensor in enumerate(theirs))
    assert all(same(found[str(i)], tensor) for i, tensor in enumerate(_storages()))


def _storages() -> list[torch.Tensor]:
    return [torch.arange(6.0), torch.arange(5, dtype=torch.float64), torch.arange(3, dtype=torch.int16)]
