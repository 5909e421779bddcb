"""``fmq compare``: what it prints, the files it writes, and what it refuses in the words of options."""

import csv
import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file

from fmq_theory.checkpoint import Choice, Recipe, write_quantized
from fmq_theory.cli.main import main
from tests.checkpoint.made_tensors import drawn

LONG = "blocks.0.attention.query_and_key_and_value.projection.weight"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An original, the same in half precision, in fp8 with a scale, and by fmq."""
    monkeypatch.chdir(tmp_path)
    state = {"in.weight": drawn(16, 64), LONG: drawn(32, 64, seed=1), "in.bias": drawn(16, seed=2)}
    save_file(state, "original.safetensors")
    save_file({name: value.half() for name, value in state.items()}, "half.safetensors")
    scale = state[LONG].abs().max() / 448
    fp8 = {LONG: (state[LONG] / scale).to(torch.float8_e4m3fn), f"{LONG}_scale": scale}
    save_file({**state, **fp8}, "fp8.safetensors")
    recipes = [Recipe(name, Choice("lloyd_max", 4)) for name in ("in.weight", LONG)]
    write_quantized(Path("original.safetensors"), Path("small.safetensors"), recipes)


def _run(*arguments: str, width: int = 150, code: int = 0) -> Result:
    found = CliRunner().invoke(main, ["compare", *arguments], env={"COLUMNS": str(width)})
    assert found.exit_code == code, found.output
    return found


ALL = ("original.safetensors", "half.safetensors", "fp8.safetensors", "small.safetensors")


def test_three_files_side_by_side() -> None:
    printed = _run(*ALL).output
    for words in (
        "float16",
        "fp8 e4m3, a scale a tensor",
        "fmq lloyd_max a channel, 4 bits",
        LONG,
        "in.weight",
    ):
        assert words in printed
    rows = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    assert "1.00×" in rows["half.safetensors"]
    assert "fewer than 2 dimensions: in.bias" in printed
    assert "Next: fmq quantize original.safetensors --budget" not in printed  # half is the best of them


def test_json_csv_and_page_hold_the_same_numbers() -> None:
    printed = _run(*ALL, "--json", "a.json", "--csv", "a.csv", "--html", "a.html").output
    assert "JSON: a.json" in printed
    found = json.loads(Path("a.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert [file["path"] for file in found["files"]] == list(ALL[1:])
    small = found["files"][2]
    assert small["totals"]["over_own"] == 1.0
    assert {layer["name"] for layer in small["layers"]} == {"in.weight", LONG}
    rows = list(csv.DictReader(Path("a.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 3 * (2 + 1)
    for row in rows:
        file = next(file for file in found["files"] if file["path"] == row["file"])
        layers = {layer["name"]: layer for layer in file["layers"]} | {"*": file["totals"]}
        assert float(row["sse"]) == layers[row["name"]]["sse"]
        assert float(row["effective_bits"]) == layers[row["name"]]["effective_bits"]
    page = Path("a.html").read_text("utf-8")
    assert page.count('class="layers"') == 3
    again = _run(*ALL, "--json", "a.json", code=2)
    assert "--force" in again.output
    _run(*ALL, "--json", "a.json", "--force")


def test_the_same_file_twice_is_lossless_and_valid_json() -> None:
    printed = _run("original.safetensors", "original.safetensors", "--json", "a.json").output
    assert "Nothing is lost" in printed
    assert " inf " in printed
    text = Path("a.json").read_text("utf-8")
    assert "Infinity" not in text
    assert json.loads(text)["files"][0]["totals"]["sqnr_db"] == "inf"


def test_nothing_is_cut_at_any_width() -> None:
    words = {width: set(_run(*ALL, width=width).output.split()) for width in (60, 80, 100, 120, 140, 160)}
    for width, found in words.items():
        assert not any("…" in word for word in found), width
        assert LONG in found, width
        # Narrow tables repeat a heading or stack the cells; no number and no name is lost.
        assert {word for word in words[160] if not set(word) <= set("─")} <= found, width


def test_without_the_best_and_with_fewer_layers() -> None:
    printed = _run("original.safetensors", "small.safetensors", "--no-best", "--worst", "1").output
    assert "best:" not in printed
    titled = printed.split("Worst layers")[1].split("What follows")[0]
    assert sum(name in titled for name in ("in.weight", LONG)) == 1


def test_names_of_a_file() -> None:
    save_file({"x": drawn(16, 64), "y": drawn(32, 64, seed=1)}, "other.safetensors")
    Path("names.json").write_text(json.dumps({"in.weight": "x", LONG: "y"}), "utf-8")
    _run("original.safetensors", "other.safetensors", "--names", "names.json", "--json", "a.json")
    (file,) = json.loads(Path("a.json").read_text("utf-8"))["files"]
    assert {layer["name"]: layer["stored_name"] for layer in file["layers"]} == {"in.weight": "x", LONG: "y"}
    Path("names.json").write_text("[1]", "utf-8")
    refused = _run("original.safetensors", "other.safetensors", "--names", "names.json", code=2)
    assert "it is no JSON object" in refused.output


def test_refusals_speak_of_options() -> None:
    save_file({"in.weight": drawn(16, 64)}, "part.safetensors")
    missing = _run("original.safetensors", "part.safetensors", code=2).output
    assert "do not belong together" in missing
    assert "--allow-missing" in missing
    assert "1 layer," in _run("original.safetensors", "part.safetensors", "--allow-missing").output
    quantized = _run("small.safetensors", "original.safetensors", code=2).output
    assert "it is quantized itself" in quantized
    twins = {"a": drawn(4, 8), "b": 1.001 * drawn(4, 8)}
    save_file(twins, "twins.safetensors")
    save_file({"x": twins["a"].bfloat16(), "y": twins["b"].bfloat16()}, "renamed.safetensors")
    assert "pass --names FILE" in _run("twins.safetensors", "renamed.safetensors", code=2).output
    bad = drawn(16, 64)
    bad[0, 0] = float("inf")
    save_file({"in.weight": bad}, "inf.safetensors")
    infinite = _run("original.safetensors", "inf.safetensors", "--allow-missing", code=2).output
    assert "--on-nonfinite skip" in infinite


def test_no_input_becomes_an_output() -> None:
    refused = _run(*ALL[:2], "--json", "half.safetensors", "--force", code=2).output
    assert "half.safetensors" in refused
    assert Path("half.safetensors").stat().st_size > 1000
    assert _run("original.safetensors", "none.safetensors", code=2).output.count("there is no such file") == 1
