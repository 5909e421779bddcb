"""What is kept of a run: the page with its links mended, the JSON as it is, the figures asked for."""

import json
from pathlib import Path

import pytest

from experiments.documents.publish_flow import main, page, publish, publish_figures
from fmq_theory.errors import OutputError

_PAGE = (
    "# Quantized flow\n\nWritten by `fmq flow`.\n\n- a note\n\n![ladder](ladder.svg)\n\n![error](error.svg)\n"
)


def _run(folder: Path) -> Path:
    folder.mkdir()
    (folder / "report.md").write_text(_PAGE, "utf-8")
    (folder / "flow.json").write_text('{"rows": []}\n', "utf-8")
    (folder / "ladder.svg").write_text("<svg/>", "utf-8")
    return folder


def test_links_go_to_the_figures_that_are_kept() -> None:
    text = page(_PAGE, "net", ["ladder"], ["python -m train", "python -m classify"])
    assert "![ladder](../figures/flow-net-ladder.svg)" in text
    assert "error" not in text
    assert "Written by `python -m train`, `python -m classify` and then `fmq flow`." in text
    assert text.endswith("svg)\n")


def test_publish(tmp_path: Path) -> None:
    for room in ("results", "figures"):
        (tmp_path / "docs" / room).mkdir(parents=True)
    run = _run(tmp_path / "run")
    written = publish(run, "net", ["ladder"], [], tmp_path)
    assert [path.name for path in written] == ["flow-net.md", "flow-net.json", "flow-net-ladder.svg"]
    assert written[1].read_bytes() == (run / "flow.json").read_bytes()


def test_a_run_that_is_not_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(_run(tmp_path / "run")), "net", "--figures", "ladder,error"]) == 2
    assert "it has no error.svg" in capsys.readouterr().err


def _kept(tmp_path: Path, images: str) -> tuple[Path, Path]:
    """A published run, and another one whose full-precision samples are "abc"."""
    for room in ("results", "figures"):
        (tmp_path / "docs" / room).mkdir(parents=True)
    run = _run(tmp_path / "run")
    (run / "flow.json").write_text(json.dumps({"full_precision": {"images": images}}), "utf-8")
    publish(run, "net", ["ladder"], [], tmp_path)
    (run / "flow.json").write_text(json.dumps({"full_precision": {"images": "abc"}}), "utf-8")
    (run / "report.md").write_text(_PAGE.replace("`fmq flow`", "`fmq flow --seeds 1`"), "utf-8")
    (run / "ladder.svg").write_text("<svg>new</svg>", "utf-8")
    return run, tmp_path / "docs"


def test_a_figure_of_another_run_from_the_same_noise_says_so(tmp_path: Path) -> None:
    run, docs = _kept(tmp_path, "abc")
    numbers = (docs / "results" / "flow-net.json").read_bytes()
    for _ in range(2):  # again: the sentence stands there once
        publish_figures(run, "net", ["ladder"], tmp_path)
        text = (docs / "results" / "flow-net.md").read_text("utf-8")
        assert text.count("whose full-precision samples are the same: `fmq flow --seeds 1`.") == 1
        assert "Written by `fmq flow`." in text
        assert text.endswith("`.\n")
    assert (docs / "figures" / "flow-net-ladder.svg").read_text("utf-8") == "<svg>new</svg>"
    assert (docs / "results" / "flow-net.json").read_bytes() == numbers


@pytest.mark.parametrize(("images", "figure"), [("abd", "ladder"), ("abc", "error")])
def test_control_other_noise_or_another_figure_replaces_nothing(
    tmp_path: Path, images: str, figure: str
) -> None:
    run, docs = _kept(tmp_path, images)
    (run / "error.svg").write_text("<svg/>", "utf-8")
    before = {path: path.read_bytes() for path in docs.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match=r"samples are not those|has no figure 'error'"):
        publish_figures(run, "net", [figure], tmp_path)
    assert {path: path.read_bytes() for path in docs.rglob("*") if path.is_file()} == before
