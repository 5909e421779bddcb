"""The page of a comparison: whole, self-contained, and alive in a real browser."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint.compare import FileScore, compare
from fmq_theory.report.base.words import percent
from fmq_theory.report.compare.page import scores_html, write_scores_html
from fmq_theory.report.compare.words import decibels, times

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
EVIL = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> list[FileScore]:
    folder = tmp_path_factory.mktemp("compare")
    drawn = torch.Generator().manual_seed(0)
    state = {name: torch.randn((8, 32), generator=drawn) for name in ("up.weight", "down.weight", EVIL)}
    save_file(state, folder / "original.safetensors")
    save_file({name: value.bfloat16() for name, value in state.items()}, folder / "half.safetensors")
    coarse = {name: value.to(torch.float8_e5m2) for name, value in state.items()}
    save_file({**coarse, "up.weight": state["up.weight"]}, folder / "mixed.safetensors")
    original = folder / "original.safetensors"
    return [compare(original, folder / f"{name}.safetensors") for name in ("half", "mixed")]


def test_nothing_is_fetched_and_names_are_data(scores: list[FileScore]) -> None:
    page = scores_html(scores)
    assert EVIL not in page
    assert "&lt;/script&gt;" in page
    assert page.count("<script") == page.count("</script>") == 1
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert "--accent" in page  # the style that pages share


def test_numbers_of_the_page_are_those_of_the_scores(scores: list[FileScore]) -> None:
    page = scores_html(scores)
    for score in scores:
        assert percent(score.totals.relative_error) in page
        for layer in score.layers:
            assert f">{percent(layer.relative_error)}</td>" in page
            assert f">{decibels(layer.sqnr_db)}</td>" in page
    assert ">inf</td>" in page  # up.weight was kept in the second file


def test_words_of_numbers() -> None:
    assert [decibels(value) for value in (None, 20.04, float("inf"))] == ["–", "20.0", "inf"]
    assert [times(value) for value in (None, 1.0, 1234.5, float("inf"))] == ["–", "1.00×", "1234×", "inf"]


@pytest.mark.skipif(not any(map(Path.exists, map(Path, CHROMIUM))), reason="needs a chromium")
def test_sorting_and_finding_in_a_browser(scores: list[FileScore], tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    write_scores_html(scores, tmp_path / "a.html")
    program = next(path for path in CHROMIUM if Path(path).exists())
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for width in (1200, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            problems: list[str] = []
            page.on("pageerror", lambda error, seen=problems: seen.append(str(error)))
            page.goto((tmp_path / "a.html").as_uri())
            names = "[...document.querySelectorAll('#layers-2 tbody tr:not([hidden]) th')]"
            shown = f"() => {names}.map(t => t.innerText)"
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.click("#layers-2 th:nth-child(6) button")  # SQNR, the largest first: the layer that was kept
            assert page.evaluate(shown)[0] == "up.weight"
            page.click("#layers-2 th:nth-child(6) button")
            assert page.evaluate(shown)[-1] == "up.weight"
            page.fill("input[data-for='layers-2']", "down")
            assert page.evaluate(shown) == ["down.weight"]
            assert problems == []
        browser.close()
