"""Tensors and headers that are healthy though rare, and such as are none: read, copied through, or named."""

import json
import os
import re
import struct
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fmq_theory.checkpoint import QuantizedFile, load, read_state, read_tensors, write_quantized
from fmq_theory.checkpoint.io.container import open_container
from fmq_theory.checkpoint.io.files import open_checkpoint
from fmq_theory.checkpoint.io.number_types import ITEM_BITS
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.errors import CheckpointError
from tests.corpus import pickles
from tests.corpus.tensors import same

WEIGHT = torch.arange(12.0).reshape(3, 4)
RECIPE = Recipe("w", Choice("uniform", 4, "channel"))


def _safetensors(path: Path, header: object, body: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


@pytest.mark.filterwarnings("ignore")  # of torch, about the tensors that are made here
@pytest.mark.parametrize("kind", pickles.ODD)
def test_a_tensor_that_is_no_row_of_numbers_is_named(tmp_path: Path, kind: str) -> None:
    make, told = pickles.ODD[kind]
    path = tmp_path / "m.pt"
    torch.save({"w": WEIGHT, "odd": make()}, path)
    found = read_tensors(path)
    assert [tensor.name for tensor in found.tensors] == ["w"]
    assert told in {tensor.name: tensor.reason for tensor in found.skipped}["odd"]
    with pytest.raises(CheckpointError, match=rf"tensor 'odd'.*{told}"):
        read_state(path)
    with pytest.raises(CheckpointError, match="'odd'"):
        write_quantized(path, tmp_path / "q.safetensors", [RECIPE])
    assert not (tmp_path / "q.safetensors").exists()


def test_negated_and_conjugated_tensors_have_their_numbers(tmp_path: Path) -> None:
    waves = torch.complex(WEIGHT, WEIGHT + 1)
    negated = (waves + 1).conj().imag  # a view with its negative bit set
    assert negated.is_neg()
    content = {"w": negated, "waves": waves.conj()}
    torch.save(content, tmp_path / "m.pt")
    found = read_state(tmp_path / "m.pt")
    assert all(torch.equal(found[name], tensor.resolve_neg()) for name, tensor in content.items())
    assert torch.equal(torch.from_numpy(read_tensors(tmp_path / "m.pt").tensors[0].array), -(WEIGHT + 1))


def test_seventy_dimensions_and_complex_numbers_are_copied_through(tmp_path: Path) -> None:
    content = {"w": WEIGHT, "deep": torch.ones([1] * 69 + [2]), "waves": torch.complex(WEIGHT, WEIGHT)}
    torch.save(content, tmp_path / "m.pt")
    assert same(read_state(tmp_path / "m.pt")["deep"], content["deep"])
    reasons = {tensor.name: tensor.reason for tensor in read_tensors(tmp_path / "m.pt").skipped}
    assert reasons == {"deep": "more than 64 dimensions", "waves": "complex numbers"}
    write_quantized(tmp_path / "m.pt", tmp_path / "q.safetensors", [RECIPE])
    found = load(tmp_path / "q.safetensors")
    assert all(same(found[name], content[name]) for name in ("deep", "waves"))


def test_views_of_one_storage_are_different_tensors(tmp_path: Path) -> None:
    base = torch.arange(32.0 * 64).reshape(32, 64)
    content = {
        "rows": base[:16],
        "columns": base[:, ::2],
        "turned": base[:16].T,
        "flat": base[:16].reshape(-1),
    }
    torch.save(content, tmp_path / "m.pt")
    with open_checkpoint(tmp_path / "m.pt") as stored:
        place = {tensor.keys[0]: tensor.storage for tensor in stored}
    assert place["rows"] != place["columns"]
    assert place["rows"] == place["turned"] == place["flat"]  # control: the same numbers in another order
    assert [tensor.name for tensor in read_tensors(tmp_path / "m.pt").tensors] == ["rows", "columns"]


def test_a_container_under_two_names_is_read_under_both(tmp_path: Path) -> None:
    part = {"w": WEIGHT}
    torch.save({"encoder": part, "decoder": part}, tmp_path / "m.pt")
    assert read_state(tmp_path / "m.pt").keys() == {"encoder.w", "decoder.w"}


def test_half_of_a_surrogate_pair_is_no_name(tmp_path: Path) -> None:
    torch.save({"a\ud800": WEIGHT}, tmp_path / "m.pt")
    entry = {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}
    _safetensors(tmp_path / "m.safetensors", {"a\ud800": entry}, b"\0" * 4)
    index = {"weight_map": {"a\ud800": "m.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in ("m.pt", "m.safetensors", "model.safetensors.index.json"):
        with pytest.raises(CheckpointError, match="surrogate"):
            read_state(tmp_path / name)
    whole = {"a\U0001f600": entry}  # control: a whole pair, written as two escapes
    _safetensors(tmp_path / "m.safetensors", whole, b"\0" * 4)
    assert read_state(tmp_path / "m.safetensors").keys() == whole.keys()


def test_names_that_no_file_system_holds(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        read_state(tmp_path / ("x" * 300 + ".pt"))
    index = {"weight_map": {"w": "x" * 300 + ".safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="missing"):
        read_state(tmp_path)


def test_the_table_of_types_is_the_library_s(tmp_path: Path) -> None:
    """It names its types where it is asked for another one."""
    header = {"w": {"dtype": "F99", "shape": [8], "data_offsets": [0, 8]}}
    path = _safetensors(tmp_path / "m.safetensors", header, b"\0" * 8)
    with pytest.raises(SafetensorError) as caught:
        safe_open(path, "pt").__enter__()
    known = set(re.findall(r"`(\w+)`", str(caught.value).split("expected one of")[1]))
    assert len(known) > 15
    assert known <= ITEM_BITS.keys()
    with pytest.raises(CheckpointError, match="unknown type 'F99'"):
        read_state(path)


@pytest.mark.parametrize("columns", [4, 16384])  # small tensors are kept together, others one by one
@pytest.mark.parametrize("dtype", sorted(ITEM_BITS))
def test_every_type_is_read_or_reported_and_copied_to_the_bit(
    tmp_path: Path, dtype: str, columns: int
) -> None:
    size = 2 * columns * ITEM_BITS[dtype] // 8
    body = bytes(i % 2 for i in range(size))
    header = {
        "__metadata__": None,
        "odd": {"dtype": dtype, "shape": [2, columns], "data_offsets": [0, size]},
        "w": {"dtype": "F32", "shape": [3, 4], "data_offsets": [size, size + 48]},
    }
    path = _safetensors(tmp_path / "m.safetensors", header, body + WEIGHT.numpy().tobytes())
    with open_checkpoint(path) as stored:
        assert {tensor.keys[0]: tensor.num_bytes for tensor in stored} == {"odd": size, "w": 48}
    assert "w" in {tensor.name for tensor in read_tensors(path).tensors}
    out = tmp_path / "q.safetensors"
    write_quantized(path, out, [RECIPE])
    try:
        with safe_open(path, "pt") as file:
            theirs = file.get_tensor("odd")
    except SafetensorError:  # the library reads its header and has no torch type for it
        with pytest.raises(CheckpointError, match=rf"'odd'.*{dtype}"):
            read_state(path)
    else:
        assert same(read_state(path)["odd"], theirs)
        with QuantizedFile(out) as packed:
            assert same(packed.dequantize("odd"), theirs)
    if columns > 4:
        copied = open_container(out)
        assert copied.bytes_of("odd").tobytes() == body
        assert (copied.specs["odd"].dtype, copied.specs["odd"].shape) == (dtype, (2, columns))


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "header",
    [
        {"w": ENTRY, "v": ENTRY},
        {"w": ENTRY | {"data_offsets": [4, 12]}},
        b'{"w":%s,"w":%s}' % ((json.dumps(ENTRY).encode(),) * 2),
        b'{"w":{"dtype":"F32","shape":[%s],"data_offsets":[0,8]}}' % (b"1" * 5000),
        b'{"w":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}',
        b'{"w":{"dtype":"F32","shape":[1e999],"data_offsets":[0,8]}}',
        {"w": ENTRY | {"shape": [2] + [1] * 100_000}},
        {"w": ENTRY | {"shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}},
        b'{"w":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        {"w": ENTRY, "__metadata__": {"a": None}},
        {"w": ENTRY | {"dtype": "F4", "shape": [3], "data_offsets": [0, 1]}},
    ],
    ids=range(11),
)
def test_headers_that_lie(tmp_path: Path, header: object) -> None:
    path = _safetensors(tmp_path / "m.safetensors", header, b"\0" * 8)
    with pytest.raises(CheckpointError, match=r"m\.safetensors"):
        read_state(path)


@pytest.mark.parametrize(
    "text",
    [
        '{"weight_map": {"w": "m.safetensors", "w": "n.safetensors"}}',
        '{"weight_map": {"w": %s}}' % ("1" * 5000),
        '{"weight_map": {"w": NaN}}',
        '{"weight_map": ' + "{" * 100_000,
        '{"weight_map": {"w": ["m.safetensors"]}}',
    ],
)
def test_indices_that_lie(tmp_path: Path, text: str) -> None:
    save_file({"w": WEIGHT}, tmp_path / "m.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError):
        read_state(tmp_path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    content = {"a": WEIGHT.clone(), "b": torch.ones(1000, 1000)}

    def write() -> None:
        torch.save(content, path) if suffix == ".pt" else save_file(content, path)

    write()
    with open_checkpoint(path) as stored:  # control: nothing happens, and another file takes its name
        stored[-1].load()
        stored.verify_unchanged()
        (tmp_path / "new").write_bytes(b"x")
        (tmp_path / "new").replace(path)
    write()
    opened = open_checkpoint(path)
    opened.__enter__()
    with path.open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"abcd")
    with pytest.raises(CheckpointError, match="changed while it was read"):
        opened.__exit__(None, None, None)
    write()
    opened = open_checkpoint(path)
    stored = opened.__enter__()
    os.truncate(path, 2000)
    with pytest.raises(CheckpointError, match="changed while it was read"):
        [tensor.load() for tensor in stored]
    write()
    with pytest.raises(CheckpointError, match="changed while it was read"):
        opened.__exit__(None, None, None)


def test_quantizing_a_file_that_changes_writes_nothing(tmp_path: Path) -> None:
    """Old and new weights in one file would be a model that never was."""
    path, out = tmp_path / "m.safetensors", tmp_path / "q.safetensors"
    content = {f"w{i}": torch.randn(16, 16, generator=torch.Generator().manual_seed(i)) for i in range(4)}
    plan = [Recipe(name, Choice("uniform", 4, "channel")) for name in content]
    save_file(content, path)
    new = {name: tensor * 100 for name, tensor in content.items()}

    def overwrite(_share: float, what: str) -> None:
        if what.startswith("w2"):
            save_file(new, tmp_path / "new")
            path.write_bytes((tmp_path / "new").read_bytes())

    with pytest.raises(CheckpointError, match="changed while it was read"):
        write_quantized(path, out, plan, progress=overwrite)
    assert not out.exists()
    write_quantized(path, out, plan)  # control
    assert load(out).keys() == content.keys()
