"""Quantized files by program: right ones, and forgeries under checksums that are right."""

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import write_quantized
from fmq_theory.checkpoint.io.container import open_container, write_container
from fmq_theory.checkpoint.io.packed.index import CONFIG
from fmq_theory.checkpoint.io.packed.table import PACKED
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe

# Scheme, bits, granularity and group size of the first tensor of each file.
KINDS: dict[str, tuple[str, int, str, int | None]] = {
    "levels by channel": ("lloyd_max", 3, "channel", None),
    "scales of groups": ("block:lloyd_max:float8_e4m3", 4, "group", 32),
    "ends of a tensor": ("uniform", 4, "tensor", None),
}


def small_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of several types; two are quantized, the others are kept."""
    g = torch.Generator().manual_seed(seed)
    return {
        "a.weight": torch.randn(4, 64, generator=g),
        "b.weight": torch.randn(3, 16, generator=g).to(torch.bfloat16),
        "a.bias": torch.randn(3, generator=g),
        "steps": torch.tensor(7),
        "empty": torch.empty(0, 2),
        "large": torch.arange(1025, dtype=torch.int32),
    }


def packed_file(folder: Path, kind: str, *, entropy_coding: bool = False) -> Path:
    """A right one."""
    scheme, bits, granularity, group = KINDS[kind]
    plan = [
        Recipe("a.weight", Choice(scheme, bits, granularity, group)),
        Recipe("b.weight", Choice("nf4", 4, "tensor")),
    ]
    save_file(small_state(), folder / "in.safetensors")
    out = folder / f"{kind.replace(' ', '-')}.safetensors"
    write_quantized(folder / "in.safetensors", out, plan, entropy_coding=entropy_coding, overwrite=True)
    return out


def first_format_file(folder: Path) -> Path:
    """One of the first version of the format, as fmq_theory of November 2026 wrote it."""
    reference = Path(__file__).parents[1] / "reference" / "quantized-1.safetensors"
    out = folder / "old.safetensors"
    out.write_bytes(reference.read_bytes())
    return out


def with_metadata(path: Path, **metadata: Any) -> Path:
    """The same file with other metadata, each a JSON value or a raw text; None takes one out."""
    found = open_container(path)
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items() if v is not None}
    kept = {k: v for k, v in found.metadata.items() if k not in metadata}
    new = path.with_name("changed.safetensors")
    write_container(new, list(found.specs.values()), kept | texts, lambda name: [found.bytes_of(name)])
    return new


def table_of(path: Path) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """The table of a file, what the metadata say of it, and the bytes behind it."""
    found = open_container(path)
    said = json.loads(found.metadata[CONFIG])
    data = found.bytes_of(PACKED).tobytes()
    length = said["table"][0]
    return json.loads(zlib.decompress(data[:length])), said, data[length:]


def with_table(path: Path, change: Callable[[dict[str, Any]], object], **said: Any) -> Path:
    """The same file with another table under a checksum that is right: a forgery, not an accident.

    Args:
        path: of the file.
        change: edits the table in place, or gives the text of another one.
        said: what the metadata say instead.
    """
    table, old, rest = table_of(path)
    changed = change(table)
    text = changed if isinstance(changed, bytes) else json.dumps(table).encode()
    stored = zlib.compress(text, 9)
    found = open_container(path)
    config = old | {"table": [len(stored), len(text)], "crc32": zlib.crc32(stored)} | said
    specs = [spec for spec in found.specs.values() if spec.name != PACKED]
    packed = type(specs[0] if specs else found.specs[PACKED])(PACKED, "U8", (len(stored) + len(rest),))
    new = path.with_name("forged.safetensors")

    def read(name: str) -> Iterator[Any]:
        yield np.frombuffer(stored + rest, np.uint8) if name == PACKED else found.bytes_of(name)

    write_container(new, [*specs, packed], {**found.metadata, CONFIG: json.dumps(config)}, read)
    return new


def column(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Sets a column of the table to one value for all tensors."""
    return lambda table: table["columns"].__setitem__(key, [value])


