"""``fmq claims``: what it prints, writes and refuses. The verdicts themselves: tests/claims."""

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file

from fmq_theory.claims.engine.claim import Claim, Inputs, Origin, Values
from fmq_theory.claims.register import register
from fmq_theory.claims.register.register import REGISTER
from fmq_theory.cli.claims import claims
from fmq_theory.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("P1", "P2", "P3", "P7", "C9", "C12", "C16")


pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A register of the quick claims only."""
    monkeypatch.setattr(register, "REGISTER", {key: REGISTER[key] for key in QUICK})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(claims, arguments)


def _replaced(monkeypatch: pytest.MonkeyPatch, claim: Claim) -> None:
    monkeypatch.setattr(register, "REGISTER", {claim.id: claim})


def test_only_prints_a_line_of_evidence_for_each() -> None:
    result = run("--only", "P1,P2", "--only", "C9")
    assert result.exit_code == 0, result.output
    for expected in (
        "P1",
        "P2",
        "C9",
        "CERTIFIED",
        "expanding field",
        "would have noticed",
        "3 claims: 3 CERTIFIED",
    ):
        assert expected in result.output
    assert "P3" not in result.output


def test_json_is_printed_or_written() -> None:
    shown = run("--only", "P1,P7", "--json")
    assert shown.exit_code == 0
    report = json.loads(shown.stdout)
    assert {claim["id"]: claim["verdict"] for claim in report["claims"]} == {
        "P1": "CERTIFIED",
        "P7": "INCONCLUSIVE",
    }
    assert "--fidelity" in report["claims"][1]["evidence"]
    assert run("--only", "P1,P7", "--json", "out.json", "--html", "out.html").exit_code == 0
    assert json.loads(Path("out.json").read_text()) == report
    assert "P7" in Path("out.html").read_text()


@pytest.mark.usefixtures("small")
def test_write_then_check_then_stale() -> None:
    absent = run("--check")
    assert absent.exit_code == 1
    Path("docs").mkdir()
    assert run("--write").exit_code == 0
    document = Path("docs/claims.md")
    first = document.read_bytes()
    assert run("--write").exit_code == 0
    assert document.read_bytes() == first
    assert run("--check").exit_code == 0
    document.write_text(document.read_text().replace("CERTIFIED", "certain"))
    stale = run("--check")
    assert stale.exit_code == 1
    assert "stale" in stale.output


def test_a_control_that_passes_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = REGISTER["C6"]
    assert claim.negative_control is not None
    lenient = replace(claim, negative_control=replace(claim.negative_control, predict=claim.predict))
    _replaced(monkeypatch, lenient)
    result = run()
    assert result.exit_code == 1
    assert "control was not caught" in result.output


def test_a_refuted_claim_of_ours_fails_the_command_and_one_of_the_paper_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lower(inputs: Inputs) -> Values:
        return {case: value * Fraction(9, 10) for case, value in REGISTER["C16"].predict(inputs).items()}  # type: ignore[union-attr,operator]

    wrong = replace(REGISTER["C16"], predict=lower)
    for origin, code in ((Origin.OURS, 1), (Origin.PAPER, 0)):
        _replaced(monkeypatch, replace(wrong, origin=origin))
        result = run()
        assert "REFUTED" in result.output
        assert result.exit_code == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "P9"), "P4-EM"),
        (("--only", "P1", "--write"), "whole register"),
        (("--only", "P1", "--check"), "whole register"),
        (("--only", "P6", "--checkpoint", "absent.pt"), "absent.pt"),
        (("--only", "P7", "--fidelity", "absent.json"), "absent.json"),
        (("--only", "P1", "--include", "ema.*"), "no meaning without --checkpoint"),
        (("--only", "P1", "--json", "absent/out.json"), "does not exist"),
        (("--write",), "does not exist"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_folder_is_a_checkpoint_and_its_tensors_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Inputs] = []

    def measure(inputs: Inputs) -> Values:
        given.append(inputs)
        return REGISTER["C16"].measure(inputs)  # type: ignore[return-value]

    _replaced(monkeypatch, replace(REGISTER["C16"], measure=measure))
    Path("model").mkdir()
    save_file({"ema.w": torch.randn(4, 512)}, "model/model.safetensors")
    result = run("--checkpoint", "model", "--include", "ema.*", "--include", "x")
    assert result.exit_code == 0, result.output
    assert {(inputs.checkpoint, inputs.include) for inputs in given} == {(Path("model"), ("ema.*", "x"))}


def test_samples_are_taken_into_account() -> None:
    rows = [
        {"scheme": scheme, "bits": bits, "psnr_db": psnr, "ssim": psnr / 100}
        for bits in (2, 3)
        for scheme, psnr in (("equal_mass", 20.0), ("uniform", 9.0))
    ]
    Path("samples.json").write_text(json.dumps({"rows": rows}))
    result = run("--only", "P7", "--fidelity", "samples.json")
    assert result.exit_code == 0
    assert "SUPPORTED" in result.output


def test_several_runs_are_judged_together_and_the_document_takes_the_committed_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(register, "REGISTER", {"P7": REGISTER["P7"]})
    folder = Path("docs/results")
    folder.mkdir(parents=True)
    for name, psnr in (("flow-good", 20.0), ("flow-bad", 5.0), ("other", 1.0)):
        rows = [
            {"scheme": scheme, "bits": 2, "psnr_db": value}
            for scheme, value in (("equal_mass", psnr), ("pwl", 9.0))
        ]
        (folder / f"{name}.json").write_text(json.dumps({"subject": name, "rows": rows}))
    files = [part for name in ("good", "bad") for part in ("--fidelity", f"docs/results/flow-{name}.json")]
    result = run("--only", "P7", *files)
    assert "REFUTED" in result.output
    assert "flow-bad PSNR" in result.output
    assert run("--write").exit_code == 0
    text = Path("docs/claims.md").read_text()
    assert "REFUTED" in text
    assert "flow-good PSNR" in text
    assert "other PSNR" not in text
    (folder / "flow-bad.json").unlink()
    assert run("--check").exit_code == 1


def test_a_checkout_brings_its_runs_and_an_installed_package_says_what_is_missing() -> None:
    alone = run("--only", "P7")
    assert "INCONCLUSIVE" in alone.stdout
    assert "This is no checkout" in alone.stderr
    assert "--fidelity FILE" in alone.stderr
    folder = Path("docs/results")
    folder.mkdir(parents=True)
    rows = [
        {"scheme": scheme, "bits": 2, "psnr_db": psnr}
        for scheme, psnr in (("equal_mass", 20.0), ("pwl", 9.0))
    ]
    (folder / "flow-kept.json").write_text(json.dumps({"subject": "kept", "rows": rows}))
    checkout = run("--only", "P7", "--json")
    assert "1 of docs/results/flow-*.json of this checkout" in checkout.stderr
    assert json.loads(checkout.stdout)["claims"][0]["verdict"] == "SUPPORTED"
    # Control: a file that is named is used alone.
    rows[0]["psnr_db"] = 5.0
    Path("named.json").write_text(json.dumps({"subject": "named", "rows": rows}))
    named = run("--only", "P7", "--fidelity", "named.json", "--json")
    assert "kept" not in named.stdout
    assert json.loads(named.stdout)["claims"][0]["verdict"] == "REFUTED"


@pytest.mark.parametrize("only", ["P7,P8,P2-NET,C20", pytest.param("", marks=pytest.mark.deep)])
def test_the_command_the_readme_and_the_document_say_the_same(
    only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    result = run(*(["--only", only] if only else []), "--json")
    assert result.exit_code == 0, result.stderr
    found = {claim["id"]: claim["verdict"] for claim in json.loads(result.stdout)["claims"]}
    document = (ROOT / "docs" / "claims.md").read_text("utf-8")
    told = dict(
        re.findall(r"^\| \[([A-Z0-9-]+)\]\(#[a-z0-9-]+\) \| [^|]+ \| ([A-Z]+) \|", document, re.MULTILINE)
    )
    assert found == (told if not only else {key: told[key] for key in found})
    for page in ("README.md", "docs/findings.md"):
        text = (ROOT / page).read_text("utf-8")
        cells = re.findall(r"\[([A-Z0-9-]+)\]\([a-z/]*claims\.md#[a-z0-9-]+\) ([A-Z]{6,})", text)
        assert len(cells) > 10
        assert {key: word for key, word in cells if key in found}.items() <= found.items()


def test_a_corrupt_checkpoint_is_refused() -> None:
    Path("bad.safetensors").write_bytes(b"\x00" * 40)
    result = run("--only", "P6-EM", "--checkpoint", "bad.safetensors")
    assert result.exit_code == 2
    assert "bad.safetensors" in result.output


def test_named_outputs_are_not_replaced_without_force() -> None:
    Path("out.html").write_text("mine")
    assert run("--only", "P1", "--html", "out.html").exit_code == 2
    assert Path("out.html").read_text() == "mine"
    assert run("--only", "P1", "--html", "out.html", "--force").exit_code == 0
    assert "P1" in Path("out.html").read_text()


def test_group_has_the_command_and_teaches() -> None:
    result = CliRunner().invoke(main, ["claims", "--help"])
    assert result.exit_code == 0
    for expected in ("Examples:", "--checkpoint", "INCONCLUSIVE", "resolution"):
        assert expected in result.output
