"""What is selected, from files made here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import iter_tensors, read_tensors
from fmq_theory.errors import CheckpointError, WeightsError


def _names(path: Path, **options) -> list[str]:
    return [tensor.name for tensor in read_tensors(path, **options).tensors]


def _reasons(path: Path) -> dict[str, str]:
    return {tensor.name: tensor.reason for tensor in read_tensors(path).skipped}


def _save(path: Path, content: object, **options) -> Path:
    torch.save(content, path, **options)
    return path


WEIGHT = torch.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin", ".PT"])
@pytest.mark.parametrize("zip_format", [True, False])
def test_pickle_suffixes_and_both_formats(tmp_path: Path, suffix: str, zip_format: bool) -> None:
    path = _save(tmp_path / f"m{suffix}", {"w": WEIGHT}, _use_new_zipfile_serialization=zip_format)
    (tensor,) = read_tensors(path).tensors
    assert tensor.name == "w"
    np.testing.assert_array_equal(tensor.array, WEIGHT.numpy())


def test_text_path_and_one_bare_tensor(tmp_path: Path) -> None:
    assert _names(Path(str(_save(tmp_path / "m.pt", WEIGHT)))) == ["weights"]
    assert read_tensors(str(tmp_path / "m.pt")).path == tmp_path / "m.pt"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"model": {"w": WEIGHT}}, ["w"]),
        ({"state_dict": {"w": WEIGHT}, "epoch": 3}, ["w"]),
        ({"model_state_dict": {"w": WEIGHT}, "stats": WEIGHT + 1}, ["w"]),
        ({"checkpoint": {"model": {"w": WEIGHT}}}, ["checkpoint.w"]),
        ({"model": {"state_dict": {"a.w": WEIGHT}}}, ["a.w"]),
        ({"g": {"state_dict": {"w": WEIGHT}}, "d": {"state_dict": {"w": WEIGHT + 1}}}, ["g.w", "d.w"]),
        ({"encoder": {"w": WEIGHT}, "decoder": {"w": WEIGHT + 1}}, ["encoder.w", "decoder.w"]),
        ({"model": WEIGHT}, ["model"]),  # a tensor of that name, no container
        ({"model.w": WEIGHT, "optimizer": {"state": {0: {"exp_avg": WEIGHT + 1}}}}, ["model.w"]),
        ([WEIGHT, (WEIGHT + 1,)], ["0", "1.0"]),
        ({"w": torch.nn.Parameter(WEIGHT)}, ["w"]),
    ],
)
def test_containers(tmp_path: Path, content: object, expected: list[str]) -> None:
    assert _names(_save(tmp_path / "m.pt", content)) == expected


def test_running_averages_only_by_name(tmp_path: Path) -> None:
    path = _save(
        tmp_path / "m.pt",
        {"model": {"w": WEIGHT}, "ema": {"shadow_params": [WEIGHT + 1]}, "model_ema.w": WEIGHT + 2},
    )
    assert _names(path) == ["w"]
    assert "EMA" in _reasons(path)["ema.shadow_params.0"]
    assert "EMA" in _reasons(path)["model_ema.w"]
    (average,) = read_tensors(path, names=["ema.shadow_params.0"]).tensors
    np.testing.assert_array_equal(average.array, WEIGHT.numpy() + 1)


def test_a_file_of_averages_alone_says_so(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.pt", {"shadow_params": [WEIGHT]})
    with pytest.raises(CheckpointError, match="EMA"):
        read_tensors(path)


def test_tensors_stored_twice_count_once(tmp_path: Path) -> None:
    flat = torch.arange(24.0)
    content = {
        "embed": WEIGHT,
        "head": WEIGHT,  # tied
        "turned": WEIGHT.T,  # another view of the same numbers
        "first": flat[:12].reshape(3, 4),  # slices of one storage are different numbers
        "second": flat[12:].reshape(3, 4),
        "equal": WEIGHT.clone(),  # equal by chance, its own storage
    }
    path = _save(tmp_path / "m.pt", content)
    assert _names(path) == ["embed", "first", "second", "equal"]
    assert _reasons(path) == {"head": "same storage as 'embed'", "turned": "same storage as 'embed'"}


def test_the_same_name_in_two_containers_counts_once(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.pt", {"model": {"w": WEIGHT}, "state_dict": {"w": WEIGHT + 1}})
    (tensor,) = read_tensors(path).tensors
    np.testing.assert_array_equal(tensor.array, WEIGHT.numpy())
    assert "stored twice" in _reasons(path)["state_dict.w"]
    (other,) = read_tensors(path, names=["state_dict.w"]).tensors
    np.testing.assert_array_equal(other.array, WEIGHT.numpy() + 1)


def test_what_cannot_be_quantized_is_listed_with_the_reason(tmp_path: Path) -> None:
    content = {
        "w": WEIGHT,
        "complex": torch.ones(2, 2, dtype=torch.complex64),
        "integer": torch.ones(2, 2, dtype=torch.int32),
        "flag": torch.ones(2, 2, dtype=torch.bool),
        "empty": torch.ones(0, 4),
        "bias": torch.ones(4),
        "step": torch.tensor(3.0),
        "sparse": torch.eye(3).to_sparse(),
    }
    path = _save(tmp_path / "m.pt", content)
    assert _names(path) == ["w"]
    assert _reasons(path) == {
        "complex": "complex numbers",
        "integer": "integers",
        "flag": "booleans",
        "empty": "empty",
        "bias": "fewer than 2 dimensions",
        "step": "a single number",
        "sparse": "sparse or already quantized",
    }
    assert _names(path, min_ndim=1) == ["w", "bias"]
    assert _names(path, names=["bias"]) == ["bias"]  # a name overrides the dimensions
    for name in ("complex", "integer", "flag", "empty", "step", "sparse"):
        with pytest.raises(CheckpointError, match="cannot be quantized"):
            read_tensors(path, names=[name])


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.float32, torch.float64, torch.bfloat16, torch.float8_e5m2]
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_floating_types_arrive_without_rounding(tmp_path: Path, dtype: torch.dtype, suffix: str) -> None:
    weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    path = tmp_path / f"m{suffix}"
    if suffix == ".pt":
        torch.save({"w": weight}, path)
    else:
        save_file({"w": weight}, path)
    (tensor,) = read_tensors(path).tensors
    np.testing.assert_array_equal(tensor.array, weight.double().numpy())
    assert tensor.array.dtype == (
        weight.numpy().dtype if dtype.itemsize > 1 and dtype != torch.bfloat16 else "f4"
    )


def test_safetensors_skips_and_streams(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"b": WEIGHT, "a": WEIGHT.bfloat16(), "n": torch.ones(2, 2, dtype=torch.int64)}, path)
    found = read_tensors(path)
    assert {t.name for t in found.tensors} == {"a", "b"}
    assert [(t.name, t.shape, t.reason) for t in found.skipped] == [("n", (2, 2), "integers")]
    stream = iter_tensors(path)
    first = next(stream)
    stream.close()  # closing early must not leave the file open
    assert first.name == found.tensors[0].name
    path.unlink()
    np.testing.assert_array_equal(found.tensors[0].array.shape, (3, 4))


def test_names_select_in_the_order_asked_and_once(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.pt", {"model": {"a": WEIGHT, "b": WEIGHT + 1}})
    assert _names(path, names=["b", "a", "model.b"]) == ["b", "a"]


def test_an_unknown_name_lists_close_ones(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.pt", {"encoder.0.weight": WEIGHT, "decoder.weight": WEIGHT + 1})
    with pytest.raises(CheckpointError, match=r"did you mean 'encoder\.0\.weight'"):
        read_tensors(path, names=["encoder.0.wieght"])
    with pytest.raises(CheckpointError, match=r"did you mean 'decoder\.weight'"):
        read_tensors(path, names=["dec"])
    with pytest.raises(CheckpointError, match="its 2 tensors include"):
        read_tensors(path, names=["zzz"])


def test_numbers_that_are_not_finite_name_tensor_and_counts(tmp_path: Path) -> None:
    bad = WEIGHT.clone()
    bad[0, 0], bad[1, 1], bad[2, 2] = float("nan"), float("inf"), float("-inf")
    path = _save(tmp_path / "m.pt", {"good": WEIGHT, "layer.w": bad})
    with pytest.raises(WeightsError, match=r"'layer\.w': 1 of its 12 numbers are nan and 2 are infinite"):
        read_tensors(path)
    assert _names(path, names=["good"]) == ["good"]
    stream = iter_tensors(path)
    assert next(stream).name == "good"
    with pytest.raises(WeightsError):
        next(stream)


def test_a_deep_and_a_circular_container(tmp_path: Path) -> None:
    ring: dict[str, object] = {"w": WEIGHT}
    ring["again"] = ring
    assert _names(_save(tmp_path / "ring.pt", ring)) == ["w"]
    nested: dict[str, object] = {"w": WEIGHT}
    for _ in range(150):
        nested = {"k": nested}
    assert len(_names(_save(tmp_path / "deep.pt", nested))) == 1
