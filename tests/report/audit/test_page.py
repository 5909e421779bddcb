"""The page of an audit: whole, self-contained, and alive in a real browser."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint.audit import audit
from fmq_theory.checkpoint.audit.result import Audit, AuditCell, AuditTotals, ratios_of
from fmq_theory.checkpoint.plan import Plan, TensorPlan
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.report.audit.page import audit_html, write_audit_html
from fmq_theory.report.audit.words import crossover_cell, crossover_words
from fmq_theory.report.base.words import percent

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
EVIL = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    rng = np.random.default_rng(8)
    shapes = {"up.weight": (6, 400), "down.weight": (5, 80), "tiny": (3, 4), EVIL: (2, 500)}
    state = {name: torch.from_numpy(rng.standard_t(3, size=shape)) for name, shape in shapes.items()}
    path = tmp_path_factory.mktemp("html") / "m.safetensors"
    save_file({**state, "bias": torch.zeros(3)}, path)
    return audit(path, schemes=("uniform", "equal_mass", "lloyd_max", "nf4"), bits=(2, 3, 4))


@pytest.fixture(scope="module")
def plan(found: Audit) -> Plan:
    tensor = TensorPlan("up.weight", Choice("lloyd_max", 3), 1.0, 3.4, 2400)
    return Plan((tensor,), 4.1, 0.01, 1e-7, {})


def test_nothing_is_fetched_and_names_are_data(found: Audit) -> None:
    page = audit_html(found)
    assert EVIL not in page
    assert "&lt;/script&gt;" in page
    assert page.count("<script") == page.count("</script>") == 2
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert len(data["tensors"]) == 4
    assert len(data["choices"]) == len(found.totals.cells)


def test_numbers_of_the_page_are_those_of_the_audit(found: Audit) -> None:
    page = audit_html(found, theory=True)
    cell = found.totals.cell("lloyd_max", 3)
    assert cell is not None
    assert percent(cell.relative_error) in page
    assert found.advice["scheme"] in page
    assert "bias" in page
    assert "fewer than 2 dimensions" in page
    ratios = [
        ratio.rho_em for tensor in found.tensors for ratio in tensor.ratios
        if ratio.rho_em and tensor.weights_per_codebook > 2**ratio.bits
    ]  # fmt: skip
    assert len(ratios) >= len(found.tensors)
    for rho_em in ratios:
        assert f">{rho_em:.2f}<" in page
    assert ">exact<" in page  # the tiny tensor has fewer weights a channel than levels


def test_plan_is_shown_when_given(found: Audit, plan: Plan) -> None:
    assert "kept as it is" not in audit_html(found)
    page = audit_html(found, plan)
    assert page.count("kept as it is") == 3
    assert page.count("lloyd_max, channel") == 2  # in the sums and beside its layer
    row = page.split('<th scope="row">lloyd_max, channel</th>')[1].split("</tr>")[0]
    assert re.findall(r"<td>(.*?)</td>", row) == ["3", "1", "2,400", "100%", "3.40"]


def test_the_mixes_and_the_commands_are_on_the_page(found: Audit) -> None:
    page = audit_html(found, checkpoint="my model.safetensors")
    table = page.split('id="budgets"')[1].split("</table>")[0]
    for point in found.budgets:
        row = table.split(f'<th scope="row">{point.budget_bits:g}</th>')[1].split("</tr>")[0]
        assert f"<td>{point.effective_bits:.2f}</td>" in row
        assert f"<td>{percent(point.relative_error)}</td>" in row
    assert "fmq quantize &#39;my model.safetensors&#39; -o OUT --budget" in page


def test_written_whole(found: Audit, tmp_path: Path) -> None:
    write_audit_html(found, tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")


@pytest.mark.parametrize(
    ("share", "words"),
    [(None, "–"), (0.0, "0%"), (0.38, "38%"), (0.076, "7.6%"), (0.00084, "0.084%"), (1.0, "100%")],
)
def test_percent(share: float | None, words: str) -> None:
    assert percent(share) == words


def _totals(rho: dict[int, float]) -> AuditTotals:
    """Sums in which equal mass has these ratios to uniform."""
    cells = [
        AuditCell(scheme, b, 8, sse, sse / 8, 0.1, None, 1.0, b + 0.5, False)
        for b, value in rho.items()
        for scheme, sse in (("uniform", 1.0), ("equal_mass", value))
    ]
    ratios, star = ratios_of(cells, list(rho))
    return AuditTotals(1, 8, 1.0, tuple(cells), ratios, star, ())


def test_words_about_the_crossover_agree_with_the_ratios() -> None:
    plain = crossover_words(_totals({2: 0.5, 3: 2.0, 4: 4.0}))
    assert plain == "crossover b* = 2.50 bits: above it uniform beats equal mass"
    # Short channels: codebooks hold the weights themselves.
    for last in (0.2, 0.0):
        again = crossover_words(_totals({2: 0.5, 3: 2.0, 4: last}))
        assert "up to 3 bits; at 4 bits" in again
        assert "4.5 effective bits" in again


def test_why_there_is_no_crossover_is_told_apart() -> None:
    """A dash stood for all of these; the sentence about uniform stands over none of them."""
    told = {
        name: (crossover_cell(_totals(ratios)), crossover_words(_totals(ratios)))
        for name, ratios in {
            "below": {2: 0.3, 3: 0.9},
            "below, then exact": {2: 0.3, 3: 0.9, 4: 0.0},
            "above": {2: 1.5, 3: 2.0},
            "exact": {2: 0.0, 3: 0.0},
            "falling": {2: 1.5, 3: 0.5},
            "rising": {2: 0.5, 3: 2.0},
        }.items()
    }
    assert {name: cell for name, (cell, _) in told.items()} == {
        "below": "> 3",
        "below, then exact": "> 3",
        "above": "< 2",
        "exact": "exact",
        "falling": "–",
        "rising": "2.50",
    }
    assert told["below"][1] == "no b*: equal mass has the smaller error from 2 to 3 bits"
    assert told["below, then exact"][1].endswith("from 2 to 3 bits; at 4 bits equal mass loses nothing")
    assert told["above"][1] == "no b*: uniform has the smaller error from 2 to 3 bits"
    assert told["exact"][1] == "no b*: equal mass loses nothing at these bits"
    assert "falls through 1" in told["falling"][1]
    assert [name for name, (_, words) in told.items() if "above it uniform" in words] == ["rising"]


# --- in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next((path for path in CHROMIUM if Path(path).exists()), None)
    if program is None:
        pytest.skip("needs chromium (Debian: apt install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install playwright)")
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-sync",
        "--no-first-run",
    ]
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, headless=True, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def has_theory() -> bool:
    return True


@pytest.fixture
def page(browser: Any, found: Audit, plan: Plan, has_theory: bool, tmp_path: Path) -> Iterator[Any]:
    write_audit_html(found, tmp_path / "a.html", plan, theory=has_theory)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.told = []
    opened.on("console", lambda message: opened.told.append(f"{message.type}: {message.text}"))
    opened.on("pageerror", lambda error: opened.told.append(str(error)))
    opened.on("dialog", lambda dialog: (opened.told.append("dialog"), dialog.dismiss()))
    opened.asked = []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto((tmp_path / "a.html").as_uri())
    yield opened
    assert opened.told == []
    assert all(url.startswith("file:") and url.endswith("a.html") for url in opened.asked)
    context.close()


def _column(page: Any, index: int) -> list[str]:
    rows = page.locator("#layer-table tbody tr:visible")
    return [rows.nth(i).locator("th, td").nth(index).inner_text() for i in range(rows.count())]


def test_opens_without_a_word_on_the_console(page: Any) -> None:
    assert page.title() == "fmq audit: m.safetensors"
    assert page.locator("svg").count() == 2
    assert page.locator("svg path").count() > 20
    assert len(_column(page, 0)) == 4
    assert EVIL in _column(page, 0)


def test_sorts(page: Any, found: Audit) -> None:
    weights = [tensor.weights for tensor in found.tensors]
    button = page.locator("#layer-table th button", has_text=re.compile("^weights$"))
    button.click()
    assert _column(page, 2) == [f"{n:,}" for n in sorted(weights, reverse=True)]
    assert page.locator("#layer-table th[aria-sort=descending]").inner_text().startswith("weights")
    button.click()
    assert _column(page, 2) == [f"{n:,}" for n in sorted(weights)]
    page.locator("#layer-table th button", has_text="tensor").press("Enter")  # by the keyboard too
    assert _column(page, 0)[-1] == "up.weight"


def test_filters(page: Any) -> None:
    page.fill("#find", "WEIGHT")
    assert sorted(_column(page, 0)) == ["down.weight", "up.weight"]
    assert page.inner_text("#count") == "2 of 4 tensors"
    page.fill("#find", "")
    page.check("#nolaw")
    assert "tiny" in _column(page, 0)
    page.uncheck("#nolaw")
    page.select_option("#tail", "unknown")
    assert "tiny" in _column(page, 0)
    assert len(_column(page, 0)) < 4
    page.fill("#find", "no such layer")
    assert _column(page, 0) == []


def test_another_choice_changes_the_columns(page: Any, found: Audit) -> None:
    page.select_option("#choice", "lloyd_max/2")
    errors = dict(zip(_column(page, 0), _column(page, 6), strict=True))
    for tensor in found.tensors:
        cell = tensor.cell("lloyd_max", 2)
        assert cell is not None
        assert errors[tensor.name] == percent(cell.relative_error)
    page.select_option("#choice", "nf4/4")
    assert "–" in _column(page, 8)  # no high-rate law


def test_the_script_shows_first_what_the_page_was_written_with(page: Any, found: Audit) -> None:
    told = dict(zip(_column(page, 0), _column(page, 6), strict=True))
    scheme, bits = found.advice["scheme"], found.advice["bits"]
    for tensor in found.tensors:
        cell = tensor.cell(scheme, bits)
        assert cell is not None
        assert told[tensor.name] == percent(cell.relative_error)


@pytest.mark.parametrize("has_theory", [False, True])
def test_share_of_error_over_share_of_weights(page: Any, found: Audit) -> None:
    page.select_option("#choice", "lloyd_max/2")
    told = dict(zip(_column(page, 0), _column(page, 5), strict=True))
    whole = found.totals.cell("lloyd_max", 2)
    assert whole is not None
    for tensor in found.tensors:
        cell = tensor.cell("lloyd_max", 2)
        assert cell is not None
        assert float(told[tensor.name]) == pytest.approx(cell.mse / whole.mse, abs=0.0051)
    page.locator("#layer-table th button", has_text="× weights").click()
    values = [float(text) for text in _column(page, 5)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("has_theory", [False])
def test_without_theory_there_are_no_tails(page: Any) -> None:
    assert page.locator("#tail, #nolaw, #crossover").count() == 0
    assert page.locator("svg").count() == 1
    page.fill("#find", "up.")
    assert _column(page, 0) == ["up.weight"]


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_sticks_out(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_prints_without_controls_and_with_everything_open(page: Any) -> None:
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert not page.locator("#find").is_visible()
    assert page.locator("#left-out + details").evaluate("d => d.open")
    assert page.locator("details:not([open])").count() == 0


@pytest.mark.deep
def test_control_an_error_of_the_page_would_be_seen(page: Any) -> None:
    page.evaluate("console.error('broken')")
    assert page.told == ["error: broken"]
    page.told.clear()