def part(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Sets a part of the table."""
    return lambda table: table.__setitem__(key, value)


def _small(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda table: table["small"].__setitem__(key, value)


_DEEP = b"[" * 100_000
# Tables that cannot be, under checksums that are right.
FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    **{f"shape {v}": column("shape", v) for v in ([0, 3], [], [-4, 64], [4.0, 64], [True, 256], "44", None,
        [2**80, 1], [1] * 65, [4, 65], [256], [2**31, 2**31])},
    **{f"bits {v}": column("bits", v) for v in (0, 9, -1, 3.0, "3", None, 10**40, True)},
    **{f"mse {v}": column("mse", v) for v in (float("-inf"), float("inf"), float("nan"), -1.0, "0", None,
        10**400, True)},
    **{f"scale_unit {v}": column("scale_unit", v) for v in (0.0, -1.0, float("inf"), "1", 1, [])},
    **{f"axis {v}": column("axis", v) for v in (2, -1, 0.0, "0", 10**30)},
    **{f"group_size {v}": column("group_size", v) for v in (0, -1, 7, 1.5, "32", 10**30)},
    **{f"strategy {v}": column("strategy", v) for v in ("row", "", None, 1, [])},
    **{f"levels {v}": column("levels", v) for v in ("magic", "log2:9999", "fp4", None, [], {})},
    **{f"dtype {v}": column("dtype", v) for v in ("F31", "", None, 32, "I8", "C64", "BOOL")},
    **{f"scheme {v}": column("scheme", v) for v in (None, 3, {})},
    **{f"codebook {v}": column("codebook", v) for v in ("U8", "F65", None, 4)},
    **{f"numbers {v}": column("numbers", v) for v in (0, -1, 2**40, 1.0, None)},
    **{f"scales {v}": column("scales", v) for v in ("F64", "I8", 3)},
    **{f"size {v}": column("size", v) for v in (5, -1, 0.5)},
    **{f"coding {v}": column("coding", v) for v in ("zstd", "gzip", 1)},
    **{f"entropy {v}": column("entropy_bits", v) for v in (-1.0, 1e300, "x")},
    **{f"crc32 {v}": column("crc32", v) for v in (0, None, "x", 1.5, -1, 10**40)},
    "an unknown column": column("more", 1),
    "a column of no values": lambda t: t["columns"].__setitem__("bits", []),
    "a column of three values": lambda t: t["columns"].__setitem__("bits", [3, 3, 3]),
    "a column that is no list": lambda t: t["columns"].__setitem__("bits", 3),
    "columns a list": part("columns", []),
    "no columns": part("columns", {}),
    "no names": part("names", []),
    "names twice": part("names", ["a.weight", "a.weight"]),
    "the name of a kept tensor": part("names", ["a.weight", "a.bias"]),
    "names of numbers": part("names", [1, 2]),
    "one name": part("names", ["a.weight"]),
    "names exchanged, one dropped": part("names", ["b.weight"]),
    "tied to nobody": part("tied", {"x": {"of": "nobody"}}),
    "tied to nothing": part("tied", {"x": {}}),
    "tied no object": part("tied", {"x": 1}),
    "tied a list": part("tied", []),
    "tied to itself": part("tied", {"x": {"of": "x"}}),
    "tied under a name that is there": part("tied", {"a.weight": {"of": "b.weight"}}),
    "impossible axes": part("tied", {"x": {"of": "a.weight", "axes": [0, 0]}}),
    "axes of words": part("tied", {"x": {"of": "a.weight", "axes": ["a", 0]}}),
    "axes a word": part("tied", {"x": {"of": "a.weight", "axes": "word"}}),
    **{f"small {k} {v}": _small(k, v) for k, v in (("names", 1), ("names", ["a", "a", "b"]),
        ("dtype", ["F31"]), ("dtype", []), ("dtype", [1]), ("shape", [[-1]]), ("shape", [[2**70]]),
        ("shape", [[1.0]]),
        ("shape", [3]), ("shape", "x"), ("crc32", [0]), ("crc32", ["x", 1, 2]), ("crc32", [0, 0, 0]),
        ("names", ["a.weight", "x", "y"]), ("names", ["large", "x", "y"]), ("names", []))},
    "no small": part("small", {}),
    "small a list": part("small", []),
    "too few kept": lambda t: t["kept"].pop(),
    "too many kept": lambda t: t["kept"].append(0),
    "another kept": lambda t: t["kept"].__setitem__(0, 1),
    "kept a word": part("kept", "kept"),
    "modules a number": part("modules_to_not_convert", 3),
    "another part": part("more", {}),
    "no tied": lambda t: t.pop("tied") and None,
    "no JSON": lambda _: b"{",
    "a list": lambda _: b"[]",
    "no UTF-8": lambda _: b'{"names": ["\xff"]}',
    "nested deeply": lambda _: _DEEP,
    "nested deeply within": lambda _: b'{"names": ' + _DEEP,
    "an integer of 6000 digits": lambda _: b'{"names": ' + b"9" * 6000 + b"}",
    "nothing": lambda _: b" ",
}  # fmt: skip
