"""The benchmark's harness, at tiny sizes: right results pass, wrong ones fail, missing peers are named."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from experiments.benchmark import checks, command
from experiments.benchmark.cases import FULL, QUICK, TINY, Case, Extent, cases
from experiments.benchmark.clock import Pace
from experiments.benchmark.contender import Contender
from experiments.benchmark.datasets import Dataset
from experiments.benchmark.document import goals_as_text, markdown, times_as_text
from experiments.benchmark.duel import Duel
from experiments.benchmark.growth import Growth
from experiments.benchmark.ours import JOBS, Job, ours
from experiments.benchmark.peers import Labels
from experiments.benchmark.published import SORT, published_equal_mass
from experiments.benchmark.rows import Goal, judged
from experiments.benchmark.words import count, number
from fmq_theory.quantizers import quantize
from tests.quantizers import published

PACE = Pace(budget_s=0.0, least=1, most=1, slow_s=60.0)
OPTIMUM = "optimum, 4 bits"


def duels(topic: str) -> list[Duel]:
    return [case for case in cases(TINY) if isinstance(case, Duel) and case.topic == topic]


# --- the cases, as they stand ---------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["limits", "equal mass", "equal mass by channel", "optimum", "W2"])
def test_our_results_pass(topic: str) -> None:
    for duel in duels(topic)[:2]:
        outcome = duel.run(PACE)
        assert [row.note for row in outcome.goals if row.failed] == []
        installed = [contender.name for contender in duel.contenders if contender.is_installed]
        assert [row.contender for row in outcome.times if row.ms is not None] == installed
        assert all(row.met is not None for row in outcome.goals if row.reference_value is not None)


def test_every_goal_of_the_table_has_a_case() -> None:
    for extent in (QUICK, FULL):
        topics = {case.topic for case in cases(extent)}
        wanted = {"equal mass", "optimum", "optimum of bfloat16", "equal mass by channel", "W2", "grid"}
        assert wanted | {"optimum by channel", "memory", "growth", "first call"} <= topics
        sizes = {case.dataset.size for case in cases(extent) if isinstance(case, Duel)}
        assert {10**7, 4096 * 4096} <= sizes
    assert (min(FULL.growth), max(FULL.growth)) == (10**5, 2 * 10**8)


def test_a_quick_run_has_the_goals_of_a_full_run_and_says_which_it_does_not_judge() -> None:
    def goals(extent: Extent) -> set[tuple[str, ...]]:
        found = [case for case in cases(extent) if isinstance(case, Duel)]
        return {(case.topic, case.what, goal.words) for case in found for goal in case.goals}

    assert goals(QUICK) == goals(FULL)
    for slow_peers, most in ((True, 0), (False, 2)):
        extent = dataclasses.replace(TINY, slow_peers=slow_peers)
        left_out = [case for case in cases(extent) if isinstance(case, Duel) and case.left_out]
        assert len(left_out) == most
        for case in left_out[:1]:
            (row,) = case.run(PACE).goals
            assert (row.met, row.failed, row.note) == (None, False, case.left_out)


# --- a wrong result fails -------------------------------------------------------------------------


def spoiled(job: str, spoil: Callable[[Any], Any]) -> Contender:
    """Ours, with a result that was tampered with."""
    return Contender("ours", lambda data: spoil(JOBS[job].run(data)))


def with_first(duel: Duel, first: Contender) -> Duel:
    """The case with another contender in the place of ours, one peer, and the goals that this leaves."""
    others = [one for one in duel.contenders[1:] if one.needs in (None, "kmeans1d", "POT")]
    return dataclasses.replace(duel, contenders=(first, *others))


def swap_two_codes(result: Any) -> Any:
    codes = result.codes.copy()
    low, high = int(np.argmin(codes)), int(np.argmax(codes))
    codes[low], codes[high] = codes[high], codes[low]
    return dataclasses.replace(result, codes=codes)


def move_levels(result: Any) -> Any:
    return dataclasses.replace(result, codebooks=result.codebooks * np.float32(1.001))


@pytest.mark.parametrize("spoil", [swap_two_codes, move_levels])
@pytest.mark.parametrize("topic", ["equal mass", "optimum"])
def test_a_wrong_quantization_fails_its_goals(topic: str, spoil: Callable[[Any], Any]) -> None:
    duel = duels(topic)[0]
    job = OPTIMUM if topic == "optimum" else "equal mass, 2 bits"
    wrong = with_first(duel, spoiled(job, spoil))
    rows = wrong.run(PACE).goals
    assert rows
    assert all(row.failed and row.met is False and row.note for row in rows)


def test_a_partition_that_is_not_optimal_fails() -> None:
    duel = duels("optimum")[0]
    heuristic = Contender("ours", lambda x: quantize(x, "equal_mass", 4, granularity="tensor"))
    rows = with_first(duel, heuristic).run(PACE).goals
    assert all(row.failed for row in rows)
    assert "kmeans1d" in rows[0].note


def test_a_wrong_w2_fails() -> None:
    duel = duels("W2")[0]
    wrong = spoiled("W2 of two samples", lambda value: value * (1.0 + 1e-9))
    rows = with_first(duel, wrong).run(PACE).goals
    assert all(row.failed and "1e-09" in row.note for row in rows)


def test_wrong_rows_fail() -> None:
    duel = duels("optimum by channel")[0]
    wrong = spoiled("optimum by channel, 4 bits", move_levels)
    rows = with_first(duel, wrong).run(PACE).goals
    assert all(row.failed for row in rows)


def test_a_grid_that_contradicts_itself_is_found() -> None:
    data = Dataset("gaussian", (1000,)).make()
    found = {(name, bits): 2.0**-bits for name in ("lloyd_max", "uniform") for bits in range(2, 9)}
    assert checks.grid_is_consistent(data, {"ours": found}).problems == ()
    assert checks.grid_is_consistent(data, {"ours": found | {("uniform", 3): 0.01}}).problems
    assert checks.grid_is_consistent(data, {"ours": found | {("uniform", 3): float("nan")}}).problems


def test_a_peer_whose_partition_is_better_is_reported() -> None:
    x = Dataset("gaussian", (500,)).make()
    ours_worse = quantize(x, "equal_mass", 4, granularity="tensor")
    best = quantize(x, "lloyd_max", 4, granularity="tensor")
    check = checks.optimum_is_optimal(16)
    heuristic = Labels(labels=best.codes)
    assert check(x, {"ours": ours_worse, "flash1dkmeans": heuristic}).problems
    assert check(x, {"ours": best, "flash1dkmeans": Labels(labels=ours_worse.codes)}).problems == ()


def test_an_error_in_a_contender_is_a_failed_row() -> None:
    def broken(data: Any) -> Any:
        raise ValueError("boom")

    duel = dataclasses.replace(duels("equal mass")[0], contenders=(Contender("ours", broken), SORT))
    rows = duel.run(PACE).goals
    assert all(row.failed and "boom" in row.note for row in rows)
    assert rows[0].met is False


def test_an_error_at_one_size_fails_the_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_at_200(x: Any) -> None:
        if x.size == 200:
            raise TypingError("a kernel does not compile")

    monkeypatch.setitem(JOBS, "broken", Job(broken_at_200))
    (row,) = Growth("broken", "gaussian", (100, 200)).run(PACE).goals
    assert row.failed
    assert "does not compile" in row.note
    (row,) = Growth("broken", "gaussian", (100, 300)).run(PACE).goals
    assert not row.failed
    assert row.ratio is not None


def test_the_published_copy_is_the_published_algorithm() -> None:
    x = np.random.default_rng(0).standard_normal(999)
    for bits in (1, 4):
        found = published_equal_mass(2**bits).run(x)
        np.testing.assert_allclose(found, published.equal_mass(x, bits), rtol=1e-12)


# --- a missing peer -------------------------------------------------------------------------------


def test_a_missing_peer_is_named_and_not_fatal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = Contender("absent", lambda data: data, needs="fmq-no-such-package")
    goal = Goal("≥ 2 × faster than absent", ("absent",), 2.0, faster=True)
    duel = dataclasses.replace(duels("limits")[0], contenders=(ours(OPTIMUM), absent), goals=(goal,))
    outcome = duel.run(PACE)
    assert outcome.goals[0].met is None
    assert "not installed" in outcome.goals[0].note
    assert outcome.times[1].ms is None
    assert "fmq-no-such-package is not installed" in outcome.times[1].note
    assert run_command(monkeypatch, [duel]) == 0
    printed = capsys.readouterr().out
    assert "not judged: absent: not installed" in printed
    # One of two references is enough.
    either = Goal("≥ 2 × faster", ("absent", "np.sort"), 2.0, faster=True)
    both = dataclasses.replace(duel, contenders=(ours(OPTIMUM), absent, SORT), goals=(either,))
    assert both.run(PACE).goals[0].reference == "np.sort"


def test_the_page_of_a_run_without_a_peer() -> None:
    results = command.measure([duels("equal mass")[0]], TINY)
    absent = {
        "contender": "ckwrap",
        "ms": None,
        "least_ms": None,
        "runs": 0,
        "note": "ckwrap is not installed",
    }
    results["times"].append({**results["times"][0], **absent})
    assert "ckwrap is not installed" in markdown(results)


# --- rows and tables ------------------------------------------------------------------------------


def test_ratio_verdict_and_margin() -> None:
    where: dict[str, Any] = {"topic": "t", "what": "w", "law": "l", "reference": "r"}
    at_most = judged(Goal("≤ 2 ×", ("r",), 2.0), ours=10.0, reference_value=10.0, **where)
    assert (at_most.ratio, at_most.met, at_most.by) == (1.0, True, 2.0)
    missed = judged(Goal("≤ 2 ×", ("r",), 2.0), ours=30.0, reference_value=10.0, **where)
    assert (missed.ratio, missed.met) == (3.0, False)
    assert missed.by == pytest.approx(2 / 3)
    faster = judged(Goal("≥ 4 ×", ("r",), 4.0, faster=True), ours=1.0, reference_value=8.0, **where)
    assert (faster.ratio, faster.met, faster.by) == (8.0, True, 2.0)
    wrong = judged(
        Goal("≥ 4 ×", ("r",), 4.0, faster=True), ours=1.0, reference_value=8.0, problems=("x",), **where
    )
    assert (wrong.met, wrong.failed, wrong.note) == (False, True, "x")


def run_command(monkeypatch: pytest.MonkeyPatch, chosen: list[Case], *arguments: str) -> int:
    monkeypatch.setattr(command, "cases", lambda extent: iter(chosen))
    monkeypatch.setattr(command, "QUICK", TINY)
    return command.main(["--quick", *arguments])


def test_command_keeps_the_numbers_and_writes_the_document(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path / "new" / "performance.json")
    monkeypatch.setattr(command, "DOCUMENT", tmp_path / "performance.md")
    chosen: list[Case] = [duels("equal mass")[0]]
    assert run_command(monkeypatch, chosen, "--write", "--json", str(tmp_path / "copy.json")) == 0
    printed = capsys.readouterr()
    assert "≤ 0.5 × the best sort" in printed.out
    assert "equal mass, n = 2·10⁴, K = 4" in printed.err
    assert re.search(r"^all: \d+ s$", printed.err, re.MULTILINE)
    results = json.loads((tmp_path / "new" / "performance.json").read_text("utf-8"))
    assert results == json.loads((tmp_path / "copy.json").read_text("utf-8"))
    assert (tmp_path / "performance.md").read_text("utf-8") == markdown(results)
    assert "in a full run of 0.0 minutes" in markdown(results)
    # The same tables from the saved numbers, without a run.
    assert command.main(["--from", str(tmp_path / "copy.json")]) == 0
    assert capsys.readouterr().out == printed.out


def test_a_wrong_result_is_exit_code_one(monkeypatch: pytest.MonkeyPatch) -> None:
    duel = duels("equal mass")[0]
    wrong = spoiled("equal mass, 2 bits", move_levels)
    assert run_command(monkeypatch, [with_first(duel, wrong)]) == 1
    assert run_command(monkeypatch, [with_first(duel, ours("equal mass, 2 bits"))]) == 0


def test_only_chooses_and_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen: list[Case] = [duels("equal mass")[0], duels("limits")[0]]
    assert run_command(monkeypatch, chosen, "--only", "limits") == 0
    assert "equal mass" not in capsys.readouterr().out
    assert run_command(monkeypatch, chosen, "--only", "nonsense") == 2
    assert "limits" in capsys.readouterr().err


def test_tables_show_what_the_rows_hold() -> None:
    extent = TINY
    results = command.measure([duels("equal mass")[0]], extent)
    goals, times = goals_as_text(results["goals"]), times_as_text(results["times"])
    assert goals.count("\n") == 1 + len(results["goals"])
    assert times.count("\n") == 1 + len(results["times"])
    text = markdown(results)
    for row in results["goals"]:
        assert row["goal"] in text
    for row in results["times"]:
        assert f"| {row['contender']} | {number(row['ms'])} |" in text
    assert results["machine"]["processor"] in text
    changed = json.loads(json.dumps(results))
    changed["goals"][0]["ours"] *= 2.0
    assert markdown(changed) != text


def test_document_shows_the_saved_numbers() -> None:
    saved = json.loads(command.RESULTS.read_text(encoding="utf-8"))
    assert command.DOCUMENT.read_text(encoding="utf-8") == markdown(saved)
    assert not any(row["failed"] for row in saved["goals"])


@pytest.mark.parametrize(
    ("size", "words"),
    [(10**6, "10⁶"), (5 * 10**7, "5·10⁷"), (4096, "4,096"), (120_000, "12·10⁴"), (2000, "2,000")],
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert count(size) == words


@pytest.mark.parametrize(
    ("value", "words"), [(None, "–"), (1234.6, "1,235"), (0.0123456, "0.0123"), (12.34, "12.3")]
)
def test_numbers_in_words(value: float | None, words: str) -> None:
    assert number(value) == words
