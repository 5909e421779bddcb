"""The campaign command counts what it says it counts."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from numba.core import event

from experiments.fuzz import trial
from experiments.fuzz.command import main
from experiments.fuzz.registry import CAMPAIGNS
from experiments.fuzz.running import run, until, whole
from experiments.fuzz.trial import (
    Campaign,
    Tally,
    Trial,
    WarnedAnswerError,
    WrongAnswerError,
    attempt,
    tried,
)
from fmq_theory.errors import WeightsError


def _raises(error: Exception | None) -> None:
    if error is not None:
        raise error


def test_each_outcome_is_counted_as_what_it_is() -> None:
    tally = Tally()
    for error in (
        None,
        WeightsError("x", "is wrong", "mend it"),
        WrongAnswerError("1, not 2"),
        WarnedAnswerError("1, not 2, perhaps"),
        KeyError("k"),
    ):
        attempt(Trial("an input", lambda error=error: _raises(error)), tally)
    assert (tally.right, tally.refused, tally.warned, tally.wrong, tally.tracebacks) == (1, 1, 1, 1, 1)
    assert tally.inputs == 5
    assert tally.failed
    assert "1, not 2" in tally.failures[0]
    assert "KeyError" in tally.failures[1]


def test_compiling_a_kernel_is_no_slow_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which input comes first, and so compiles, says nothing of it."""
    now = [0.0]
    monkeypatch.setattr(trial, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def compiles() -> None:
        with event.trigger_event("numba:compile"):
            now[0] += 100.0
        now[0] += 1.0

    def waits() -> None:
        now[0] += 2.0

    tally = Tally()
    attempt(Trial("compiles", compiles), tally)
    assert tally.slowest == 1.0
    attempt(Trial("waits", waits), tally)
    assert (tally.slowest, tally.slowest_input, tally.seconds) == (2.0, "waits", 3.0)


def test_right_answers_and_refusals_are_no_failure() -> None:
    tally = Tally()
    for error in (None, WeightsError("x", "is wrong", "mend it"), WarnedAnswerError("1, not 2, perhaps")):
        attempt(Trial("an input", lambda error=error: _raises(error)), tally)
    assert not tally.failed


def test_a_campaign_ends_with_its_inputs_or_with_the_time(tmp_path: Path) -> None:
    def endless(_rng: np.random.Generator, _folder: Path) -> Iterator[Trial]:
        while True:
            yield Trial("nothing", lambda: None)

    def three(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
        yield from (trial for trial, _ in zip(endless(rng, folder), range(3), strict=False))

    both = [Campaign("three", "?", three, whole=2), Campaign("endless", "?", endless, whole=7)]
    found = run(both, 0, until(1.2), tmp_path / "time")
    assert found["three"].inputs == 3
    assert found["endless"].inputs > 7
    found = run(both, 0, whole, tmp_path / "whole")
    assert (found["three"].inputs, found["endless"].inputs) == (2, 7)


def test_a_foreign_file_that_changes_is_told_once(tmp_path: Path) -> None:
    """Of the current folder, beside it, or new; a file of the campaign's own is no foreign one."""

    def trials(_rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
        yield Trial("its own", lambda: folder.joinpath("new").touch())
        if folder.parents[1].name == "guilty":
            yield Trial("beside", lambda: folder.parent.joinpath("notes.txt").chmod(0o644))
            yield Trial("here", lambda: Path("model.safetensors").unlink())
            yield Trial("new", lambda: Path("passing").touch())

    found = run([Campaign("one", "?", trials)], 0, until(60.0), tmp_path / "guilty")["one"]
    assert (found.right, found.foreign, found.failed) == (4, 3, True)
    assert [failure.split()[1] for failure in found.failures] == [
        "here/model.safetensors", "here/passing", "notes.txt",
    ]  # fmt: skip
    found = run([Campaign("one", "?", trials)], 0, until(60.0), tmp_path / "innocent")["one"]
    assert (found.right, found.foreign, found.failed) == (1, 0, False)


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda campaign: campaign.name)
def test_the_first_inputs_of_each_campaign_do_not_fail(tmp_path: Path, campaign: Campaign) -> None:
    found = tried(campaign, 10, tmp_path)
    assert (found.inputs, found.failures) == (10, [])


def test_the_same_seed_draws_the_same_inputs(tmp_path: Path) -> None:
    for campaign in CAMPAIGNS:
        words = []
        for number in range(2):
            folder = tmp_path / f"{CAMPAIGNS.index(campaign)}-{number}"
            folder.mkdir()
            trials = campaign.trials(np.random.default_rng(3), folder)
            words.append([trial.what for trial, _ in zip(trials, range(5), strict=False)])
        assert words[0] == words[1] != []


def test_counts_are_kept_as_json_beside_those_of_other_campaigns(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    words = ["--memory", "64", "--json", str(path), "--only"]
    result = CliRunner().invoke(main, [*words, "forms of archives", "--whole"])
    assert result.exit_code == 0, result.output
    told = json.loads(path.read_text())["campaigns"]["forms of archives"]
    assert told["refused"] == sum(told["refusals"].values()) > 0
    assert (told["seed"], told["whole"]) == (0, True)
    assert CliRunner().invoke(main, [*words, "plans", "--minutes", "0.001", "--seed", "1"]).exit_code == 0
    both = json.loads(path.read_text())["campaigns"]
    assert list(both) == ["forms of archives", "plans"]
    assert both["forms of archives"] == told  # it was not run again
    assert (both["plans"]["seed"], both["plans"]["whole"]) == (1, False)


def test_an_unknown_campaign_is_refused() -> None:
    result = CliRunner().invoke(main, ["--only", "nothing"])
    assert result.exit_code == 2
    assert "no campaign nothing" in result.output
