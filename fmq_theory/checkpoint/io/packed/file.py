"""Reading a quantized checkpoint: whole, tensor by tensor, or into a module."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fmq_theory.brief import MOST_OF_A_REPR
from fmq_theory.checkpoint.io.container import Container, open_container
from fmq_theory.checkpoint.io.number_types import from_bytes, torch_type
from fmq_theory.checkpoint.io.packed.config import CODING
from fmq_theory.checkpoint.io.packed.index import CODEBOOK, CODES, SCALES, not_quantized, read_index
from fmq_theory.checkpoint.io.packed.tensor import PackedTensor
from fmq_theory.checkpoint.io.shards import find_checkpoint
from fmq_theory.errors import CheckpointError
from fmq_theory.shown import shorten

__all__ = ["QuantizedFile", "load"]

_UNIT_BYTES = 4  # of the scales of a tensor, in the table
_CODEBOOK_TYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


class QuantizedFile:
    """A quantized checkpoint of which no numbers are read until they are asked for.

    What it says of its tensors is verified when it is opened, and the bytes of a tensor before the first
    number of it is given.

    A context manager; afterwards tensors that it gave stay valid.

    Args:
        path: the file, or a folder with ``model.safetensors``; or the container, where it is open already.

    Raises:
        CheckpointError: the file cannot be opened, is damaged, or is no quantized checkpoint.
    """

    def __init__(self, path: Path | str | Container) -> None:
        container = path if isinstance(path, Container) else _container(find_checkpoint(Path(path)))
        self.path = container.path
        self._container: Container | None = container
        self._index = read_index(container)
        self.config = self._index.config
        self._entries = cast("dict[str, dict[str, Any]]", self.config["tensors"])
        self._plain = self._index.plain
        self._ties = cast("dict[str, dict[str, Any]]", self.config["tied"])

    def __repr__(self) -> str:
        closed = ", closed" if self._container is None else ""
        name = shorten(repr(str(self.path)), MOST_OF_A_REPR // 2)
        return f"QuantizedFile({name}, {len(self._entries)} of {len(self.names)} tensors quantized{closed})"

    @property
    def container(self) -> Container:
        """The file under it: its arrays as they are stored.

        Raises:
            CheckpointError: it was closed.
        """
        return self._opened()

    @property
    def names(self) -> tuple[str, ...]:
        """All tensors: the quantized ones, those kept as they were, those that equal another one."""
        return (*self._entries, *self._plain, *self._ties)

    @property
    def quantized(self) -> tuple[str, ...]:
        """The quantized tensors."""
        return tuple(self._entries)

    @property
    def ties(self) -> Mapping[str, str]:
        """Tensors that equal another one, and which."""
        return {name: str(tie["of"]) for name, tie in self._ties.items()}

    def tied_axes(self, name: str, ndim: int) -> list[int]:
        """The order of the axes of the other tensor, of ``ndim`` dimensions, that ``name`` has.

        Args:
            name: a tensor that equals another one.
            ndim: how many axes the other tensor has.

        Raises:
            CheckpointError: they are no permutation.
        """
        axes: Any = self._ties[name].get("axes", list(range(ndim)))
        found = cast("list[Any]", axes) if isinstance(axes, list) else []
        if not all(type(axis) is int for axis in found) or sorted(found) != list(range(ndim)):
            raise self._damaged(f"the axes of {name!r} are {axes!r}")
        return found

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor's weights.

        Args:
            name: of the tensor.

        Raises:
            CheckpointError: there is no such tensor.
        """
        if name in self._ties:
            shape = self.shape(str(self._ties[name]["of"]))
            return tuple(shape[axis] for axis in self.tied_axes(name, len(shape)))
        if name in self._entries:
            return tuple(self._entries[name]["shape"])
        return self._plain[self._known(name)].shape

    def dtype(self, name: str) -> torch.dtype:
        """The type of a tensor's weights.

        Args:
            name: of the tensor.

        Raises:
            CheckpointError: there is no such tensor, or torch has no such type.
        """
        name = str(self._ties[name]["of"]) if name in self._ties else name
        if name in self._entries:
            return torch_type(str(self._entries[name]["dtype"]))
        return torch_type(self._plain[self._known(name)].dtype)

    def stored_bytes(self, name: str) -> int:
        """The bytes of a tensor in the file: codes, codebooks, scales and their unit, or its numbers.

        What the table says of all tensors alike (names, shapes, checksums) is not among them.

        Args:
            name: of a tensor that does not equal another one.

        Raises:
            CheckpointError: there is no such tensor.
        """
        if name in self._entries:
            specs = self._index.arrays[name].specs
            return sum(spec.num_bytes for spec in specs.values()) + (_UNIT_BYTES if SCALES in specs else 0)
        return self._plain[self._known(name)].num_bytes

    def packed(self, name: str, *, verify: bool = True) -> PackedTensor:
        """A quantized tensor as it is stored; its codes are read-only.

        Entropy-coded ones are decoded into memory. One that equals another is that other one.

        Args:
            name: of a quantized tensor.
            verify: hold its bytes against their checksum first.

        Raises:
            CheckpointError: it is damaged, it equals another one with its axes turned, or there is no
                quantized tensor of that name.
        """
        if name in self._ties:
            first = str(self._ties[name]["of"])
            axes = self.tied_axes(name, len(self.shape(first)))
            if axes == sorted(axes):
                return self.packed(first, verify=verify)
            raise CheckpointError(
                f"tensor {name!r} of {str(self.path)!r}",
                f"it is {first!r} with its axes in the order {axes}, and stored once",
                f"ask for {first!r}, or dequantize it",
            )
        if name not in self._entries:
            raise CheckpointError(
                f"tensor {name!r} of {str(self.path)!r}",
                "it is not quantized" if name in self.names else "there is no tensor of that name",
                f"its quantized tensors include {', '.join(map(repr, self.quantized[:5]))}",
            )
        thing, entry = f"tensor {name!r} of {str(self.path)!r}", self._entries[name]
        specs = self._index.arrays[name].specs
        codes, codebook, scaled = specs[CODES], specs[CODEBOOK], specs.get(SCALES)
        if codes.dtype != "U8" or codebook.dtype not in _CODEBOOK_TYPES:
            raise self._damaged(f"{name!r} has codes of type {codes.dtype}, codebooks of {codebook.dtype}")
        found = self._index.read(self._opened(), name, verify=verify)
        scales = None if scaled is None else from_bytes(found[SCALES], scaled.dtype, scaled.shape)
        numbers = found[CODEBOOK].view(_CODEBOOK_TYPES[codebook.dtype]).reshape(codebook.shape)
        data = found[CODES]
        data.flags.writeable = False
        if entry.get("coding") == CODING:
            return PackedTensor.from_coded(thing, entry, data, numbers, scales)
        return PackedTensor.from_config(thing, entry, data.reshape(codes.shape), numbers, scales)

    def codes(self, name: str) -> NDArray[np.uint8]:
        """The code of each weight, of the weights' shape.

        Args:
            name: of a quantized tensor.

        Raises:
            CheckpointError: see ``packed``.
        """
        return self.packed(name).unpacked_codes()

    def codebook(self, name: str) -> NDArray[np.floating]:
        """The levels of each codebook, shape ``[codebooks, 2**bits]``.

        Args:
            name: of a quantized tensor.

        Raises:
            CheckpointError: see ``packed``.
        """
        return self.packed(name).levels()

    def dequantize(self, name: str, *, verify: bool = True) -> Tensor:
        """Any tensor in its own type and shape, in memory of its own; those kept as they were to the bit.

        Args:
            name: one of ``names``.
            verify: hold its bytes against their checksum first.

        Raises:
            CheckpointError: it is damaged, or there is no tensor of that name.
        """
        if name in self._ties:
            found = self.dequantize(str(self._ties[name]["of"]), verify=verify)
            return found.permute(self.tied_axes(name, found.ndim))
        if name in self._entries:
            return self.packed(name, verify=verify).dequantize()
        container = self._opened()
        spec = self._plain[self._known(name)]
        return from_bytes(self._index.read(container, name, verify=verify)[""], spec.dtype, spec.shape)

    def verify(self, name: str | None = None) -> None:
        """Holds the bytes of a tensor against their checksum; of all tensors if none is named.

        Args:
            name: of one tensor; None for all.

        Raises:
            CheckpointError: they differ.
        """
        container = self._opened()
        for one in [*self._entries, *self._plain] if name is None else [self._target(name)]:
            if one not in self._entries:
                self._known(one)
            self._index.read(container, one, verify=True)

    def close(self) -> None:
        """Lets go of the file."""
        self._container = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _target(self, name: str) -> str:
        """The tensor that holds the numbers of ``name``."""
        return str(self._ties[name]["of"]) if name in self._ties else name

    def _opened(self) -> Container:
        if self._container is None:
            raise CheckpointError(f"checkpoint {str(self.path)!r}", "it was closed", "open it again")
        return self._container

    def _known(self, name: str) -> str:
        if name not in self._plain:
            raise CheckpointError(
                f"tensor {name!r} of {str(self.path)!r}",
                "there is no tensor of that name",
                f"its {len(self.names)} tensors include {', '.join(map(repr, self.names[:5]))}",
            )
        return name

    def _damaged(self, cause: str) -> CheckpointError:
        return CheckpointError(
            f"checkpoint {str(self.path)!r}", f"it is corrupt: {cause}", "write or download it again"
        )


