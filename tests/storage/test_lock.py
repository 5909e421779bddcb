"""Two runs never write one folder at a time, and one that was killed locks nobody out."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fmq_theory.cli.main import main
from fmq_theory.errors import OutputError
from fmq_theory.storage import locked_folder
from fmq_theory.storage.lines import append_line, records_of, sealed_line

_HOLD = (
    "import sys\n"
    "from pathlib import Path\n"
    "from fmq_theory.storage import locked_folder\n"
    "with locked_folder(Path(sys.argv[1]), 'output'):\n"
    "    print('locked', flush=True)\n"
    "    sys.stdin.read()\n"
)


def test_a_folder_is_one_run_s_until_it_ends_or_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with (
            pytest.raises(OutputError, match="output here: another run is writing it"),
            locked_folder(tmp_path, "output here"),
        ):
            pass
        holder.kill()
    with locked_folder(tmp_path, "output here"):  # what was killed holds nothing
        assert list(tmp_path.iterdir()) == []


def test_a_flow_leaves_the_folder_of_another_run_alone(tmp_path: Path) -> None:
    cells = tmp_path / "cells.jsonl"
    cells.write_text("of the other run")
    words = ["flow", "--schemes", "uniform", "--bits", "2", "--out", str(tmp_path), "--force"]
    with locked_folder(tmp_path, "here"):
        refused = CliRunner().invoke(main, words)
    assert (refused.exit_code, "another run is writing it" in refused.output) == (2, True), refused.output
    assert cells.read_text() == "of the other run"


def test_a_line_is_put_behind_one_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    append_line(path, sealed_line("k", {"n": 1}))
    append_line(path, sealed_line("k", {"n": 2})[:-9])  # a kill
    append_line(path, sealed_line("k", {"n": 3}))
    append_line(path, sealed_line("other", {"n": 4}))
    assert [record["n"] for record in records_of(path.read_text().split("\n"), "k")] == [1, 3]


def test_lines_of_two_processes_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fmq_theory.storage.lines import append_line, sealed_line\n"
        "for n in range(40):\n"
        "    append_line(Path(sys.argv[1]), sealed_line(sys.argv[2], {'n': n, 'long': 'x' * 50_000}))\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(path), key]) for key in "ab"]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    lines = path.read_text().split("\n")
    for key in "ab":
        assert [record["n"] for record in records_of(lines, key)] == list(range(40))
