"""Files of ``torch.save`` put together by hand: what no program writes, and few bytes that promise much."""

import io
import struct
import zipfile
from collections.abc import Callable, Sequence

import torch

__all__ = ["BOMBS", "ODD", "archive", "save", "state_dict", "tensor"]


def save(content: object, **options: object) -> bytes:
    """What ``torch.save`` writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def archive(pickle: bytes, storages: Sequence[bytes] = (), method: int = zipfile.ZIP_STORED) -> bytes:
    """A checkpoint of a pickle and the contents of storages 0, 1, …"""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as file:
        file.writestr("archive/data.pkl", pickle)
        for i, content in enumerate(storages):
            file.writestr(f"archive/data/{i}", content)
        file.writestr("archive/version", b"3\n")
    return target.getvalue()


def _integer(number: int) -> bytes:
    return b"\x8a\x09" + struct.pack("<q", number) + b"\0"


def _text(text: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text


def tensor(
    count: int, shape: Sequence[int], strides: Sequence[int], *, offset: int = 0, key: bytes = b"0"
) -> bytes:
    """The operations that make a float32 tensor of a storage of ``count`` numbers."""
    sizes, steps = (b"(" + b"".join(map(_integer, numbers)) + b"t" for numbers in (shape, strides))
    storage = b"(" + _text(b"storage") + b"ctorch\nFloatStorage\n" + _text(key) + _text(b"cpu")
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + _integer(count) + b"tQ"
        + _integer(offset) + sizes + steps + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


def state_dict(tensors: dict[bytes, bytes]) -> bytes:
    """The pickle of a dict of tensors."""
    return b"\x80\x02}(" + b"".join(_text(name) + made for name, made in tensors.items()) + b"u."


def _one(made: bytes, size: int = 256) -> bytes:
    return archive(state_dict({b"w": made}), [b"\0" * size])


def _laugh(first: bytes, pair: Callable[[bytes], bytes], depth: int = 40) -> bytes:
    """Each object holds the one before twice."""
    steps = (pair(b"h" + bytes([i])) + b"q" + bytes([i + 1]) for i in range(depth))
    return archive(b"\x80\x02" + first + b"q\0" + b"".join(steps) + b".", [b"\0" * 4])


def _tuple(get: bytes) -> bytes:
    return get + get + b"\x86"


def _list(get: bytes) -> bytes:
    return b"](" + get + get + b"e"


BOMBS: dict[str, Callable[[], bytes]] = {
    "a pickle of 300 MB in 300 kB": lambda: archive(
        b"\x80\x02(" + b"]" * 300_000_000 + b"t.", method=zipfile.ZIP_DEFLATED
    ),
    "zeros of 280 MB in 280 kB": lambda: archive(
        state_dict({b"w": tensor(70_000_000, (70_000, 1000), (1000, 1))}),
        [b"\0" * 280_000_000],
        zipfile.ZIP_DEFLATED,
    ),
    "a storage of 1 TiB": lambda: _one(tensor(2**38, (2**19, 2**19), (2**19, 1))),
    "strides of zero": lambda: _one(tensor(64, (500_000, 1000), (0, 0))),
    "64 GiB by strides": lambda: _one(tensor(64, (2**17, 2**17), (0, 0))),
    "overlapping strides": lambda: _one(tensor(64, (2**21, 60), (0, 1)), 256),
    "many that are just below": lambda: archive(
        state_dict({b"w%d" % i: tensor(64, (50_000, 1000), (0, 0)) for i in range(100)}), [b"\0" * 256]
    ),
    "2 to the power of 60": lambda: _one(tensor(64, (2,) * 60, (0,) * 60)),
    "sizes beyond 64 bits": lambda: _one(tensor(64, (2**61, 2**61), (0, 0))),
    "nested lists": lambda: archive(b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b"."),
    "a tensor below nested lists": lambda: archive(
        b"\x80\x02" + b"]" * 5_000 + tensor(64, (8, 8), (8, 1)) + b"a" * 5_000 + b".", [b"\0" * 256]
    ),
    "unending marks": lambda: archive(b"\x80\x02" + b"(" * 100_000 + b"."),
    "tuples of tuples": lambda: _laugh(b"]", _tuple),
    "lists of lists": lambda: _laugh(b"]", _list),
    "a tensor under 2 to the power of 40 names": lambda: _laugh(tensor(1, (1,), (1,)), _tuple),
    "a key of tuples": lambda: archive(
        b"\x80\x02)q\0" + b"".join(_tuple(b"h" + bytes([i])) + b"q" + bytes([i + 1]) for i in range(40))
        + b"}h\x28Ns."
    ),
    "an integer of 2,000 digits": lambda: archive(
        b"\x80\x02}\x8b" + struct.pack("<i", 900) + b"\1" * 900 + b"Ns."
    ),
    "20,000 keys of one hash": lambda: archive(
        b"\x80\x02}("
        + b"".join(b"\x8a\x10" + (i * (2**61 - 1)).to_bytes(16, "little") + b"N" for i in range(1, 20_000))
        + b"u."
    ),
    "a name without end": lambda: archive(b"\x80\x02c" + b"a" * 1_000_000),
    "a text longer than the file": lambda: archive(b"\x80\x02X\xff\xff\xff\x7fabc."),
}  # fmt: skip


def _nested() -> torch.Tensor:
    return torch._nested_view_from_buffer(  # type: ignore[attr-defined]
        torch.arange(5.0), torch.tensor([[2], [3]]), torch.tensor([[1], [1]]), torch.tensor([0, 2])
    )


def _jagged() -> torch.Tensor:
    return torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(3, 3)], layout=torch.jagged)


def _quantized() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.ones(3, 3), 0.1, 0, torch.qint8)


# Tensors that are no row of numbers, and what is said of them.
ODD: dict[str, tuple[Callable[[], torch.Tensor], str]] = {
    "sparse": (lambda: torch.eye(3).to_sparse(), "sparse or already quantized"),
    "compressed sparse": (lambda: torch.eye(3).to_sparse_csr(), "sparse or already quantized"),
    "quantized": (_quantized, "sparse or already quantized"),
    "meta": (lambda: torch.ones(3, 3, device="meta"), "on the meta device"),
    "nested": (_nested, "nested"),
    "jagged": (_jagged, "of a class of its own"),
}
