"""No command replaces what it reads, whichever option names it and however."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file

from fmq_theory.cli.main import main

QUIET = ["--bits", "3", "--schemes", "uniform"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint in two forms, a quantized one, a plan, and a table; all in the current folder."""
    monkeypatch.chdir(tmp_path)
    g = torch.Generator().manual_seed(0)
    state = {"a.weight": torch.randn(8, 64, generator=g), "b.weight": torch.randn(4, 64, generator=g)}
    save_file(state, "m.safetensors")
    Path("dir").mkdir()
    for i, (name, tensor) in enumerate(state.items()):
        save_file({name: tensor}, f"dir/model-{i}.safetensors")
    weight_map = {name: f"model-{i}.safetensors" for i, name in enumerate(state)}
    Path("dir/model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    Path("dir/config.json").write_text('{"model_type": "mine"}')
    os.link("m.safetensors", "hard.safetensors")
    Path("link.safetensors").symlink_to("m.safetensors")
    Path("table.json").write_text("[-1, 1]")
    assert _run("quantize m.safetensors -o q.safetensors --scheme uniform").exit_code == 0
    assert _run("quantize m.safetensors --plan-only -o plan.json --scheme uniform").exit_code == 0
    return tmp_path


def _run(command: str) -> Result:
    return CliRunner().invoke(main, command.split())


def _content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


REFUSED = [
    "quantize m.safetensors -o m.safetensors",
    "quantize m.safetensors -o ./dir/../m.safetensors",
    "quantize m.safetensors -o link.safetensors",
    "quantize link.safetensors -o m.safetensors",
    "quantize m.safetensors -o hard.safetensors",
    "quantize m.safetensors -o new.safetensors --json m.safetensors",
    "quantize m.safetensors -o new.safetensors --json link.safetensors",
    "quantize m.safetensors -o new.safetensors --plan plan.json --json plan.json",
    "quantize m.safetensors --plan-only -o m.safetensors",
    "quantize dir -o dir",
    "quantize dir -o dir/model-1.safetensors",
    "quantize dir -o new --json dir/config.json",
    "quantize dir -o new --json dir/model.safetensors.index.json",
    "audit m.safetensors --json m.safetensors",
    "audit m.safetensors --csv hard.safetensors",
    "audit m.safetensors --html link.safetensors",
    "audit dir --csv dir/model-0.safetensors",
    "audit m.safetensors --plan plan.json --html plan.json",
    "bounds --checkpoint m.safetensors --no-plot --json m.safetensors",
    "bounds --checkpoint m.safetensors --no-plot --csv m.safetensors",
    "codebook --source gaussian --check table.json --json table.json",
    "export q.safetensors -o dir --config dir/config.json",
    "dequantize q.safetensors -o q.safetensors",
    "claims --only P6 --checkpoint m.safetensors --json m.safetensors",
    "claims --only P6 --checkpoint m.safetensors --html m.safetensors",
    "claims --only P7 --fidelity table.json --json table.json",
    "flow m.safetensors --model x:y --json m.safetensors",
]


def test_an_input_is_never_replaced(folder: Path) -> None:
    before = _content(folder)
    for command in REFUSED:
        found = _run(f"{command} --force")
        if command.startswith("flow"):  # it looks for the model first
            assert found.exit_code == 2, command
        else:
            assert (found.exit_code, "read" in found.output) == (2, True), (command, found.output)
            assert "Traceback" not in found.output
        assert "pass --force" not in found.output, command
    assert _content(folder) == before


ALLOWED = [
    "quantize m.safetensors -o M.safetensors --scheme uniform --json plan.json",
    "quantize dir -o dir/small.safetensors --scheme uniform",
    f"audit m.safetensors {' '.join(QUIET)} --json table.json",
    "dequantize q.safetensors -o dir/plain.safetensors",
]


def test_control_neighbours_of_inputs_are_written(folder: Path) -> None:
    before = _content(folder)
    for command in ALLOWED:
        found = _run(f"{command} --force")
        assert found.exit_code == 0, (command, found.output)
    now = _content(folder)
    changed = {Path(path).name for path, data in before.items() if now[path] != data}
    assert changed == {"plan.json", "table.json"}


def test_devices_are_written_to_without_force(folder: Path) -> None:
    before = Path("/dev/null").stat()
    os.mkfifo("pipe.safetensors")
    for command in (
        "quantize m.safetensors -o new.safetensors --scheme uniform --json /dev/null",
        f"audit m.safetensors {' '.join(QUIET)} --json /dev/null --csv /dev/null --html /dev/null",
        "codebook --source gaussian --bits 1 --json /dev/null",
        "dequantize q.safetensors -o /dev/null",
        "quantize m.safetensors -o /dev/null --scheme uniform",
    ):
        found = _run(command)
        assert found.exit_code == 0, (command, found.output)
        if "-o /dev/null" in command:  # what is not kept is not offered for the next step
            assert found.output.splitlines()[-1] == "Next: name a file, /dev/null keeps nothing."
    assert os.path.samestat(before, Path("/dev/null").stat())
    assert not list(Path().glob(".*"))


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_private_checkpoint_gives_private_files(folder: Path, mode: int) -> None:
    Path("m.safetensors").chmod(mode)
    Path("q.safetensors").chmod(mode)
    for command in (
        "quantize m.safetensors -o new.safetensors --scheme uniform --json new.json",
        "quantize m.safetensors -o new --scheme uniform",
        f"audit m.safetensors {' '.join(QUIET)} --json a.json --csv a.csv --html a.html",
        "dequantize q.safetensors -o plain.safetensors",
        "export q.safetensors -o exported",
        "quantize m.safetensors --plan-only -o new-plan.json",
    ):
        found = _run(command)
        assert found.exit_code == 0, (command, found.output)
    made = ["new.safetensors", "new.json", "new/model.safetensors", "new/config.json", "a.json", "a.csv"]
    made += ["a.html", "plain.safetensors", "exported/config.json", "new-plan.json"]
    found_modes = {name: stat.S_IMODE(Path(name).stat().st_mode) for name in made}
    assert found_modes == dict.fromkeys(made, mode & 0o644)


@pytest.mark.parametrize("name", ["small.pt", "small.pth", "small.bin", "small.json", "small.PT"])
def test_the_name_of_another_kind_of_file_is_no_folder(folder: Path, name: str) -> None:
    for command in ("quantize m.safetensors -o", "export q.safetensors -o"):
        found = _run(f"{command} {name}")
        assert found.exit_code == 2
        assert "ends in .safetensors, or a folder" in found.output
    assert not Path(name).exists()


def test_control_folders_with_dots(folder: Path) -> None:
    assert _run("quantize m.safetensors -o small-v1.5 --scheme uniform").exit_code == 0
    assert Path("small-v1.5/model.safetensors").is_file()
    assert _run("quantize m.safetensors -o S.SafeTensors --scheme uniform").exit_code == 0
    assert Path("S.SafeTensors").is_file()


@pytest.mark.parametrize("name", [lambda n: "x" * (n - 12) + ".safetensors", lambda n: "y" * n])
def test_long_names_are_refused_before_the_work(folder: Path, name: Callable[[int], str]) -> None:
    found = _run(f"quantize m.safetensors -o {name(246)} --scheme uniform")
    assert found.exit_code == 2
    assert "246 bytes, and 245 is the most" in found.output
    assert _run(f"quantize m.safetensors -o {name(245)} --scheme uniform").exit_code == 0


# --- work folders --------------------------------------------------------------------------------------


WRITERS = [
    ("quantize m.safetensors", "small.safetensors", ""),
    ("quantize m.safetensors", "small.safetensors", " --resume"),
    ("quantize m.safetensors", "small", ""),
    ("export q.safetensors", "small", ""),
    ("dequantize q.safetensors", "small.safetensors", ""),
]


@pytest.mark.parametrize(("command", "out", "resume"), WRITERS)
def test_a_foreign_folder_is_not_emptied(folder: Path, command: str, out: str, resume: str) -> None:
    theirs = folder / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("precious")
    (theirs / "lock").write_text("theirs")
    (theirs / f"{'0' * 32}.safetensors").write_text("precious")
    before = _content(folder)
    work = Path(f".{out}.fmq-work")
    work.symlink_to(theirs)
    found = _run(f"{command} -o {out} --force{resume}")
    assert (found.exit_code, "a link" in found.output) == (2, True)
    work.unlink()
    theirs.rename(work)  # the folder itself, in the place of ours
    found = _run(f"{command} -o {out} --force{resume}")
    assert (found.exit_code, "not made by fmq" in found.output) == (2, True)
    work.rename(theirs)
    assert _content(folder) == before
    assert _run(f"{command} -o {out} --force{resume}").exit_code == 0  # control
    assert not work.exists()


@pytest.mark.filterwarnings("default:.*first version of the format")
def test_a_file_of_the_first_format_is_read_with_a_word(folder: Path) -> None:
    old = Path(__file__).parents[1] / "reference" / "quantized-1.safetensors"
    found = _run(f"dequantize {old} -o plain.safetensors")
    assert found.exit_code == 0
    assert "Note: checkpoint" in found.stderr
    assert "first version of the format" in found.stderr
    assert "UserWarning" not in found.stderr
    assert "Note:" not in _run("dequantize q.safetensors -o plain2.safetensors").stderr  # control
