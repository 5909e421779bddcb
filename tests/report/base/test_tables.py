"""No label and no number is cut at any width, and none that a wide terminal shows is missing elsewhere."""

import io
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text
from safetensors.numpy import save_file

from fmq_theory.checkpoint.audit import audit
from fmq_theory.claims import compare_law
from fmq_theory.claims.comparison.on_checkpoint import compare_checkpoint
from fmq_theory.claims.engine.claim import Inputs
from fmq_theory.claims.register.register import run_register
from fmq_theory.report.audit.table import print_audit
from fmq_theory.report.base.tables import Line, Section, Sheet, print_prose, print_sheet, terminal
from fmq_theory.report.claims.table import print_claims
from fmq_theory.report.comparison.tables import print_comparison
from fmq_theory.report.flow.tables import print_flow
from fmq_theory.report.health_table import print_health
from fmq_theory.sources import make
from tests.claims.comparison.made_flow_report import made_cell, made_report

WIDTHS = (60, 80, 100, 120, 140, 160)
LONG = "model.diffusion_model.input_blocks.11.1.transformer_blocks.0.attn2.to_out.0.weight"
BITS = tuple(range(2, 9))
SOME = ("uniform", "uniform_clipped", "equal_mass", "lloyd_max", "nf4")

Printer = Callable[[], None]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("tables") / "model.safetensors"
    weights = {"a.weight": rng.standard_t(3, (8, 300)), LONG: rng.standard_normal((6, 4, 5, 7)) * 1e-4}
    save_file({name: array.astype(np.float32) for name, array in weights.items()}, path)
    return path


@pytest.fixture(scope="module")
def printers(checkpoint: Path) -> dict[str, Printer]:
    """What each command prints, made once."""
    of_law = compare_law(make("laplace"), "a law", bits=BITS, schemes=SOME, n=500, repeats=6, seed=0)
    of_data = compare_checkpoint(checkpoint, bits=BITS, schemes=SOME)
    audited = audit(checkpoint, bits=BITS)
    quantized = made_report([*made_report().cells, made_cell("lloyd_max", 5)])
    findings = run_register(("P4-W2", "C2"), Inputs(None, ()))
    health = (("kernel cache", "ok", f"/a/{'long/' * 20}path, 89.5 MB", f"delete /b/{'long/' * 20}path"),)
    return {
        "bounds of a law": lambda: print_comparison(of_law),
        "bounds of data": lambda: print_comparison(of_data),
        "audit": lambda: print_audit(audited),
        "flow": lambda: print_flow(quantized),
        "claims": lambda: print_claims(findings),
        "doctor": lambda: print_health(health),
    }


COMMANDS = ("bounds of a law", "bounds of data", "audit", "flow", "claims", "doctor")


def _printed(
    printer: Printer, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", str(width))
    printer()
    return capsys.readouterr().out


def _words(text: str) -> Counter[str]:
    """Words and numbers; strokes and separators are none."""
    return Counter(word for word in text.split() if re.search(r"\w", word))


@pytest.mark.deep
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_cut_and_nothing_is_missing_at_any_width(
    command: str,
    printers: dict[str, Printer],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    widest = _printed(printers[command], 160, monkeypatch, capsys)
    assert len(_words(widest)) > 5  # the test below would pass on an empty page
    for width in WIDTHS:
        text = _printed(printers[command], width, monkeypatch, capsys)
        assert "…" not in text
        assert _words(widest) - _words(text) == Counter(), width
        # Only what has no place to be broken at may be longer than a line.
        over = [line for line in text.splitlines() if len(line) > width and len(line.split()) > 1]
        assert all(max(map(len, line.split())) > width // 2 for line in over), over


@pytest.mark.parametrize("width", WIDTHS)
def test_a_scheme_and_its_bits_stand_beside_or_above_every_number(
    width: int,
    printers: dict[str, Printer],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = _printed(printers["flow"], width, monkeypatch, capsys).splitlines()
    scheme, bits = "", None
    found: set[tuple[str, str]] = set()
    for line in lines:
        if line.startswith(("uniform (min–max)", "equal mass (paper's OT)", "Lloyd–Max (W2 optimum)")):
            scheme = line.split("  ")[0].strip()
            line = line.removeprefix(scheme)
        bits = re.match(r"\s+(\d)\s+\d+\.\d\d\s", f"{line} ")
        if scheme and bits:
            found.add((scheme, bits[1]))
    assert {bits for name, bits in found if name == "Lloyd–Max (W2 optimum)"} == {"2", "3", "4", "5", "8"}


def _rendered(sheet: Sheet, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    print_sheet(console, sheet)
    return cast("io.StringIO", console.file).getvalue().splitlines()


def test_a_label_longer_than_the_terminal_is_printed_in_one_piece() -> None:
    sheet = Sheet([Section(LONG, [Line(("1.5", "bounded"))])], ("error", "tail"), label="tensor")
    assert LONG in _rendered(sheet, 60)
    assert "  error 1.5 · tail bounded" in _rendered(sheet, 60)
    assert any(line.startswith(LONG) and line.endswith("bounded") for line in _rendered(sheet, 160))


def test_markup_in_a_label_is_a_label() -> None:
    sheet = Sheet([Section("[/] [red]x", [Line((Text("1", style="green"),))])], ("error",), label="tensor")
    assert any("[/] [red]x" in line for line in _rendered(sheet, 60))


def test_a_note_stands_in_place_of_numbers_and_is_said_once() -> None:
    note = "no codebook of this size, because the table has sixteen levels"
    lines = [Line((), "2", note), Line(["0.123456789"] * 9, "3")]
    sheet = Sheet([Section("NF4", lines)], [f"column {place}" for place in range(9)], "scheme", "bits")
    for width in (40, 60, 200):
        text = " ".join(" ".join(_rendered(sheet, width)).split())
        assert text.count("sixteen") == 1
        assert text.count("0.123456789") == 9


def test_a_pipe_is_wide_unless_columns_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal().width == 150
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal().width == 72
    for nonsense in ("", "wide", "0", "-3"):
        monkeypatch.setenv("COLUMNS", nonsense)
        assert terminal().width == 150
    monkeypatch.setenv("COLUMNS", "1")
    assert terminal().width == 20


def test_prose_is_broken_between_words_only(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/a/" + "long/" * 30
    print_prose(Console(width=40), f"see {path} for the rest", head="Note.", indent=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  Note. see"
    assert f"  {path}" in lines
