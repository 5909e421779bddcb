"""Labelled images, read from scikit-learn, idx files or npz files, scaled to [-1, 1]."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fmq_theory.errors import FmqError, SourceError
from fmq_theory.flow.fidelity.idx_file import read_idx

HELD_OUT = 5  # every fifth image is never trained on


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Images ``[n, 1, size, size]`` in [-1, 1] and int64 labels ``[n]`` from 0 to 9."""

    images: Tensor
    labels: Tensor

    def part(self, *, held_out: bool) -> "LabelledImages":
        """Every fifth image, or the others."""
        chosen = torch.arange(len(self.labels)) % HELD_OUT == HELD_OUT - 1
        keep = chosen if held_out else ~chosen
        return LabelledImages(self.images[keep], self.labels[keep])


def load(name: str, path: Path | None) -> LabelledImages:
    """The data set of a name; ``path`` is its file of images, or the folder that holds it.

    Raises:
        FmqError: an unknown name, a missing path or file, or a file that is not what it should be.
    """
    if name not in DATA_SETS:
        raise SourceError(
            f"data {name!r}", "there is no data set of that name", f"choose one of {[*DATA_SETS]}"
        )
    return DATA_SETS[name](path)


def _digits(path: Path | None) -> LabelledImages:
    if path is not None:
        raise SourceError(f"data path {path}", "scikit-learn brings its digits along", "leave the path out")
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise SourceError(
            "data 'digits'", "scikit-learn is not installed", "pip install 'fmq_theory[models]'"
        ) from error
    data, labels = load_digits(return_X_y=True)
    return _scaled(np.asarray(data).reshape(-1, 8, 8), np.asarray(labels), 16.0)


def _from_files(path: Path | None) -> LabelledImages:
    if path is None:
        raise SourceError("data", "it needs a file of images", "pass --data-path PATH")
    return read_images(_images_file(path))


def read_images(images: Path) -> LabelledImages:
    """Images of bytes in idx, idx.gz or npz form; their labels lie beside them.

    Raises:
        SourceError: a file is missing, or is not what it should be.
    """
    labels = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    if labels == images or not labels.is_file():
        raise SourceError(
            f"images {images}",
            f"there are no labels {labels.name!r} beside it",
            "put them in the same folder",
        )
    return _scaled(_array(images, 3), _array(labels, 1), 255.0)


DATA_SETS: dict[str, Callable[[Path | None], LabelledImages]] = {
    "digits": _digits,
    "mnist": _from_files,
    "fashion": _from_files,
}


def _images_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise SourceError(f"data path {path}", "there is no such file or folder", "check the path")
    found = sorted(place for place in path.iterdir() if "images" in place.name and "train" in place.name)
    if len(found) != 1:
        raise SourceError(
            f"data path {path}",
            f"{len(found)} of its files have 'train' and 'images' in their names",
            "name the file of images",
        )
    return found[0]


def _array(path: Path, ndim: int) -> NDArray[np.uint8]:
    try:
        array = _npz(path) if path.suffix == ".npz" else read_idx(path)
    except (OSError, EOFError, ValueError, KeyError, struct.error, zlib.error) as error:
        if isinstance(error, FmqError):
            raise
        raise SourceError(
            f"file {path}", f"it cannot be read ({error})", "pass idx, idx.gz or npz"
        ) from error
    if array.ndim != ndim or array.dtype != np.uint8 or array.size == 0:
        raise SourceError(
            f"file {path}",
            f"it holds {array.dtype} of shape {array.shape}",
            f"pass uint8 with {ndim} dimensions",
        )
    return array


def _npz(path: Path) -> NDArray[np.uint8]:
    with np.load(path, allow_pickle=False) as archive:
        if len(archive.files) != 1:
            raise SourceError(f"file {path}", f"it holds {len(archive.files)} arrays", "pass a file with one")
        return archive[archive.files[0]]


def _scaled(images: NDArray[np.generic], labels: NDArray[np.generic], white: float) -> LabelledImages:
    """0 to -1 and ``white`` to 1."""
    if len(images) != len(labels) or images.shape[1] != images.shape[2]:
        raise SourceError(
            "data",
            f"images of shape {images.shape} and labels of shape {labels.shape}",
            "pass square images and one label each",
        )
    values = torch.from_numpy(images.astype(np.float32)) * (2.0 / white) - 1.0
    return LabelledImages(values[:, None], torch.from_numpy(labels.astype(np.int64)))
