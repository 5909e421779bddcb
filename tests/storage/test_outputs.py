"""Outputs: whole or not at all, never an input, never in the place of a device, never more readable."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fmq_theory.errors import OutputError
from fmq_theory.storage import (
    check_output,
    check_outputs,
    open_to_append,
    reading,
    write_atomically,
    write_text_atomically,
)
from fmq_theory.storage import outputs as outputs_module


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An input, in a folder that has a second name, with two links and a second name of its own."""
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / "model.safetensors"
    path.write_text("precious")
    (tmp_path / "second").symlink_to(folder)
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "link-to-link").symlink_to(tmp_path / "link")
    os.link(path, tmp_path / "hard")
    return path


NAMES: dict[str, Callable[[Path], Path]] = {
    "itself": lambda p: p / "in/model.safetensors",
    "relative": lambda p: Path(os.path.relpath(p / "in/model.safetensors")),
    "dots": lambda p: p / "in/../in/./model.safetensors",
    "a link": lambda p: p / "link",
    "a link to a link": lambda p: p / "link-to-link",
    "a link to its folder": lambda p: p / "second/model.safetensors",
    "another name of the same file": lambda p: p / "hard",
}


@pytest.mark.parametrize("name", NAMES)
def test_an_input_is_never_an_output(tmp_path: Path, source: Path, name: str) -> None:
    path = NAMES[name](tmp_path)
    with reading(source):
        for attempt in (
            lambda: check_output(path, overwrite=True),
            lambda: check_outputs([path], overwrite=True),
            lambda: write_text_atomically(path, "lost"),
        ):
            with pytest.raises(OutputError, match=r"which is read|that is read"):
                attempt()
    assert source.read_text() == "precious"
    check_output(path, overwrite=True)  # control: read by nobody, it may be replaced
    write_text_atomically(path, "new")
    assert path.read_text() == "new"


def test_a_neighbour_of_an_input_is_written(tmp_path: Path, source: Path) -> None:
    with reading(source, None, tmp_path / "not-there"), reading(tmp_path / "other"):
        write_text_atomically(source.with_name("Model.safetensors"), "new")
        with pytest.raises(OutputError):
            write_text_atomically(source, "lost")  # the outer input is an input in the inner one, too
    assert source.read_text() == "precious"


def test_a_link_to_another_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "old")
    with pytest.raises(OutputError, match="exists already"):
        check_output(tmp_path / "link", overwrite=False)
    write_text_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "old").read_text() == "new"
    (tmp_path / "dangling").symlink_to(tmp_path / "to-be")
    write_text_atomically(tmp_path / "dangling", "x")
    assert (tmp_path / "to-be").read_text() == "x"
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(OutputError, match="circle"):
        check_output(tmp_path / "circle", overwrite=True)


def test_devices_and_pipes_are_written_to(tmp_path: Path) -> None:
    before = Path("/dev/null").stat()
    check_output(Path("/dev/null"), overwrite=False)
    write_text_atomically(Path("/dev/null"), "text")
    assert os.path.samestat(before, Path("/dev/null").stat())
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    check_output(pipe, overwrite=False)
    write_text_atomically(pipe, "through" * 50_000)
    reader.join()
    assert got == ["through" * 50_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(OutputError):  # a full device
        write_text_atomically(Path("/dev/full"), "text")


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("to", ["a pipe", "a file"])
def test_standard_output_takes_its_turn(tmp_path: Path, name: str, to: str) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    code = (
        "import sys; from pathlib import Path\n"
        "from fmq_theory.storage import check_output, write_text_atomically\n"
        "print('before')\ncheck_output(Path(sys.argv[1]), overwrite=False)\n"
        "write_text_atomically(Path(sys.argv[1]), 'json\\n')\nprint('after')\n"
    )
    command = [sys.executable, "-c", code, name]
    if to == "a pipe":
        text = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    else:
        with (tmp_path / "out").open("w") as file:
            subprocess.run(command, cwd=tmp_path, check=True, stdout=file)
        text = (tmp_path / "out").read_text()
    assert text == "before\njson\nafter\n"
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("folder", ["/proc/self/fd", "/dev/fd"])
def test_an_input_that_is_open_as_a_descriptor_is_not_written_over(tmp_path: Path, folder: str) -> None:
    source, other = tmp_path / "in", tmp_path / "other"
    for path in (source, other):
        path.write_text("what was there")
    for path, is_read in ((source, True), (other, False)):
        handle = os.open(path, os.O_RDWR)
        out = Path(folder) / str(handle)
        try:
            with reading(source):
                if is_read:
                    for write in (
                        lambda p: check_output(p, overwrite=True),
                        lambda p: write_text_atomically(p, "x"),
                    ):
                        with pytest.raises(OutputError, match="never replaced"):
                            write(out)
                else:  # control: an open file that is none is what a shell hands over
                    check_output(out, overwrite=False)
                    write_text_atomically(out, "WHAT")
        finally:
            os.close(handle)
    assert source.read_text() == "what was there"
    assert other.read_text() == "WHAT was there"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666, 0o400])
