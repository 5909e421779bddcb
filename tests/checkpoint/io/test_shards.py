"""Checkpoints in several files, and folders that stand for the checkpoint in them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import iter_tensors, read_state, read_tensors
from fmq_theory.checkpoint.io.files import open_checkpoint
from fmq_theory.checkpoint.io.shards import find_checkpoint, shard_paths
from fmq_theory.errors import CheckpointError

TENSORS = {f"layer{i}.weight": torch.full((3, 4), float(i)) for i in range(5)}


def _shard(folder: Path, stem: str = "model") -> Path:
    """Two shards and an index."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(TENSORS)
    shards = {
        f"{stem}-00001-of-00002.safetensors": names[:2],
        f"{stem}-00002-of-00002.safetensors": names[2:],
    }
    for shard, part in shards.items():
        save_file({name: TENSORS[name] for name in part}, folder / shard)
    weight_map = {name: shard for shard, part in shards.items() for name in part}
    index = folder / f"{stem}.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return index


def _changed(index: Path, **changes: object) -> None:
    body = json.loads(index.read_text())
    body["weight_map"].update(changes)
    index.write_text(json.dumps(body))


@pytest.mark.parametrize("through", ["index", "folder"])
def test_shards_are_one_checkpoint(tmp_path: Path, through: str) -> None:
    index = _shard(tmp_path)
    found = read_tensors(index if through == "index" else tmp_path)
    assert {t.name for t in found.tensors} == set(TENSORS)
    assert all(np.array_equal(t.array, TENSORS[t.name].numpy()) for t in found.tensors)
    assert [t.name for t in iter_tensors(index)] == [t.name for t in found.tensors]
    assert read_state(index).keys() == TENSORS.keys()
    assert [path.name for path in shard_paths(index)] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]


@pytest.mark.parametrize("part", ["", "transformer", "unet"])
@pytest.mark.parametrize("sharded", [True, False])
def test_diffusers_folders(tmp_path: Path, part: str, sharded: bool) -> None:
    stem = "diffusion_pytorch_model"
    if sharded:
        _shard(tmp_path / part, stem)
    else:
        (tmp_path / part).mkdir(exist_ok=True)
        save_file(TENSORS, tmp_path / part / f"{stem}.safetensors")
    assert len(read_tensors(tmp_path).tensors) == len(TENSORS)


def test_a_file_is_itself_and_an_index_goes_before_a_single_file(tmp_path: Path) -> None:
    index = _shard(tmp_path)
    save_file({"other": torch.ones(2, 2)}, tmp_path / "model.safetensors")
    assert find_checkpoint(tmp_path) == index
    assert find_checkpoint(tmp_path / "model.safetensors") == tmp_path / "model.safetensors"


def test_a_folder_without_a_checkpoint_says_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"directory.*it is empty"):
        read_tensors(tmp_path)
    (tmp_path / "weights.safetensors").touch()
    with pytest.raises(CheckpointError, match=r"directory.*weights\.safetensors"):
        read_tensors(tmp_path)


@pytest.mark.parametrize(
    ("shard", "why"),
    [
        *(
            (name, "outside of its folder")
            for name in (
                "../secret.safetensors", "/etc/x.safetensors", "a/../../x.safetensors", "..\\x.safetensors",
                "C:\\x.safetensors", "..",
            )
        ),
        ("x.bin", "which is no .safetensors file"),
        ("x.safetensors\n", "which is no .safetensors file"),
        ("", "which is no .safetensors file"),
        ("x\0.safetensors", "a name that no file can have"),
        (3, "which is no name of a file"),
        (None, "which is no name of a file"),
    ],
)  # fmt: skip
def test_a_shard_that_cannot_be_followed_is_refused_by_its_reason_and_not_opened(
    tmp_path: Path, shard: object, why: str
) -> None:
    save_file({"layer0.weight": torch.ones(2, 2)}, tmp_path / "secret.safetensors")
    index = _shard(tmp_path / "model")
    _changed(index, **{"layer0.weight": shard})
    with pytest.raises(CheckpointError, match=r"puts 'layer0\.weight' into ") as caught:
        read_tensors(index)
    assert caught.value.cause.endswith(f"into {shard!r}, {why}")
    assert "\n" not in str(caught.value)


def test_control_a_shard_whose_name_holds_a_newline_is_read(tmp_path: Path) -> None:
    index = _shard(tmp_path / "model")
    save_file({"layer0.weight": torch.ones(2, 2)}, index.parent / "a\nb.safetensors")
    _changed(index, **{"layer0.weight": "a\nb.safetensors"})
    assert any(tensor.name == "layer0.weight" for tensor in read_tensors(index).tensors)


def test_a_shard_in_a_subfolder_and_a_linked_one_are_read(tmp_path: Path) -> None:
    """Negative control; caches of downloads are folders of links."""
    index = _shard(tmp_path / "model")
    save_file({"layer0.weight": torch.ones(2, 2)}, tmp_path / "blob")
    (tmp_path / "model" / "sub").mkdir()
    (tmp_path / "model" / "sub" / "x.safetensors").symlink_to(tmp_path / "blob")
    _changed(index, **{"layer0.weight": "sub/../sub/x.safetensors"})
    assert {t.name: t.array.sum() for t in read_tensors(index).tensors}["layer0.weight"] == 4.0


def test_missing_shards_are_named(tmp_path: Path) -> None:
    index = _shard(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"1 of its 2 shards are missing \(model-00002-of-00002"):
        read_tensors(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").touch()
    with pytest.raises(CheckpointError, match=r"model-00002-of-00002.*empty"):
        read_tensors(index)
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"\0" * 30)
    with pytest.raises(CheckpointError, match=r"model-00002-of-00002.*(truncated|corrupt)"):
        read_tensors(index)


def test_promised_tensors_that_are_absent_are_named(tmp_path: Path) -> None:
    index = _shard(tmp_path)
    _changed(index, ghost="model-00001-of-00002.safetensors")
    with pytest.raises(CheckpointError, match=r"1 of the 6 tensors.*ghost.*model-00001"):
        read_tensors(index)
    _changed(index, **{"layer4.weight": "model-00001-of-00002.safetensors"})
    with pytest.raises(CheckpointError, match=r"2 of the 6 tensors.*ghost, layer4\.weight"):
        read_tensors(index)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": []}', "[" * 10**5]
)
def test_an_index_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError):
        read_tensors(tmp_path)


def test_nothing_is_loaded_before_it_is_asked_for(tmp_path: Path) -> None:
    """A shard whose last tensor is damaged beyond its header still gives the others."""
    index = _shard(tmp_path)
    with open_checkpoint(index) as stored:
        assert len(stored) == 5
        assert torch.equal(stored[3].load(), TENSORS[".".join(stored[3].keys)])
