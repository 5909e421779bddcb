"""Folders of our own: what is another's is neither entered nor removed."""

import re
from pathlib import Path

import pytest

from fmq_theory.errors import OutputError
from fmq_theory.storage import OwnFolder
from fmq_theory.storage.own_folder import MARKER

OWN = re.compile(r"[0-9]+\.part|inner")


def _folder(path: Path) -> OwnFolder:
    return OwnFolder(path, "output x", OWN, OWN)


@pytest.mark.parametrize(
    "kind", ["a link", "a link to an empty folder", "a file", "a folder", "a marked link"]
)
def test_what_is_another_s_is_refused_and_stays(tmp_path: Path, kind: str) -> None:
    theirs, work = tmp_path / "theirs", tmp_path / "work"
    theirs.mkdir()
    if kind != "a link to an empty folder":
        (theirs / "1.part").write_text("precious")
    if kind == "a file":
        work.write_text("1")
    elif kind == "a folder":
        work.mkdir()
        (work / "1.part").write_text("precious")
    else:
        work.symlink_to(theirs)
    if kind == "a marked link":
        (theirs / MARKER).touch()
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"a link|no folder|not made by fmq"), _folder(work).locked():
        pass
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_only_names_of_ours_are_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "2.part").write_text("precious")
    folder = _folder(tmp_path / "work")
    with folder.locked():
        (folder.path / "1.part").write_text("ours")
        (folder.path / "notes.txt").write_text("theirs")
        (folder.path / "2.part").symlink_to(theirs / "2.part")
        (folder.path / "3.part").symlink_to(theirs)
        (folder.path / "inner").mkdir()
        (folder.path / "inner" / "1.part").write_text("ours")
        assert folder.is_file("1.part")
        assert not folder.is_file("2.part")  # a link is no result of ours
        folder.clear([*folder.names(), "notes.txt", "../theirs/2.part"])
        assert sorted(p.name for p in folder.path.iterdir()) == [MARKER, "notes.txt"]
        folder.remove()
    assert (folder.path / "notes.txt").read_text() == "theirs"
    with folder.locked():  # it is still ours
        (folder.path / "notes.txt").unlink()
        folder.remove()
    assert not folder.path.exists()
    assert (theirs / "2.part").read_text() == "precious"


def test_the_lock_truncates_nothing(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("precious")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / MARKER).symlink_to(tmp_path / "other")
    with pytest.raises(OutputError), _folder(tmp_path / "work").locked():
        pass
    assert (tmp_path / "other").read_text() == "precious"


def test_an_empty_folder_is_what_a_kill_leaves(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with _folder(tmp_path / "work").locked():
        assert [p.name for p in (tmp_path / "work").iterdir()] == [MARKER]


def test_one_run_at_a_time(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "work")
    with folder.locked(), pytest.raises(OutputError, match="another run"), folder.locked():
        pass
    with folder.locked():  # control
        folder.remove()
