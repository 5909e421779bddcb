"""What times are compared with, and the table that the page opens with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from experiments.benchmark import anchors as module
from experiments.benchmark.anchors import ANCHORS, BEST_SORT, OUR_SORT, TORCH_SORT, anchors, sort_seconds
from experiments.benchmark.cases import QUICK, cases
from experiments.benchmark.duel import Duel
from experiments.benchmark.opening import opening_table, sorts_in_words


@pytest.mark.parametrize("shape", [(3000,), (7, 400)])
def test_every_sort_sorts_along_the_last_axis(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    expected = np.sort(x)
    for sort in (TORCH_SORT, OUR_SORT, BEST_SORT):
        np.testing.assert_array_equal(np.asarray(sort.run(x)).reshape(shape), expected)
    assert not np.array_equal(x, expected)  # none sorts in place


@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_best_sort_is_the_fastest_of_the_trial(dimensions: int) -> None:
    found = sort_seconds(dimensions)
    assert {"np.sort", "our radix sort"} <= set(found)
    assert list(found.values()) == sorted(found.values())


def test_a_slower_sort_is_not_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    def marked(name: str) -> Callable[[Any], str]:
        return lambda _x: name

    monkeypatch.setattr(module, "_SORTS", {"a": (marked("a"), None), "b": (marked("b"), None)})
    x = np.zeros(3, dtype=np.float32)
    for trial in ({"b": 1.0, "a": 2.0}, {"a": 1.0, "b": 2.0}):
        monkeypatch.setattr(module, "sort_seconds", lambda _dimensions, trial=trial: trial)
        assert BEST_SORT.run(x) == min(trial, key=lambda name: trial[name])


def test_every_duel_with_a_goal_has_the_anchors_and_no_goal_rests_on_one_sort() -> None:
    assert [one.name for one in anchors()] == list(ANCHORS)
    duels = [case for case in cases(QUICK) if isinstance(case, Duel) and case.goals]
    assert len(duels) > 10
    for duel in duels:
        assert set(ANCHORS) <= {contender.name for contender in duel.contenders}
        assert not any("np.sort" in goal.references for goal in duel.goals)


def row(contender: str, ms: float | None, threads: int = 1, topic: str = "optimum") -> dict[str, Any]:
    return {
        "topic": topic,
        "what": "n = 9",
        "law": "N(0, 1)",
        "contender": contender,
        "threads": threads,
        "ms": ms,
    }


def test_the_opening_table_sets_ours_beside_the_fastest_peer_and_the_limits() -> None:
    rows = [
        row("ours", 10.0),
        row("ours, 2 threads", 6.0, threads=2),
        row("best sort", 5.0),
        row("copy", 2.0),
        row("read", 0.5),
        row("ckwrap", 400.0),
        row("kmeans1d", 300.0),
        row("POT wasserstein_1d, float64", None),
        row("copy", 1.0, topic="limits"),
    ]
    header, _, *lines = opening_table(rows).split("\n")
    assert lines == [
        "| optimum, n = 9 | N(0, 1) | 10 | 300 (kmeans1d) | 5 | 2 | 0.5 | 30 | 2 | 5 | 20 |",
    ]
    assert lines[0].count("|") == header.count("|")
    # A run of before: numpy's sort under its name, no copy and no read, no peer.
    (line,) = opening_table([row("ours", 10.0), row("np.sort", 40.0)]).split("\n")[2:]
    assert line == "| optimum, n = 9 | N(0, 1) | 10 | – | 40 (np.sort) | – | – | – | 0.25 | – | – |"


def test_the_page_names_the_best_sort() -> None:
    machine = {"sorts": {"numbers": {"our radix sort": 0.005, "np.sort": 0.03}}}
    assert (
        sorts_in_words(machine)
        == "- best sort of numbers: our radix sort (our radix sort 5 ms, np.sort 30 ms)"
    )
    assert sorts_in_words({}) == ""
