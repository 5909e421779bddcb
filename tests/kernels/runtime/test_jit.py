"""Where compiled kernels are kept."""

import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core import config, event
from numba.core.errors import NumbaError

from fmq_theory.kernels.runtime import jit
from fmq_theory.kernels.runtime.jit import cache_directory, kernel, sources_digest, unowned

CODE = """
import numpy as np
from fmq_theory.kernels.runtime import jit
from fmq_theory.kernels.runtime.jit import cache_directory
from fmq_theory.kernels.wasserstein import w2_squared_sorted
one = np.ones(1)
print(w2_squared_sorted(one, one, 3 * one, one), cache_directory())
"""


def run(cache: Path) -> list[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.deep
def test_kernels_are_kept_under_the_digest_of_their_sources(tmp_path: Path) -> None:
    value, directory = run(tmp_path)
    assert value == "4.0"
    assert Path(directory) == tmp_path / "fmq_theory" / sources_digest()
    assert list(Path(directory).rglob("*.nbc"))


@pytest.mark.deep
def test_without_a_place_to_write_kernels_work_uncached(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")  # a file where a directory is needed, which stops even root
    assert run(file) == ["4.0", "None"]


def test_an_edit_in_a_room_of_a_room_is_another_digest(tmp_path: Path) -> None:
    copy = tmp_path / "kernels"
    shutil.copytree(jit.KERNELS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert sources_digest(copy) == sources_digest()
    nested = copy / "room" / "nested.py"
    nested.parent.mkdir()
    nested.write_text("ONE = 1\n")
    with_room = sources_digest(copy)
    nested.write_text("ONE = 2\n")
    edited = sources_digest(copy)
    nested.rename(copy / "nested.py")  # the same text at another place
    assert len({sources_digest(), with_room, edited, sources_digest(copy)}) == 4


def test_the_process_wide_setting_is_restored() -> None:
    before = vars(config)["CACHE_DIR"]

    @kernel
    def double(x: float) -> float:
        return 2.0 * x

    assert double(4.0) == 8.0
    assert before == vars(config)["CACHE_DIR"]
    assert str(cache_directory()) != before


def test_division_by_zero_does_not_raise() -> None:
    @kernel
    def divide(x: float, y: float) -> float:
        return x / y

    assert divide(1.0, 0.0) == float("inf")


@pytest.mark.parametrize("collected", [True, False])
def test_garbage_collection_is_as_it_was_after_a_compilation(
    monkeypatch: pytest.MonkeyPatch, collected: bool
) -> None:
    monkeypatch.setattr(jit, "cache_directory", lambda: None)  # what is on disk is not compiled
    during: list[bool] = []

    class Seen(event.Listener):
        def on_start(self, event: event.Event) -> None:
            during.append(gc.isenabled())

        def on_end(self, event: event.Event) -> None:
            during.append(gc.isenabled())

    @kernel
    def inner(x: float) -> float:
        return 2.0 * x

    @kernel
    def outer(x: float) -> float:
        return inner(x) + 1.0

    was = gc.isenabled()
    try:
        (gc.enable if collected else gc.disable)()
        with event.install_listener("numba:compile", Seen()):
            assert outer(1.0) == 3.0
        assert gc.isenabled() == collected
        with pytest.raises(NumbaError):
            outer("not a number")  # pyright: ignore[reportArgumentType]
        assert gc.isenabled() == collected
    finally:
        (gc.enable if was else gc.disable)()
    # Two compilations, one inside the other; the listeners are told in the order in which they came.
    assert during == [False, False, False, collected]


def test_an_unowned_view_is_the_array_and_counts_no_references() -> None:
    @kernel
    def increment(x: np.ndarray) -> float:
        view = unowned(x)
        for i in range(view.size):
            view[i] += 1.0
        return view[-1]

    x = np.arange(5.0)
    before = sys.getrefcount(x)
    assert increment(x) == 5.0
    np.testing.assert_array_equal(x, np.arange(1.0, 6.0))
    assert sys.getrefcount(x) == before
