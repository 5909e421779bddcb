"""A cache of kernels that is damaged, full, gone or closed costs time and nothing else."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from numba.core import event

from fmq_theory.kernels.runtime import jit, sealed_cache
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.sealed_cache import damaged_files
from fmq_theory.storage.lock import lock


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(jit, "cache_directory", lambda: tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def twice() -> Callable[[float], float]:
    """A new kernel of the same source, as a new process would have it."""

    @kernel
    def double(x: float) -> float:
        return 2.0 * x

    return double


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".nbi", ".nbc"))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _data: b"",
    "short": lambda data: data[: len(data) // 2],
    "one bit at the front": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "one bit in the middle": lambda data: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    ),
    "longer": lambda data: data + b"\0",
    "other words": lambda _data: b"not a cache",
    "a pickle": lambda _data: b"\x80\x04K\x01.",
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_again(folder: Path, suffix: str, damage: str) -> None:
    assert twice()(4.0) == 8.0
    (path,) = (each for each in files(folder) if each.suffix == suffix)
    whole = path.read_bytes()
    assert damaged_files(folder) == []
    path.write_bytes(DAMAGES[damage](whole))
    assert damaged_files(folder) == [path]
    again = twice()
    assert again(4.0) == 8.0
    assert not again.stats.cache_hits  # type: ignore[attr-defined]
    assert damaged_files(folder) == []
    # Control: what is whole is used.
    third = twice()
    assert third(4.0) == 8.0
    assert third.stats.cache_hits  # type: ignore[attr-defined]


def test_a_folder_that_goes_or_cannot_be_one_is_no_error(folder: Path) -> None:
    double = twice()
    shutil.rmtree(folder)
    assert double(4.0) == 8.0
    assert files(folder)  # it was made again
    double = twice()
    shutil.rmtree(folder)
    folder.write_text("a file in its place")  # which stops even root
    assert double(4.0) == 8.0
    assert twice()(4.0) == 8.0  # decorated when it was so already
    assert folder.read_text() == "a file in its place"


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from fmq_theory.kernels.runtime import jit
jit.cache_directory = lambda: Path({cache!r})
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, resource.RLIM_INFINITY))
from kernel_of_its_own import double
print(double(4.0))
"""


@pytest.mark.parametrize(("room", "kept"), [(100, 0), (3000, 1), (10**9, 2)])
def test_a_disk_without_room_is_no_error(tmp_path: Path, room: int, kept: int) -> None:
    """No file may grow beyond the room: for none, for the index alone, for all (the control)."""
    head = "from fmq_theory.kernels.runtime.jit import kernel"
    source = f"{head}\n@kernel\ndef double(x):\n    return 2.0 * x\n"
    (tmp_path / "kernel_of_its_own.py").write_text(source)
    cache = tmp_path / "cache"
    cache.mkdir()
    code = FULL.format(here=str(tmp_path), cache=str(cache), room=room)
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=root, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "8.0", "")
    assert len(files(cache)) == kept
    assert damaged_files(cache) == []
    assert [path for path in cache.rglob("*") if ".tmp." in path.name] == []


def test_without_compiling_there_are_no_kernels() -> None:
    """As plain functions they would fail at the first fused product, and round otherwise."""
    code = "from fmq_theory.kernels.runtime.jit import kernel\nprint(kernel(lambda x: 2.0 * x)(4.0))"
    for value, expected in (("1", "FmqError: NUMBA_DISABLE_JIT is set"), ("0", "8.0")):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False,
            env={**os.environ, "NUMBA_DISABLE_JIT": value},
        )  # fmt: skip
        assert expected in (done.stderr if value == "1" else done.stdout)


def compilations(call: Callable[[], object]) -> int:
    """How many kernels are compiled meanwhile."""
    seen: list[object] = []

    class Seen(event.Listener):
        def on_start(self, event: event.Event) -> None:
            seen.append(event)

        def on_end(self, event: event.Event) -> None:
            pass

    with event.install_listener("numba:compile", Seen()):
        call()
    return len(seen)


def held_lock(folder: Path) -> int:
    """The lock of the only kernel, as a process that is compiling it holds it."""
    (path,) = folder.rglob("*.lock")
    handle = os.open(path, os.O_RDWR)
    assert lock(handle)
    return handle


def test_a_kernel_that_another_process_is_compiling_is_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compilations(lambda: twice()(4.0)) == 1
    done = {path: path.read_bytes() for path in files(folder)}
    for path in done:
        path.unlink()
    handle = held_lock(folder)
    looks: list[float] = []

    def other_process_ends(seconds: float) -> None:
        looks.append(seconds)
        for path, data in done.items():
            path.write_bytes(data)
        os.close(handle)

    monkeypatch.setattr(sealed_cache.time, "sleep", other_process_ends)
    assert compilations(lambda: twice()(4.0)) == 0
    assert len(looks) == 1


def test_another_process_that_gets_stuck_is_not_waited_for_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice()(4.0)
    for path in files(folder):
        path.unlink()
    handle = held_lock(folder)
    clock = iter(range(0, 10**6, 25))
    monkeypatch.setattr(sealed_cache.time, "monotonic", lambda: float(next(clock)))
    try:
        assert compilations(lambda: twice()(4.0)) == 1
    finally:
        os.close(handle)


def test_a_lock_is_let_go_with_the_file_and_after_a_failure_to_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice()(4.0)
    os.close(held_lock(folder))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for path in files(folder):
        path.unlink()
    monkeypatch.setattr(sealed_cache._SealedFile, "_write", full)  # pyright: ignore[reportPrivateUsage]
    twice()(4.0)
    os.close(held_lock(folder))
