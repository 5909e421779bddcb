"""The campaign command counts what it says it counts."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from experiments.fuzz.command import main, run
from experiments.fuzz.registry import CAMPAIGNS
from experiments.fuzz.trial import Campaign, Tally, Trial, WrongAnswerError, attempt
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
        KeyError("k"),
    ):
        attempt(Trial("an input", lambda error=error: _raises(error)), tally)
    assert (tally.inputs, tally.right, tally.refused, tally.wrong, tally.tracebacks) == (4, 1, 1, 1, 1)
    assert tally.failed
    assert "1, not 2" in tally.failures[0]
    assert "KeyError" in tally.failures[1]


def test_right_answers_and_refusals_are_no_failure() -> None:
    tally = Tally()
    for error in (None, WeightsError("x", "is wrong", "mend it")):
        attempt(Trial("an input", lambda error=error: _raises(error)), tally)
    assert not tally.failed


def test_a_campaign_ends_with_its_inputs_or_with_the_time(tmp_path: Path) -> None:
    def endless(_rng: np.random.Generator, _folder: Path) -> Iterator[Trial]:
        while True:
            yield Trial("nothing", lambda: None)

    def three(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
        yield from (trial for trial, _ in zip(endless(rng, folder), range(3), strict=False))

    found = run([Campaign("three", "?", three), Campaign("endless", "?", endless)], 0, 1.2, tmp_path)
    assert found["three"].inputs == 3
    assert found["endless"].inputs > 3


def test_the_same_seed_draws_the_same_inputs(tmp_path: Path) -> None:
    for campaign in CAMPAIGNS:
        words = []
        for number in range(2):
            folder = tmp_path / f"{campaign.name}-{number}"
            folder.mkdir()
            trials = campaign.trials(np.random.default_rng(3), folder)
            words.append([trial.what for trial, _ in zip(trials, range(5), strict=False)])
        assert words[0] == words[1] != []


def test_counts_are_kept_as_json(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    result = CliRunner().invoke(
        main, ["--only", "plans", "--minutes", "0.02", "--memory", "64", "--json", str(path)]
    )
    assert result.exit_code == 0, result.output
    told = json.loads(path.read_text())["campaigns"]["plans"]
    assert told["refused"] == sum(told["refusals"].values()) > 0


def test_an_unknown_campaign_is_refused() -> None:
    result = CliRunner().invoke(main, ["--only", "nothing"])
    assert result.exit_code == 2
    assert "no campaign nothing" in result.output
