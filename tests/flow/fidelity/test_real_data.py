"""Real data from files and functions, and what is said of those that do not fit."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fmq_theory.errors import FlowError
from fmq_theory.flow.fidelity import RealData, read_real_data

BYTES = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
GREY = (1, 4, 4)


def of_rows() -> tuple[Tensor, Tensor]:
    return torch.tensor([[-3.0], [5.0]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def of_words() -> str:
    return "no tensor"


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    np.save(tmp_path / "a.npy", BYTES)
    np.savez(tmp_path / "a.npz", BYTES)
    (tmp_path / "a-images-idx3-ubyte").write_bytes(_idx(BYTES))
    (tmp_path / "a-images-idx3-ubyte.gz").write_bytes(gzip.compress(_idx(BYTES)))
    np.save(tmp_path / "share.npy", BYTES.astype(np.float64) / 255.0)
    (tmp_path / "labels-idx1-ubyte").write_bytes(_idx(np.arange(6, dtype=np.uint8)))
    return tmp_path


@pytest.mark.parametrize(
    "name", ["a.npy", "a.npz", "a-images-idx3-ubyte", "a-images-idx3-ubyte.gz", "share.npy"]
)
def test_all_forms_are_the_same_images(name: str, files: Path) -> None:
    found = read_real_data(str(files / name), GREY, labels=str(files / "labels-idx1-ubyte"))
    assert found.x.shape == (6, 1, 4, 4)
    assert torch.allclose(found.x[:, 0], torch.as_tensor(BYTES / 255.0).float())
    assert [part.tolist() for part in found.condition] == [[0, 1, 2, 3, 4, 5]]


def test_colours_may_stand_last(files: Path) -> None:
    images = np.random.default_rng(0).random((2, 4, 5, 3))
    np.save(files / "rgb.npy", images)
    found = read_real_data(str(files / "rgb.npy"), (3, 4, 5))
    assert torch.allclose(found.x, torch.as_tensor(images.transpose(0, 3, 1, 2)).float())


def test_another_size_is_refused_padded_or_resized(files: Path) -> None:
    name = str(files / "a.npy")
    with pytest.raises(FlowError, match=r"4 by 4, and the network takes 6 by 6.*fit='resize' or fit='pad'"):
        read_real_data(name, (1, 6, 6))
    padded = read_real_data(name, (1, 6, 6), fit="pad").x
    assert torch.allclose(padded[:, 0, 1:5, 1:5], torch.as_tensor(BYTES / 255.0).float())
    assert float(padded.sum()) == pytest.approx(BYTES.sum() / 255.0, rel=1e-5)
    resized = read_real_data(name, (1, 6, 6), fit="resize").x
    assert not torch.allclose(resized, padded)  # the two ways are not the same images
    assert float(resized.mean()) == pytest.approx(BYTES.mean() / 255.0, rel=1e-5)
    with pytest.raises(FlowError, match="pass fit='resize'"):
        read_real_data(name, (1, 3, 3), fit="pad")


def test_a_function_may_bring_its_condition() -> None:
    found = read_real_data("tests.flow.fidelity.test_real_data:of_rows", (1,))
    assert found.x.tolist() == [[-3.0], [5.0]]  # rows of a table have no range
    assert found.condition[0].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(FlowError, match="brings its own"):
        read_real_data("tests.flow.fidelity.test_real_data:of_rows", (1,), labels="x.npy")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (BYTES / 127.5 - 1.0, r"they lie in \[-1, -0.255\], not in \[0, 1\]"),
        (BYTES.astype(np.float64), r"they lie in \[0, 95\], not in \[0, 1\]"),
        (BYTES.astype(np.int32), "of type int32"),
        (BYTES[0].ravel().astype(np.float32), "no batch of finite samples"),
        (np.full((2, 4, 4), np.nan), "no batch of finite samples"),
        (np.zeros((2, 2, 4, 4)), r"each is of shape \(2, 4, 4\), and the network takes \(1, 4, 4\)"),
    ],
)
def test_what_does_not_fit_is_named(array: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(FlowError, match=message):
        read_real_data(str(tmp_path / "x.npy"), GREY)


def test_labels_that_do_not_fit(files: Path) -> None:
    np.save(files / "few.npy", np.arange(5))
    np.save(files / "share-of-one.npy", np.ones(6) / 2)
    with pytest.raises(FlowError, match=r"there are \[5\] for 6 samples"):
        read_real_data(str(files / "a.npy"), GREY, labels=str(files / "few.npy"))
    with pytest.raises(FlowError, match="one whole number a sample"):
        read_real_data(str(files / "a.npy"), GREY, labels=str(files / "share-of-one.npy"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.npz", "cannot be read"),
        ("tests.flow.fidelity.test_real_data:absent", "no function 'absent'"),
        ("tests.flow.fidelity.test_real_data:of_words", "it returned str"),
    ],
)
def test_what_cannot_be_read(name: str, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        read_real_data(name, GREY)
    with pytest.raises(FlowError, match="unknown"):
        read_real_data(name, GREY, fit="stretch")


def test_the_digest_tells_data_apart() -> None:
    x = torch.rand(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert RealData(x).digest == RealData(x.clone()).digest
    assert RealData(x).digest != RealData(x + 1e-6).digest
    assert RealData(x).digest != RealData(x, (torch.zeros(4),)).digest
    assert len(RealData(x, (torch.arange(4),)).first(2).condition[0]) == 2