@pytest.mark.parametrize("exists", [None, 0o600, 0o666])
def test_no_output_is_more_readable_than_what_it_was_made_of(tmp_path, mode: int, exists: int | None) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.write_text("secret")
    source.chmod(mode)
    if exists is not None:
        out.write_text("old")
        out.chmod(exists)
    mask = os.umask(0o002)
    try:
        with reading(source):
            write_text_atomically(out, "copy")
        write_text_atomically(tmp_path / "free", "mine")
    finally:
        os.umask(mask)
    wanted = 0o664 & (mode | 0o600) & (0o777 if exists is None else exists | 0o600)
    assert stat.S_IMODE(out.stat().st_mode) == wanted
    assert stat.S_IMODE((tmp_path / "free").stat().st_mode) == 0o664  # control: made of nothing


def test_names_that_cannot_be(tmp_path: Path) -> None:
    longest = "n" * (255 - 10)
    (tmp_path / "file").touch()
    write_text_atomically(tmp_path / longest, "x")  # control
    for name, match in (
        ("n" * 246, "246 bytes, and 245"),
        ("é" * 123, "246 bytes"),
        ("n" * 5000, "long"),
        ("a\0b", "null"),
        ("none/x", "folder does not exist"),
        ("file/x", "no folder"),
    ):
        with pytest.raises(OutputError, match=match) as caught:
            check_output(tmp_path / name, overwrite=True)
        assert len(str(caught.value)) < 500
    with pytest.raises(OutputError, match="it is a folder"):
        check_output(tmp_path, overwrite=True)


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(OutputError, match="two outputs"):
        check_outputs([tmp_path / "a", tmp_path / "link"], overwrite=False)
    check_outputs([tmp_path / "a", tmp_path / "b", Path("/dev/null"), Path("/dev/null")], overwrite=False)


@pytest.mark.parametrize("unnamed", [True, False])
def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch, unnamed: bool) -> None:
    if not unnamed:  # a file system that has no files without names
        monkeypatch.setattr(outputs_module, "_without_name", lambda _folder: None)
    out = tmp_path / "out.txt"
    out.write_text("old")

    def fail(place: Path) -> None:
        place.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(out, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]
    assert out.read_text() == "old"
    write_text_atomically(out, "new")
    assert out.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_a_kill_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from fmq_theory.storage import write_atomically\n"
        "def write(place):\n"
        "    place.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomically(Path(sys.argv[1]), write)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "figure.svg")], check=False)
    assert done.returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_current_folder(tmp_path: Path, monkeypatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(OutputError, match="current folder was deleted"):
        check_output(Path("out"), overwrite=True)
    check_output(tmp_path / "out", overwrite=True)  # control: a whole path needs none


def test_what_is_appended_to_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "store").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"."):
        open_to_append(tmp_path / "store")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"."):
        open_to_append(tmp_path / "pipe")
    assert (tmp_path / "other").read_text() == "theirs"
    for _ in range(2):
        with open_to_append(tmp_path / "own") as file:
            file.write(b"x")
    assert (tmp_path / "own").read_text() == "xx"
