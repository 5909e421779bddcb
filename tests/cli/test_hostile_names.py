"""Files whose names attack the terminal, the page, the spreadsheet and the shell, through every command."""

import csv
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file

from fmq_theory.cli.main import main
from tests.hostile_names import HOSTILE, SURROGATES, unseen

FAST = ("--schemes", "uniform,lloyd_max,equal_mass", "--bits", "2,3")


pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


def _run(*arguments: object, code: int | None = 0, most: int = 60_000) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert code is None or result.exit_code == code, result.output
    assert unseen(result.stdout) == [], result.stdout
    assert unseen(result.stderr) == [], result.stderr
    assert len(result.output) < most  # no name floods it
    return result


def _tensors(names: list[str]) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(0)
    return {name: torch.from_numpy(rng.normal(size=(4, 32)).astype(np.float32)) for name in names}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Every hostile name as a weight, and with an ending as something that is left out."""
    tensors = _tensors(list(HOSTILE.values()))
    tensors |= {f"{name}.bias": torch.zeros(4) for name in HOSTILE.values()}
    save_file(tensors, tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def _strict_json(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = path.read_bytes().decode("utf-8", "strict")
    assert unseen(text) == []
    found = json.loads(text, parse_constant=refuse)
    json.dumps(found, ensure_ascii=False).encode("utf-8")  # no half of a surrogate pair
    return found


def test_audit(model: Path) -> None:
    result = _run("audit", model, *FAST, "--json", "a.json", "--csv", "a.csv", "--html", "a.html", "--resume")
    assert not [line for line in result.output.splitlines() if line.startswith("Verdict")]  # none is forged
    told = _strict_json(Path("a.json"))
    assert {tensor["name"] for tensor in told["tensors"]} == set(HOSTILE.values())  # whole
    with Path("a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) > len(HOSTILE)
    for row in rows:
        for cell in row:
            assert unseen(cell) == []
            assert "\n" not in cell
            if not re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", cell):
                assert cell.strip()[:1] not in {"=", "+", "-", "@", "\t", "\r", "\uff1d"}, cell
    page = Path("a.html").read_text("utf-8")
    assert unseen(page) == []
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "x" * 400 not in page
    again = _run("audit", model, *FAST, "--resume", "--json", "b.json")
    assert "finished before" in again.output
    assert _strict_json(Path("b.json"))["tensors"] == told["tensors"]


def test_compare(model: Path, tmp_path: Path) -> None:
    """The names in both files, and files that do not belong together, of which the errors name them."""
    half = {name: value.half() for name, value in _tensors(list(HOSTILE.values())).items()}
    save_file(half, tmp_path / "half.safetensors")
    files = ("--json", "a.json", "--csv", "a.csv", "--html", "a.html")
    result = _run("compare", model, tmp_path / "half.safetensors", "--worst", "99", *files)
    assert not [line for line in result.output.splitlines() if line.startswith("Verdict")]
    (told,) = _strict_json(Path("a.json"))["files"]
    assert {layer["name"] for layer in told["layers"]} == set(HOSTILE.values())
    with Path("a.csv").open(newline="", encoding="utf-8") as file:
        for cell in (cell for row in csv.reader(file) for cell in row):
            assert unseen(cell) == []
            if not re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", cell):
                assert cell.strip()[:1] not in {"=", "+", "-", "@", "\t", "\r", "\uff1d"}, cell
    page = Path("a.html").read_text("utf-8")
    assert unseen(page) == []
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    others = {f"{name}.other": value.flip(1) for name, value in half.items()}
    save_file(others, tmp_path / "other.safetensors")
    _run("compare", model, tmp_path / "other.safetensors", code=2)


def test_audit_at_the_widths_of_a_terminal(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in ("60", "160"):
        monkeypatch.setenv("COLUMNS", width)
        _run("audit", model, *FAST)


def test_quantize_dequantize_and_plans(model: Path) -> None:
    result = _run("quantize", model, "-o", "q.safetensors", "--bits", "2", "--json", "q.json")
    assert "\nVerdict" not in result.output
    _strict_json(Path("q.json"))
    _run(
        "quantize", model, "-o", "r.safetensors", "--bits", "2", "--json", most=200_000
    )  # JSON has names whole
    _run("dequantize", "q.safetensors", "-o", "plain.safetensors")
    _run("quantize", model, "-o", "plan.json", "--bits", "2", "--plan-only")
    _run("quantize", model, "-o", "s.safetensors", "--plan", "plan.json")
    _run("audit", "q.safetensors", "--json", "stored.json")
    _strict_json(Path("stored.json"))
    _run("export", "q.safetensors", "-o", "out", code=None)


def test_bounds_on_a_checkpoint(model: Path) -> None:
    files = ("--json", "b.json", "--csv", "b.csv", "--plot", "b.svg")
    _run("bounds", "--checkpoint", model, *FAST, *files)
    _strict_json(Path("b.json"))


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_errors_about_a_tensor_are_one_line(name: str) -> None:
    tensors = _tensors([name])
    tensors[name][0, 0] = float("nan")
    save_file(tensors, "nan.safetensors")
    for command in (
        ("audit", "nan.safetensors", *FAST),
        ("quantize", "nan.safetensors", "-o", "q.safetensors"),
        ("bounds", "--checkpoint", "nan.safetensors", "--no-plot", *FAST),
        ("audit", "nan.safetensors", f"--include={name}x"),
        ("bounds", "--checkpoint", "nan.safetensors", f"--include={name}x", "--no-plot"),
    ):
        result = _run(*command, code=2)
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert len(result.stderr) < 4000


@pytest.mark.parametrize("name", SURROGATES.values(), ids=SURROGATES)
def test_names_that_are_no_unicode(name: str) -> None:
    torch.save({name: _tensors(["w"])["w"], "w": torch.ones(2, 4)}, "m.pt")
    for command in (
        ("audit", "m.pt", *FAST, "--json", "a.json", "--csv", "a.csv", "--html", "a.html", "--force"),
        ("bounds", "--checkpoint", "m.pt", *FAST, "--json", "b.json", "--csv", "b.csv", "--plot", "b.svg"),
        ("quantize", "m.pt", "-o", "q.safetensors", "--bits", "2", "--json", "q.json", "--force"),
    ):
        assert len(_run(*command, code=2).stderr.splitlines()) == 1
    assert {path.name for path in Path().iterdir()} == {"m.pt"}


@pytest.mark.deep
@pytest.mark.parametrize("name", [n for n in HOSTILE.values() if "\x00" not in n and len(n) < 80])
def test_names_of_files(name: str, model: Path) -> None:
    folder = Path(name.replace("/", ":"))
    folder.mkdir()
    path = folder / "m.safetensors"
    save_file({"w": torch.from_numpy(np.random.default_rng(0).normal(size=(4, 32)))}, path)
    where = ("--", path)
    result = _run("audit", *FAST, "--html", "a.html", "--json", "a.json", *where)
    commands = re.findall(r"fmq quantize .*? -o OUT", result.output)
    assert len(commands) == 2
    if escaped_is_plain(name):
        assert Path(shlex.split(commands[0])[2]) == path
    _strict_json(Path("a.json"))
    assert unseen(Path("a.html").read_text("utf-8")) == []
    _run("quantize", "-o", "q.safetensors", "--bits", "2", *where)
    _run("quantize", "-o", "plan.json", "--bits", "2", "--plan-only", *where)
    missing = _run("audit", "--", folder / "none.safetensors", code=2)
    assert len(missing.stderr.splitlines()) == 1
    for option in ("--plan", "--sensitivities"):
        refused = _run("quantize", model, "-o", "q2", "--budget", "3", f"{option}={folder / 'none'}", code=2)
        assert len(refused.stderr.splitlines()) <= 4  # usage, an empty line, the error


def escaped_is_plain(name: str) -> bool:
    """Whether shlex reads the quotes; $'...' is read by a shell only, see tests/test_shown.py."""
    return unseen(name) == [] and name.isprintable() and "\u3164" not in name


def test_a_shard_of_a_hostile_name() -> None:
    for shard in ("a\nb.safetensors", "\x1b[2J.safetensors", "x" * 5000 + ".safetensors", "../../etc/passwd"):
        index = {"metadata": {}, "weight_map": {"w": shard}}
        Path("model.safetensors.index.json").write_text(json.dumps(index))
        result = _run("audit", "model.safetensors.index.json", code=2)
        assert len(result.stderr.splitlines()) == 1
        assert len(result.stderr) < 2000


def test_what_was_typed_is_no_line_of_its_own() -> None:
    for arguments in (("audit", "a", "b\nError: none"), ("aud\nit",), ("audit", "--bits", "2\n\x1b[2J", "m")):
        assert "\n\x1b" not in _run(*arguments, code=2).output


def test_control_the_check_sees_what_it_is_for() -> None:
    assert unseen("a\x1bb") == ["'\\x1b'"]
    assert unseen("a\u202eb") == ["'\\u202e'"]
    assert unseen("ρ_W2 ≤ 1\n") == []


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX")
def test_a_path_that_is_no_unicode() -> None:
    name = os.fsdecode(b"m\xff.safetensors")
    save_file({"w": torch.ones(4, 8) * torch.arange(8)}, name)
    result = _run("audit", name, *FAST, "--json", "a.json", "--html", "a.html", code=None)
    assert result.exit_code in {0, 2}


@pytest.mark.parametrize("length", [200, 243, 300])
def test_long_names_of_files(length: int) -> None:
    name = "n" * (length - len(".safetensors")) + ".safetensors"
    if length < 256:
        save_file({"w": torch.from_numpy(np.random.default_rng(0).normal(size=(4, 32)))}, name)
    code = 0 if length < 256 else 2
    for command in (
        ("audit", name, *FAST, "--resume", "--json", "j" * (length - 5) + ".json"),
        ("bounds", "--checkpoint", name, *FAST, "--csv", "c" * (length - 4) + ".csv"),
    ):
        result = _run(*command, code=code)
        assert code == 0 or len(result.stderr.splitlines()) == 1
    # The folder of the work has the output's name and more: written, or refused in a line.
    result = _run("quantize", name, "-o", "q" * (length - 12) + ".safetensors", "--bits", "2", code=None)
    assert result.exit_code in {0, 2}
    assert (result.exit_code == 0) == (length < 256)
