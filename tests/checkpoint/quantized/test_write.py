"""Writing a quantized checkpoint and loading it back: to the bit, as small as it says, whole or not."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from fmq_theory.checkpoint import QuantizedFile, load, read_state, read_tensors, write_quantized
from fmq_theory.checkpoint.io.packed.table import PACKED
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe, nonfinite_names, recipes_for
from fmq_theory.errors import CheckpointError, FmqError, OutputError, WeightsError
from fmq_theory.quantizers import quantize
from fmq_theory.quantizers.block_scaled import quantize_blocks
from tests.checkpoint.quantized.mixed_checkpoint import mixed_checkpoint, mixed_state, recipe
from tests.checkpoint.quantized.mixed_checkpoint import written as write
from tests.corpus.tensors import same


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return mixed_checkpoint(tmp_path)


# --- what comes back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["small.safetensors", "small"])
def test_quantized_tensors_as_dequantized_and_all_others_to_the_bit(tmp_path, checkpoint, out: str) -> None:
    names = ("conv.weight", "half.weight", "double.weight")
    written = write(checkpoint, tmp_path / out, *(recipe(name) for name in names))
    found, state = load(tmp_path / out), mixed_state()
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        wanted = tensor
        if name in names:
            wanted = torch.from_numpy(np.array(quantize(tensor, bits=4).dequantize())).to(tensor.dtype)
            assert not same(found[name], tensor)
        assert same(found[name], wanted), name
    assert written.path.stat().st_size == written.num_bytes
    assert {t.name: t.reason for t in written.kept}["conv.bias"] == "fewer than 2 dimensions"
    assert not list(tmp_path.glob(".*"))  # nothing is left over
    assert read_state(tmp_path / out).keys() == state.keys()  # every reader reads it
    assert {t.name for t in read_tensors(tmp_path / out).tensors} >= set(names)


def test_the_file_is_safetensors_with_one_table(tmp_path: Path, checkpoint: Path) -> None:
    write(checkpoint, tmp_path / "small", recipe(bits=3))
    tensors = load_file(tmp_path / "small" / "model.safetensors")
    state = mixed_state()
    assert tensors.keys() == {PACKED, "double.weight"}  # the small ones would take more for their entries
    assert all(same(tensor, state[name]) for name, tensor in tensors.items() if name != PACKED)
    config = json.loads((tmp_path / "small" / "config.json").read_text())["quantization_config"]
    with QuantizedFile(tmp_path / "small") as file:
        assert file.config == config
        packed = file.packed("conv.weight")
    assert packed.codes.shape == (8, 16 * 9 * 3 // 8)
    assert packed.codebook.shape == (8, 8)
    assert config["quant_method"] == "fmq"
    assert (config["scheme"], config["bits"], config["strategy"]) == ("lloyd_max", 3, "channel")
    assert config["modules_to_not_convert"] == ["double", "e8", "half"]
    entry = config["tensors"]["conv.weight"]
    assert entry["shape"] == [8, 16, 3, 3]
    assert (entry["dtype"], entry["axis"], entry["group_size"]) == ("F32", 0, None)
    assert entry["effective_bits"] == pytest.approx(packed.num_bytes * 8 / 1152)
    assert entry["mse"] == quantize(mixed_state()["conv.weight"], bits=3).mse
    write(checkpoint, tmp_path / "mixed", recipe(bits=3), recipe("half.weight", "uniform", 5))
    with QuantizedFile(tmp_path / "mixed") as file:
        assert (file.config["scheme"], file.config["bits"], file.config["strategy"]) == (
            None,
            None,
            "channel",
        )


@settings(max_examples=30)
@given(
    bits=st.integers(1, 8),
    shape=st.lists(st.integers(1, 13), min_size=1, max_size=3),
    scheme=st.sampled_from(["lloyd_max", "uniform", "log2", "equal_mass"]),
    seed=st.integers(0, 2**32),
)
def test_any_bits_and_any_lengths_through_the_file(tmp_path_factory, bits, shape, scheme, seed) -> None:
    folder = tmp_path_factory.mktemp("p")
    weights = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    save_file({"w": weights}, folder / "in.safetensors")
    write(folder / "in.safetensors", folder / "out.safetensors", recipe("w", scheme, bits))
    found = quantize(weights, scheme, bits)
    with QuantizedFile(folder / "out.safetensors") as file:
        assert np.array_equal(file.codes("w"), found.codes)
        assert np.array_equal(file.dequantize("w").numpy(), found.dequantize())


@pytest.mark.deep
@pytest.mark.parametrize(
    ("scheme", "granularity", "group_size", "bits"),
    [
        ("lloyd_max", "channel", None, 4),
        ("lloyd_max", "tensor", None, 3),
        ("uniform", "channel", None, 4),
        ("uniform_clipped", "group", 64, 4),
        ("nf4", "group", 64, 4),
        ("log2", "channel", None, 5),
        ("block:lloyd_max", "group", 64, 4),
        ("block:lloyd_max:float8_e4m3", "group", 32, 3),
    ],
)
def test_the_file_is_as_small_as_effective_bits_say(tmp_path, scheme, granularity, group_size, bits) -> None:
    weights = torch.randn(256, 1024, generator=torch.Generator().manual_seed(0))
    save_file({"w": weights}, tmp_path / "in.safetensors")
    recipe = Recipe("w", Choice(scheme, bits, granularity, group_size))
    written = write(tmp_path / "in.safetensors", tmp_path / "out.safetensors", recipe)
    if scheme.startswith("block:"):
        wanted = quantize_blocks(weights, scheme, bits, group_size=group_size)
    else:
        wanted = quantize(weights, scheme, bits, granularity, group_size=group_size)
    size = (tmp_path / "out.safetensors").stat().st_size
    assert size * 8 == pytest.approx(written.config["effective_bits"] * weights.numel(), rel=1e-12)
    entry = written.config["tensors"]["w"]["effective_bits"]
    assert entry == pytest.approx(wanted.effective_bits, rel=0.001)
    # The header and the table, which no quantizer can know of: some 450 bytes.
    assert 0 < size - entry * weights.numel() / 8 < 500
    assert load(tmp_path / "out.safetensors")["w"].numpy() == pytest.approx(wanted.dequantize(), abs=1e-6)


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_type_of_the_codebooks(tmp_path: Path, checkpoint: Path, kind: str) -> None:
    written = write(checkpoint, tmp_path / "out", recipe(), codebook_type=kind)
    found, weights = load(tmp_path / "out")["conv.weight"], mixed_state()["conv.weight"]
    with QuantizedFile(tmp_path / "out") as file:
        assert str(file.packed("conv.weight").codebook.dtype) == kind
    measured = float(((found - weights).double() ** 2).mean())
    assert written.config["mse"] == pytest.approx(measured, rel=1e-6)


def test_tied_tensors_stay_one(tmp_path: Path) -> None:
    base = torch.randn(20, 30, generator=torch.Generator().manual_seed(1))
    small = torch.randn(7)
    state = {"a": base, "b": base, "c": base.t(), "d": base[:, :], "x": small, "y": small, "z": base[:10]}
    torch.save({"state_dict": state}, tmp_path / "m.pt")
    written = write(tmp_path / "m.pt", tmp_path / "out", recipe("a"))
    found = load(tmp_path / "out")
    assert found.keys() == state.keys()
    assert found["b"].data_ptr() == found["a"].data_ptr()
    assert torch.equal(found["c"], found["a"].t())
    assert torch.equal(found["x"], small)
    assert torch.equal(found["y"], small)
    assert torch.equal(found["z"], base[:10])  # a part of another is not tied to it
    assert written.config["tied"]["c"] == {"of": "a", "axes": [1, 0]}
    assert read_state(tmp_path / "out").keys() == state.keys()


def test_the_same_numbers_in_another_shape_are_kept_apart(tmp_path: Path) -> None:
    base = torch.randn(20, 30)
    torch.save({"a": base, "b": base.view(30, 20)}, tmp_path / "m.pt")
    write(tmp_path / "m.pt", tmp_path / "out", recipe("a"))
    assert torch.equal(load(tmp_path / "out")["b"], base.view(30, 20))


def test_what_is_not_the_model_is_left_out_and_said(tmp_path: Path) -> None:
    state = {"model": {"w": torch.randn(9, 99)}, "optimizer": {"m": torch.randn(9, 99)}}
    torch.save(state, tmp_path / "m.ckpt")
    written = write(tmp_path / "m.ckpt", tmp_path / "out", recipe("w"))
    assert list(load(tmp_path / "out")) == ["w"]
    assert [(t.name, t.reason) for t in written.left_out] == [("optimizer.m", "state of the optimizer")]


def test_every_published_checkpoint(tmp_path: Path, shared_checkpoints: Path) -> None:
    for path in sorted(shared_checkpoints.glob("*.p*t*")):
        recipes, kept = recipes_for(path, recipe("", "nf4").choice)
        out = tmp_path / f"{path.stem}.safetensors"
        written = write_quantized(path, out, recipes, kept=kept)
        found, state = load(out), read_state(path)
        assert found.keys() == state.keys()
        assert {t.name for t in written.kept} | {r.name for r in recipes} == state.keys()
        assert all(t.reason for t in written.kept)
        for planned in recipes:
            wanted = quantize(state[planned.name], "nf4").dequantize()
            assert np.array_equal(found[planned.name].numpy(), wanted)
        for tensor in written.kept:
            assert same(found[tensor.name], state[tensor.name])
        with QuantizedFile(out) as file:
            stored = sum(file.packed(name).num_bytes for name in file.quantized)
        others = sum(state[t.name].nbytes for t in written.kept)
        assert written.num_bytes == out.stat().st_size
        head = 8 * (written.num_bytes - others - stored)
        weights = sum(state[planned.name].numel() for planned in recipes)
        assert written.config["effective_bits"] == (8 * stored + head) / weights
        assert head / 8 < 400 + 60 * len(recipes) + 120 * len(written.kept)


# --- what is refused -----------------------------------------------------------------------------------


def _refused(error: type[FmqError], match: str, tmp_path: Path, checkpoint: Path, *recipes: Recipe) -> None:
    with pytest.raises(error, match=match):
        write(checkpoint, tmp_path / "out", *recipes)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.safetensors"]


def test_plans_that_do_not_fit(tmp_path: Path, checkpoint: Path) -> None:
    def refused(error: type[FmqError], match: str, *recipes: Recipe) -> None:
        _refused(error, match, tmp_path, checkpoint, *recipes)

    refused(CheckpointError, "quantizes none")
    refused(CheckpointError, "'nobody' of the plan.*no such tensor", recipe("nobody"))
    refused(CheckpointError, "'ids' of the plan: integers", recipe("ids"))
    refused(CheckpointError, "'spectral' of the plan: complex", recipe("spectral"))
    refused(
        WeightsError,
        r"tensor 'conv\.weight': group_size = 64 .* does not divide the 144",
        recipe("half.weight"),
        recipe(granularity="group", group_size=64),
    )


def test_nan_is_named_with_counts_or_kept(tmp_path: Path) -> None:
    bad = torch.randn(6, 60)
    bad[2, :2], bad[3, 1] = float("nan"), float("-inf")
    path = tmp_path / "model.safetensors"
    save_file({"bad": bad, "good": torch.randn(6, 60)}, path)
    match = "tensor 'bad': 2 of its 360 numbers are nan and 1 are infinite"
    with pytest.raises(WeightsError, match=match):
        write(path, tmp_path / "out", recipe("bad"), recipe("good"))
    assert not (tmp_path / "out").exists()
    written = write(path, tmp_path / "out", recipe("bad"), recipe("good"), on_nonfinite="skip")
    assert [t.reason for t in written.kept] == ["2 of its 360 numbers are nan and 1 are infinite"]
    assert written.config["modules_to_not_convert"] == ["bad"]
    assert same(load(tmp_path / "out")["bad"], bad)
    with pytest.raises(CheckpointError, match="every tensor of the plan holds nan"):
        write(path, tmp_path / "none", recipe("bad"), on_nonfinite="skip")


def test_large_doubles_are_finite(tmp_path: Path) -> None:
    """A double may exceed float32 without being infinite."""
    state = {"w": 1e300 * torch.randn(4, 50, dtype=torch.float64), "v": torch.full((2, 2), float("inf"))}
    save_file(state, tmp_path / "m.safetensors")
    assert nonfinite_names(tmp_path / "m.safetensors", ["w", "v"]) == {"v"}


def test_a_quantized_checkpoint_is_not_quantized_again(tmp_path: Path, checkpoint: Path) -> None:
    write(checkpoint, tmp_path / "out", recipe())
    with pytest.raises(CheckpointError, match="quantized already"):
        write(tmp_path / "out", tmp_path / "again", recipe())


def test_names_that_collide(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    torch.save({"w": torch.randn(4, 50), PACKED: torch.zeros(3)}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="its name is that of the packed tensors"):
        write(tmp_path / "model.pt", tmp_path / "out", recipe("w"))
    save_file({"w": torch.randn(4, 50), "w.codes": torch.zeros(3)}, path)  # control
    write(path, tmp_path / "out", recipe("w"))
    assert load(tmp_path / "out").keys() == {"w", "w.codes"}


def test_tensors_that_safetensors_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    for value, match in (
        (torch.eye(3).to_sparse(), "'s'.*sparse"),
        (torch.ones(2, dtype=torch.complex128), "'s'.*complex128"),
    ):
        torch.save({"w": torch.randn(4, 50), "s": value}, path)
        with pytest.raises(CheckpointError, match=match):
            write(path, tmp_path / "out", recipe("w"))


def test_an_output_that_exists_stays(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "old.safetensors").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes").write_text("mine")
    for out in ("old.safetensors", "folder"):
        with pytest.raises(OutputError, match="overwrite=True"):
            write(checkpoint, tmp_path / out, recipe())
        write(checkpoint, tmp_path / out, recipe(), overwrite=True)
        assert len(load(tmp_path / out)) == len(mixed_state())
    assert (tmp_path / "folder" / "notes").read_text() == "mine"
    (tmp_path / "none").mkdir()
    write(checkpoint, tmp_path / "none", recipe())  # an empty folder is as good as none
    with pytest.raises(OutputError, match="folder does not exist"):
        write(checkpoint, tmp_path / "x" / "y", recipe())
    (tmp_path / "plain").write_text("old")
    with pytest.raises(OutputError, match="it is a file"):
        write(checkpoint, tmp_path / "plain", recipe(), overwrite=True)


@pytest.mark.deep
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands in for it; the finished tensors stay for a run that resumes.

    A first run compiles the kernels, which are kept in files too.
    """
    g = torch.Generator().manual_seed(0)
    path = tmp_path / "model.safetensors"
    save_file({f"w{i}": torch.randn(64, 2000, generator=g) for i in range(4)}, path)
    (tmp_path / "out.safetensors").write_text("old")
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from fmq_theory.checkpoint import write_quantized\n"
        "from fmq_theory.checkpoint.quantized.choice import Choice\n"
        "from fmq_theory.checkpoint.quantized.recipe import Recipe\n"
        "plan = [Recipe(f'w{i}', Choice('uniform', 4, 'tensor')) for i in range(4)]\n"
        "write_quantized(sys.argv[1], sys.argv[1] + '-warm.safetensors', plan)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "write_quantized(sys.argv[1], sys.argv[2], plan, overwrite=True)\n"
    )
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "out.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "OutputError" in done.stderr
    assert "4 finished tensors are kept for resume=True" in done.stderr
    assert (tmp_path / "out.safetensors").read_text() == "old"
    plan = [recipe(f"w{i}", "uniform", granularity="tensor") for i in range(4)]
    written = write(path, tmp_path / "out.safetensors", *plan, overwrite=True, resume=True)
    assert written.reused == 4
    assert len(load(tmp_path / "out.safetensors")) == 4
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000


def test_a_tensor_with_two_choices_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    twice = [recipe("conv.weight", bits=4), recipe("conv.weight", bits=2)]
    with pytest.raises(CheckpointError, match=r"'conv\.weight': it says both .*4 bits.* and .*2 bits"):
        write(checkpoint, tmp_path / "out.safetensors", *twice)
    assert not (tmp_path / "out.safetensors").exists()
    write(checkpoint, tmp_path / "out.safetensors", twice[0], twice[0])
