"""Images from scikit-learn, idx and npz files, and what is said of files that are none."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.training.images import load, read_images
from fmq_theory.errors import SourceError

IMAGES = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
LABELS = np.array([0, 1, 2, 3, 9, 5], dtype=np.uint8)


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def _write(folder: Path, kind: str) -> Path:
    if kind == "npz":
        np.savez(folder / "train-labels.npz", LABELS)
        np.savez(folder / "train-images.npz", IMAGES)
        return folder / "train-images.npz"
    pack = gzip.compress if kind == "idx.gz" else bytes
    suffix = ".gz" if kind == "idx.gz" else ""
    (folder / f"train-labels-idx1-ubyte{suffix}").write_bytes(pack(_idx(LABELS)))
    path = folder / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(pack(_idx(IMAGES)))
    return path


@pytest.mark.parametrize("kind", ["idx", "idx.gz", "npz"])
def test_formats_agree(kind: str, tmp_path: Path) -> None:
    path = _write(tmp_path, kind)
    for found in (read_images(path), load("mnist", path), load("fashion", tmp_path)):
        assert found.images.shape == (6, 1, 4, 4)
        assert found.labels.tolist() == LABELS.tolist()
        assert torch.allclose(found.images[:, 0], torch.from_numpy(IMAGES / 127.5 - 1.0).float(), atol=1e-6)


def test_digits_of_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    data = load("digits", None)
    assert data.images.shape == (1797, 1, 8, 8)
    assert (float(data.images.min()), float(data.images.max())) == (-1.0, 1.0)
    trained, held_out = data.part(held_out=False), data.part(held_out=True)
    assert (len(trained.labels), len(held_out.labels)) == (1438, 359)
    assert torch.bincount(held_out.labels, minlength=10).min() > 20
    with pytest.raises(SourceError, match="leave the path out"):
        load("digits", Path("x"))


def test_real_files(shared_data: Path) -> None:
    fashion = read_images(shared_data / "fashion-2k-test-images.npz")
    assert fashion.images.shape == (2000, 1, 28, 28)
    assert len(load("mnist", shared_data).labels) == 20_000  # the one file of training images there


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no data set"):
        load("letters", None)
    with pytest.raises(SourceError, match="--data-path"):
        load("mnist", None)
    with pytest.raises(SourceError, match="no such file"):
        load("mnist", tmp_path / "nothing")
    with pytest.raises(SourceError, match=r"0 of its files"):
        load("mnist", tmp_path)
    path = _write(tmp_path, "idx.gz")
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(SourceError, match="cannot be read"):
        read_images(path)
    path.write_bytes(gzip.compress(b"text that is no idx file"))
    with pytest.raises(SourceError, match="does not begin"):
        read_images(path)
    path.write_bytes(gzip.compress(_idx(IMAGES[:5])))
    with pytest.raises(SourceError, match=r"labels of shape \(6,\)"):
        read_images(path)
    path.write_bytes(gzip.compress(_idx(LABELS)))
    with pytest.raises(SourceError, match="3 dimensions"):
        read_images(path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(SourceError, match="no labels"):
        read_images(path)
