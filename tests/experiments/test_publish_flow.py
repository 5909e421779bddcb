"""What is kept of a run: the page with its links mended, the JSON as it is, the figures asked for."""

from pathlib import Path

import pytest

from experiments.publish_flow import main, page, publish

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
