"""fmq audit from the command line: tables, files, refusals."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file

from fmq_theory.checkpoint.audit import AUDIT_SCHEMES
from fmq_theory.checkpoint.audit.budgets import BUDGETS as AUDIT_BUDGETS
from fmq_theory.cli.audit import BUDGETS, audit
from fmq_theory.cli.quantize import quantize
from fmq_theory.cli.scheme_names import AUDITED, COMPARED, NAMES, SAMPLED, USUAL
from fmq_theory.quantizers import SCHEMES

FAST = ("--schemes", "uniform,equal_mass,lloyd_max", "--bits", "2,4")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    path = tmp_path / "model one.safetensors"
    state = {
        "a.weight": torch.from_numpy(rng.normal(size=(4, 96)).astype(np.float32)),
        "b.weight": torch.from_numpy(rng.standard_t(3, size=(8, 48)).astype(np.float32)),
        "b.bias": torch.zeros(8),
    }
    save_file(state, path)
    return path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(audit, list(arguments), catch_exceptions=False)


def _refused(*arguments: str) -> str:
    result = _run(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_names_are_those_of_the_library() -> None:
    assert tuple(SCHEMES) == NAMES
    assert AUDITED == AUDIT_SCHEMES
    assert set(USUAL) < set(AUDITED)
    assert tuple(float(size) for size in BUDGETS.split(",")) == AUDIT_BUDGETS
    assert set(SAMPLED) < set(COMPARED) < set(NAMES)


def test_tables_and_what_to_do_next(model: Path) -> None:
    result = _run(str(model), *FAST)
    assert result.exit_code == 0
    for words in ("2 tensors", "768 weights", "Lloyd–Max", "Worst layers", "What follows.", "b.bias", "size"):
        assert words in result.output, words
    assert f"Next: fmq quantize '{model}'" in result.output


def test_theory_is_shown_where_it_is_asked_for(model: Path) -> None:
    plain, told = (_run(str(model), *FAST, *more).output for more in ((), ("--theory",)))
    for words in ("ρ_W2", "ρ_EM", "b*", "tail"):
        assert words not in plain
        assert words in told


def test_budgets_of_ones_own(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    _run(str(model), *FAST, "--budgets", "4.5,3.75", "--json", str(path))
    points = json.loads(path.read_text("utf-8"))["budgets"]
    assert [point["budget_bits"] for point in points] == [3.75, 4.5]
    assert "least error at each size" not in _run(str(model), *FAST, "--budgets", "none").output
    assert "no sizes" in _refused(str(model), "--budgets", "3,-1")
    assert "no sizes" in _refused(str(model), "--budgets", "3 KB")


def test_of_a_quantized_file_it_tells_what_is_stored(model: Path, tmp_path: Path) -> None:
    made, told = tmp_path / "small.safetensors", tmp_path / "stored.json"
    arguments = [str(model), "-o", str(made), "--granularity", "tensor", "--bits", "3"]
    assert CliRunner().invoke(quantize, arguments, catch_exceptions=False).exit_code == 0
    said = _run(str(made), "--json", str(told)).output
    config = json.loads(told.read_text("utf-8"))["quantization_config"]
    assert "2 tensors, 768 weights" in " ".join(said.split())
    for name, entry in config["tensors"].items():
        row = next(line.split() for line in said.splitlines() if line.startswith(name))
        assert row[1:] == ["×".join(map(str, entry["shape"])), "Lloyd–Max", "3", "tensor",
                           f"{entry['effective_bits']:.2f}", f"{entry['mse']:.3g}"]  # fmt: skip
    assert "Next: fmq compare ORIGINAL" in said
    assert "relative error" not in said.lower()  # nothing was measured
    said = _refused(str(made), "--bits", "3", "--html", str(tmp_path / "a.html"))
    assert "leave out --bits, --html" in said
    assert json.loads(_run(str(made), "--json").stdout)["quantization_config"] == config


def test_files_of_other_tools_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "fp8.safetensors"
    weight = torch.randn(8, 32)
    scale = weight.abs().max() / 448
    eight = (weight / scale).to(torch.float8_e4m3fn)
    save_file({"l.weight": eight, "l.weight_scale": scale}, path)
    assert "it is quantized already: fp8 e4m3" in _refused(str(path), *FAST)
    result = CliRunner().invoke(quantize, [str(path), "-o", str(tmp_path / "small")])
    assert "it is quantized already: fp8 e4m3" in " ".join(result.output.split())
    assert result.exit_code == 2
    assert not (tmp_path / "small").exists()


def test_json_and_csv_agree(model: Path, tmp_path: Path) -> None:
    json_path, csv_path = tmp_path / "a.json", tmp_path / "a.csv"
    assert _run(str(model), *FAST, "--json", str(json_path), "--csv", str(csv_path)).exit_code == 0
    report = json.loads(json_path.read_text("utf-8"))
    rows = list(csv.DictReader(csv_path.read_text("utf-8").splitlines()))
    assert len(rows) == 3 * 2 * 3  # two tensors and the whole, three schemes, two bit-widths
    for scheme in ("uniform", "equal_mass", "lloyd_max"):
        for bits in (2, 4):
            mine = [r for r in rows if (r["scheme"], r["bits"]) == (scheme, str(bits))]
            whole = next(r for r in mine if r["tensor"] == "*")
            assert float(whole["sse"]) == pytest.approx(
                math.fsum(float(r["sse"]) for r in mine if r["tensor"] != "*"), rel=1e-14
            )
            cell = next(c for c in report["totals"]["cells"] if (c["scheme"], c["bits"]) == (scheme, bits))
            assert cell["sse"] == float(whole["sse"])
    assert {s["name"]: s["reason"] for s in report["skipped"]} == {"b.bias": "fewer than 2 dimensions"}
    assert report["environment"]["numpy"]


def test_files_are_refused_before_any_work(model: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("precious")
    assert "--force" in _refused(str(model), *FAST, "--json", str(there))
    assert there.read_text() == "precious"
    assert "does not exist" in _refused(str(model), *FAST, "--csv", str(tmp_path / "no" / "a.csv"))
    assert "same name" in _refused(str(model), "--json", str(there), "--html", str(there), "--force")
    assert _run(str(model), *FAST, "--json", str(there), "--force").exit_code == 0
    assert there.read_text().startswith("{")


def test_bad_input_is_one_line_and_exit_2(model: Path, tmp_path: Path) -> None:
    assert "no such file" in _refused(str(tmp_path / "none.safetensors"))
    empty = tmp_path / "empty.pt"
    empty.touch()
    assert "empty" in _refused(str(empty))
    truncated = tmp_path / "cut.safetensors"
    truncated.write_bytes(model.read_bytes()[:-40])
    assert "truncated or corrupt" in _refused(str(truncated))
    long_header = tmp_path / "long.safetensors"
    long_header.write_bytes((10 * 2**30).to_bytes(8, "little") + b"{}" + bytes(100))
    assert "truncated or corrupt" in _refused(str(long_header))
    assert "no such scheme" in _refused(str(model), "--schemes", "best")
    assert "2 tensors" in _refused(str(model), *FAST, "--group-size", "7")
    assert "fits no tensor" in _refused(str(model), "--include", "decoder.*")
    assert "bits" in _refused(str(model), "--bits", "0-9")
    assert "scheduler" in _refused(str(model), "--backend", "dask")
    assert "--html" in _refused(str(model), "--plan", "plan.json")
    assert "there is no such file" in _refused(
        str(model), "--plan", str(tmp_path / "none.json"), "--html", str(tmp_path / "a.html")
    )
    not_a_plan = tmp_path / "plan.json"
    not_a_plan.write_text("[]")
    _refused(str(model), "--plan", str(not_a_plan), "--html", str(tmp_path / "a.html"))
    assert not (tmp_path / "a.html").exists()


def test_nan_is_named_with_its_count_and_can_be_skipped(tmp_path: Path) -> None:
    bad = torch.ones(4, 8)
    bad[0, :3] = math.nan
    path = tmp_path / "m.safetensors"
    save_file({"good": torch.randn(4, 8), "bad": bad}, path)
    assert "'bad': 3 of its 32 numbers are nan" in _refused(str(path), *FAST)
    result = _run(str(path), *FAST, "--on-nonfinite", "skip")
    assert result.exit_code == 0
    assert "3 of its 32 numbers are nan" in result.output


def test_eight_bits_are_told(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    state = {"plain": torch.randn(4, 64), "ids": torch.zeros(4, 4, dtype=torch.int8)}
    save_file({**state, "eight": torch.randn(4, 64).to(torch.float8_e4m3fn)}, path)
    said = " ".join(_run(str(path), *FAST).output.split())
    assert "1 of 2 tensors are stored in 8 bits already (eight: float8_e4m3fn)" in said
    assert "left out, integers: ids (16 numbers)" in said
    save_file(state, path)
    assert "8 bits already" not in _run(str(path), *FAST).output


def test_resume_does_not_measure_again(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = _run(str(model), *FAST, "--resume")
    assert first.exit_code == 0
    assert (tmp_path / "fmq-audit-model one.jsonl").is_file()
    second = _run(str(model), *FAST, "--resume")
    assert "2 of them finished before" in second.output
    assert "finished before" not in first.output
    # Other settings are other results.
    assert "finished before" not in _run(str(model), "--schemes", "uniform", "--bits", "3", "--resume").output


def test_every_default_fits_a_narrow_terminal(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = _run(str(model), "--schemes", "uniform,equal_mass,lloyd_max")
    assert result.exit_code == 0
    assert all(f"{b} bits" in result.output for b in range(2, 9))  # no bit-width is left out


def test_all_means_all(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert _run(str(model), "--schemes", "all", "--bits", "4", "--json", str(path)).exit_code == 0
    cells = json.loads(path.read_text("utf-8"))["totals"]["cells"]
    assert {cell["scheme"] for cell in cells} == set(SCHEMES)


def test_a_folder_of_parts_says_which_one_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for part in ("unet", "vae"):
        folder = Path("pipeline", part)
        folder.mkdir(parents=True)
        save_file({"w": torch.randn(8, 16)}, folder / "diffusion_pytorch_model.safetensors")
    result = _run("pipeline", *FAST)
    assert result.exit_code == 0, result.output
    assert result.output.startswith(
        "pipeline/unet/diffusion_pytorch_model.safetensors: 1 tensor, 128 weights"
    )
