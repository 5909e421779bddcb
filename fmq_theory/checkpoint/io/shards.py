"""Finding a checkpoint in a folder, and reading one that is cut into several files.

An index is a JSON file whose ``weight_map`` names the file of each tensor.
"""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from fmq_theory.checkpoint.io import limits
from fmq_theory.checkpoint.io.container import parse_json
from fmq_theory.checkpoint.io.file_bytes import FileBytes
from fmq_theory.checkpoint.io.tensors import StoredTensor
from fmq_theory.errors import CheckpointError

__all__ = ["INDEX_SUFFIX", "find_checkpoint", "open_sharded", "shard_paths"]

INDEX_SUFFIX = ".safetensors.index.json"
_STEMS = ("model", "diffusion_pytorch_model")
# Where a diffusers pipeline keeps the network that is quantized.
_PARTS = ("transformer", "unet")
_MOST_NAMED = 5

_Tensors = TypeVar("_Tensors", bound=Sequence[StoredTensor])


def find_checkpoint(path: Path) -> Path:
    """The file that ``path`` stands for: itself, or the checkpoint in the folder that it is.

    Looked for, in this order, in the folder and then in the one part of it that is called ``transformer`` or
    ``unet``, or begins so (``transformer_2``):
    ``model.safetensors.index.json``, ``model.safetensors``, and the same for ``diffusion_pytorch_model``.

    Raises:
        CheckpointError: it is a folder without one of them, or of several such parts; they are named.
    """
    try:
        if not path.is_dir():
            return path
        if (found := _in_folder(path)) is not None:
            return found
        parts = {f.name: held for f in sorted(path.iterdir()) if (held := _in_folder(f)) is not None}
        networks = [name for name in parts if name.split("_")[0] in _PARTS]
        if len(networks) == 1:
            return parts[networks[0]]
        inside = sorted(entry.name for entry in path.iterdir())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"checkpoint {str(path)!r}", f"it cannot be opened ({error})", "check the path and permissions"
        ) from error
    if parts:
        raise CheckpointError(
            f"checkpoint {str(path)!r}",
            f"it is a folder of several components with weights ({_some(networks or list(parts))}), and "
            "each is a checkpoint of its own",
            f"name one of them, as in {str(path / (networks or list(parts))[0])!r}",
        )
    raise CheckpointError(
        f"checkpoint {str(path)!r}",
        f"it is a directory with none of {', '.join(f'{stem}.safetensors[.index.json]' for stem in _STEMS)} "
        f"in it, nor in {' or '.join(_PARTS)}/",
        f"name the checkpoint file inside it ({_some(inside) or 'it is empty'})",
    )


def _in_folder(folder: Path) -> Path | None:
    """The checkpoint that lies in it, not deeper; None if none does."""
    names = (name for stem in _STEMS for name in (f"{stem}{INDEX_SUFFIX}", f"{stem}.safetensors"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def shard_paths(path: Path) -> list[Path]:
    """The files that hold the tensors of ``path``, an index or a file of its own.

    Raises:
        CheckpointError: see ``open_sharded``.
    """
    if not path.name.endswith(INDEX_SUFFIX):
        return [path]
    return [path.parent / shard for shard in dict.fromkeys(_weight_map(path).values())]


@contextmanager
def open_sharded(
    path: Path, open_shard: Callable[[Path], AbstractContextManager[_Tensors]]
) -> Generator[list[tuple[_Tensors, list[StoredTensor]]]]:
    """The shards that an index names, each with those of its tensors that the index promises there.

    Args:
        path: of the index.
        open_shard: opens one of the files; it stays open as long as the checkpoint.

    Raises:
        CheckpointError: the index cannot be read or is none; a shard is outside of its folder, missing or
            damaged; a promised tensor is absent.
    """
    weight_map = _weight_map(path)
    with ExitStack() as stack:
        shards: list[tuple[_Tensors, list[StoredTensor]]] = []
        for shard in dict.fromkeys(weight_map.values()):
            found = stack.enter_context(open_shard(path.parent / shard))
            promised = [tensor for tensor in found if weight_map.get(".".join(tensor.keys)) == shard]
            shards.append((found, promised))
        missing = weight_map.keys() - {".".join(t.keys) for _, promised in shards for t in promised}
        if missing:
            first = min(missing)
            raise CheckpointError(
                f"checkpoint {str(path)!r}",
                f"{len(missing)} of the {len(weight_map)} tensors that it promises are not where it says "
                f"({_some(sorted(missing))}; the first should be in {weight_map[first]!r})",
                "download the shards again",
            )
        yield shards


def _weight_map(path: Path) -> dict[str, str]:
    """The file of each tensor, all of them there."""
    thing = f"shard index {str(path)!r}"
    try:
        file = FileBytes(path)
        limits.check_count(thing, "bytes", file.size, "LONGEST_HEADER")
        index: Any = parse_json(file.text(0, file.size))
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(thing, f"it is no JSON ({error})"[:160], "download it again") from error
    found = cast("dict[str, Any]", index).get("weight_map") if isinstance(index, dict) else None
    if not isinstance(found, dict) or not found:
        raise CheckpointError(thing, "it has no weight_map", "pass the index of a sharded checkpoint")
    weight_map = cast("dict[str, Any]", found)
    for name, shard in weight_map.items():
        if (wrong := _unusable(shard)) is not None:
            raise CheckpointError(thing, f"it puts {name!r} into {shard!r}, {wrong[0]}", wrong[1])
    missing = sorted(s for s in set(weight_map.values()) if not _is_there(path.parent / s))
    if missing:
        raise CheckpointError(
            thing,
            f"{len(missing)} of its {len(set(weight_map.values()))} shards are missing ({_some(missing)})",
            f"download them into {path.parent}",
        )
    return weight_map


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for the file system
        return False


def _unusable(shard: object) -> tuple[str, str] | None:
    """Why the name of a shard cannot be followed, and the remedy; None where it can.

    Whether it stays inside its folder is told by its words, not by links: caches of downloads link their
    shards to elsewhere.
    """
    if not isinstance(shard, str):
        return "which is no name of a file", "download the index again"
    plain = os.path.normpath(shard.replace("\\", "/"))
    if plain.startswith("/") or ":" in plain or plain.split("/", 1)[0] == "..":
        return "outside of its folder", "do not use this checkpoint"
    if "\0" in shard:
        return "a name that no file can have", "do not use this checkpoint"
    if not shard.endswith(".safetensors"):
        return (
            "which is no .safetensors file",
            "pass an index of .safetensors files",
        )
    return None


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
