"""Reading a quantized checkpoint: lazily, into modules, and never from a damaged file."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from experiments.fuzz.packed import every_bit, read_in_every_way
from experiments.fuzz.trial import Tally, WrongAnswerError, attempt
from fmq_theory.checkpoint import (
    QuantizedFile,
    iter_tensors,
    load,
    load_into,
    read_state,
    write_quantized,
)
from fmq_theory.checkpoint.io.container import Spec, open_container, write_container
from fmq_theory.checkpoint.io.packed.table import PACKED
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.plain_file import FORMATS, dequantize_file, export_folder
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.errors import CheckpointError, FmqError, OutputError
from fmq_theory.quantizers import quantize
from tests.corpus.packed_files import (
    FORGERIES,
    KINDS,
    packed_file,
    table_of,
    with_metadata,
    with_table,
)


def _model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 64))


def _write(folder: Path, model: nn.Module | None = None) -> Path:
    save_file((model or _model()).state_dict(), folder / "in.safetensors")
    plan = [
        Recipe("0.weight", Choice("uniform", 5, "channel")),
        Recipe("3.weight", Choice("lloyd_max", 3, "tensor")),
    ]
    write_quantized(folder / "in.safetensors", folder / "q", plan)
    return folder / "q" / "model.safetensors"


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    return _write(tmp_path)


def test_one_tensor_at_a_time(quantized: Path) -> None:
    weights = _model().state_dict()
    with QuantizedFile(quantized) as file:
        assert set(file.names) == set(weights)
        assert file.quantized == ("0.weight", "3.weight")
        for name, tensor in weights.items():
            assert file.shape(name) == tuple(tensor.shape)
            assert file.dtype(name) == tensor.dtype
        found = quantize(weights["3.weight"], "lloyd_max", 3, "tensor")
        assert np.array_equal(file.codes("3.weight"), found.codes)
        assert np.array_equal(file.codebook("3.weight"), found.codebooks)
        assert np.array_equal(file.dequantize("3.weight").numpy(), found.dequantize())
        assert file.dequantize("1.num_batches_tracked").shape == ()
        packed = file.packed("3.weight")
        assert not packed.codes.flags.owndata  # a view into the map of the file
        assert not packed.codes.flags.writeable
        kept = file.dequantize("0.bias")
    assert torch.equal(kept, weights["0.bias"])
    with pytest.raises(CheckpointError, match="closed"):
        file.dequantize("0.bias")


def test_names_that_are_not_there(quantized: Path) -> None:
    with QuantizedFile(quantized) as file:
        for ask in (file.dequantize, file.shape, file.dtype, file.packed, file.codes, file.verify):
            with pytest.raises(CheckpointError, match="no tensor of that name"):
                ask("nobody")
        with pytest.raises(CheckpointError, match="not quantized"):
            file.codes("0.bias")


def test_a_plain_file_is_no_quantized_one(tmp_path: Path) -> None:
    save_file({"w": torch.ones(3, 3)}, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="no quantized checkpoint"):
        load(tmp_path / "m.safetensors")
    (tmp_path / "n.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError):
        load(tmp_path / "n.safetensors")
    with pytest.raises(CheckpointError):
        load(tmp_path / "none.safetensors")
    foreign = {"quantization_config": json.dumps({"quant_method": "gptq"})}
    save_file({"w": torch.ones(3, 3)}, tmp_path / "g.safetensors", foreign)
    with pytest.raises(CheckpointError, match="no quantized checkpoint"):
        load(tmp_path / "g.safetensors")
    assert len(list(iter_tensors(tmp_path / "g.safetensors"))) == 1  # and is still read as what it is


@pytest.mark.parametrize("kind", KINDS)
def test_tables_that_cannot_be(tmp_path: Path, kind: str) -> None:
    """Under a checksum that is right, as only someone who means it writes them."""
    path = packed_file(tmp_path, kind)
    right = load(path)
    for change in FORGERIES.values():
        with pytest.raises(CheckpointError):
            read_in_every_way(path, with_table(path, change).read_bytes(), right)
    read_in_every_way(path, with_table(path, lambda _: None).read_bytes(), right)  # control: nothing changed


METADATA = {
    "another version": {"version": 99},
    "no version": {"version": None},
    "version true": {"version": True},
    "a table of words": {"table": "long"},
    "a table without end": {"table": [10, 2**40]},
    "a table longer than all": {"table": [2**40, 10]},
    "a negative table": {"table": [-1, 10]},
    "another checksum": {"crc32": 1},
    "another method": {"quant_method": "gptq"},
    "more": {"tensors": {}},
}


@pytest.mark.parametrize("fault", METADATA)
def test_metadata_that_cannot_be(quantized: Path, fault: str) -> None:
    said = table_of(quantized)[1]
    changed = with_metadata(quantized, quantization_config=said | METADATA[fault])
    for read in (load, lambda p: list(iter_tensors(p))):
        with pytest.raises(CheckpointError):
            read(changed)
    again = load(with_metadata(quantized, quantization_config=said))  # control
    assert all(torch.equal(again[name], tensor) for name, tensor in load(quantized).items())


@pytest.mark.parametrize("text", ["{", "[" * 10**5, '{"quant_method": "fmq"', "9" * 6000, "[]", None])
def test_packed_codes_are_never_taken_for_weights(quantized: Path, text: str | None) -> None:
    changed = with_metadata(quantized, quantization_config=text)
    for read in (load, read_state, lambda p: list(iter_tensors(p))):
        with pytest.raises(CheckpointError, match=r"no JSON|packed tensors"):
            read(changed)


def test_a_kept_tensor_is_guarded_with_its_name_type_and_shape(tmp_path: Path) -> None:
    path = packed_file(tmp_path, "levels by channel")
    found = open_container(path)

    def renamed(**changes: tuple[str, str, tuple[int, ...]]) -> Path:
        named = {n: changes.get(n.replace(".", "_"), (n, s.dtype, s.shape)) for n, s in found.specs.items()}
        old = {new[0]: name for name, new in named.items()}
        specs = [Spec(*new) for new in named.values()]
        other = path.with_name("other.safetensors")
        write_container(other, specs, found.metadata, lambda name: [found.bytes_of(old[name])])
        return other

    assert load(renamed()).keys() == load(path).keys()  # control
    for changes in (
        {"large": ("larg", "I32", (1025,))},
        {"large": ("large", "F32", (1025,))},
        {"large": ("large", "I32", (1025, 1))},
        {"large": ("large", "I32", (5, 205))},
    ):
        with pytest.raises(CheckpointError, match="not those that were written"):
            load(renamed(**changes))


def _last_code(path: Path) -> int:
    """Where in the file the codes of the last quantized tensor end; small tensors that were kept follow."""
    table = table_of(path)[0]["small"]
    shapes = table["shape"] * (1 if len(table["shape"]) == len(table["names"]) else len(table["names"]))
    types = table["dtype"] * (1 if len(table["dtype"]) == len(table["names"]) else len(table["names"]))
    small = [Spec("", *pair).num_bytes for pair in zip(types, shapes, strict=True)]
    return path.stat().st_size - sum(small) - 1


@pytest.mark.parametrize("read", ["packed", "codes", "codebook", "dequantize", "verify"])
def test_no_number_is_given_unverified(quantized: Path, read: str) -> None:
    content = bytearray(quantized.read_bytes())
    content[_last_code(quantized)] ^= 4
    quantized.write_bytes(content)
    with QuantizedFile(quantized) as file:
        getattr(file, read)("0.weight")  # control: the other is whole
        with pytest.raises(CheckpointError, match=r"'3\.weight'"):
            getattr(file, read)("3.weight")
        with pytest.raises(CheckpointError, match=r"'3\.weight'"):
            file.verify()
        assert file.packed("3.weight", verify=False).bits == 3  # who asks for it may


def test_a_module_is_filled_with_all_or_with_nothing(quantized: Path) -> None:
    content = bytearray(quantized.read_bytes())
    content[_last_code(quantized)] ^= 4
    quantized.write_bytes(content)
    module = _model(1)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(CheckpointError, match="not those that were written"):
        load_into(module, quantized)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_damage_in_header_and_data_gives_an_error_or_the_right_weights(tmp_path: Path, kind: str) -> None:
    found = _tally(tmp_path, kind, every=40)
    assert found.failures == []
    assert found.refused > 50


@pytest.mark.deep
@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_gives_an_error_or_the_right_weights(tmp_path: Path, kind: str) -> None:
    found = _tally(tmp_path, kind, every=1)
    assert found.failures == []
    assert found.inputs > 3_000
    assert found.right < 0.02 * found.inputs  # the word "pt" of the metadata, say


def _tally(folder: Path, kind: str, every: int) -> Tally:
    tally = Tally()
    for trial in every_bit(packed_file(folder, kind), np.random.default_rng(0), every):
        attempt(trial, tally)
    return tally


def test_control_damage_is_seen(tmp_path: Path) -> None:
    """Other weights than those that are expected are called wrong, whether they lack a tensor or a bit."""
    path = packed_file(tmp_path, "ends of a tensor")
    content, right = path.read_bytes(), load(path)
    read_in_every_way(path, content, right)
    bias = right["a.bias"].clone()
    bias[0] = torch.nextafter(bias[0], bias[0] + 1.0)
    for wanted in (right | {"a.bias": bias}, {n: t for n, t in right.items() if n != "steps"}):
        with pytest.raises(WrongAnswerError):
            read_in_every_way(path, content, wanted)


@given(data=st.data())
def test_every_flipped_bit_of_the_numbers_is_found_out_and_the_tensor_named(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.mktemp("flip")
    path = _write(folder)
    content = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    at = data.draw(st.integers(start, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    found = open_container(path)
    hit = next(n for n, s in found.specs.items() if 0 <= at - start - found.starts[n] < s.num_bytes)
    hit = ".*" if hit == PACKED else hit
    match = f"the bytes of '{hit}' are not those that were written|its table is not"
    with pytest.raises(CheckpointError, match=match):
        load(path)


@given(data=st.data())
def test_a_damaged_header_never_surfaces_as_another_error(tmp_path_factory, data) -> None:
    path = _write(tmp_path_factory.mktemp("flip"))
    content = bytearray(path.read_bytes())
    size = 8 + int.from_bytes(content[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, size - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    for read in (load, lambda p: list(iter_tensors(p))):
        try:
            read(path)
        except FmqError as error:
            assert str(error)


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, -1])
def test_truncated(quantized: Path, keep: float) -> None:
    content = quantized.read_bytes()
    quantized.write_bytes(content[: int(keep * len(content)) if 0 < keep < 1 else int(keep)])
    with pytest.raises(CheckpointError):
        load(quantized)


# --- for other tools -----------------------------------------------------------------------------------


def test_dequantize_file_holds_what_load_gives(tmp_path: Path, quantized: Path) -> None:
    size = dequantize_file(quantized, tmp_path / "plain.safetensors")
    assert size == (tmp_path / "plain.safetensors").stat().st_size
    from safetensors.torch import load_file

    plain, state = load_file(tmp_path / "plain.safetensors"), load(quantized)
    assert plain.keys() == state.keys()
    assert all(torch.equal(plain[name], tensor) for name, tensor in state.items())
    with pytest.raises(OutputError, match="overwrite=True"):
        dequantize_file(quantized, tmp_path / "plain.safetensors")
    with pytest.raises(OutputError, match=r"\.safetensors"):
        dequantize_file(quantized, tmp_path / "plain")


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_export_copies_the_packed_tensors_and_says_how_to_read_them(tmp_path, quantized, kind: str) -> None:
    file = export_folder(quantized, tmp_path / "out", kind, {"_class_name": "UNet2DModel"})
    assert file == tmp_path / "out" / FORMATS[kind]
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["_class_name"] == "UNet2DModel"
    assert config["quantization_config"]["quant_method"] == "fmq"
    state, again = load(quantized), load(tmp_path / "out")
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())
    with pytest.raises(OutputError, match="name a folder"):
        export_folder(quantized, tmp_path / "x.safetensors")


def test_a_damaged_file_is_not_exported(tmp_path: Path, quantized: Path) -> None:
    content = bytearray(quantized.read_bytes())
    content[-1] ^= 1
    quantized.write_bytes(content)
    with pytest.raises(CheckpointError, match="not those that were written"):
        export_folder(quantized, tmp_path / "out")
    assert not (tmp_path / "out").exists()