def load(path: Path | str) -> dict[str, Tensor]:
    """The state dict of a quantized checkpoint: dequantized tensors in the type that they had.

    Args:
        path: a file that ``fmq quantize`` wrote, or the folder with it.

    Raises:
        CheckpointError: see ``QuantizedFile``.

    Examples:
        Each row is spread evenly over a width of 1/4 and loses 1 / (12 K**2) of its square, K = 16:

        >>> import tempfile
        >>> from pathlib import Path
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> from fmq_theory import checkpoint
        >>> weight = torch.linspace(0, 1, 4096).reshape(4, 1024)
        >>> recipe = checkpoint.Recipe("weight", checkpoint.Choice("lloyd_max", bits=4))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path, small = Path(folder) / "model.safetensors", Path(folder) / "small.safetensors"
        ...     save_file({"weight": weight}, path)
        ...     written = checkpoint.write_quantized(path, small, [recipe])
        ...     state = checkpoint.load(small)
        >>> state["weight"].shape == weight.shape, state["weight"].dtype
        (True, torch.float32)
        >>> round(float((state["weight"] - weight).square().mean()) * 12 * 16**2 * 4**2, 2)
        1.0
    """
    with QuantizedFile(path) as file:
        state = {name: file.dequantize(name) for name in file.names if name not in file.ties}
        for name, target in file.ties.items():  # tied tensors stay one
            state[name] = state[target].permute(file.tied_axes(name, state[target].ndim))
        return state


def _container(path: Path) -> Container:
    try:
        return open_container(path)
    except CheckpointError:
        if path.suffix.lower() == ".safetensors" or not path.is_file():
            raise
        # A pickle, for one: it is not damaged, it is of another kind.
        raise not_quantized(f"checkpoint {str(path)!r}") from None
