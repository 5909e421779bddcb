"""Files mutated at random: a small campaign in every run, a larger one where slow tests are asked for."""

import random

import pytest
import torch

from tests.corpus import campaign, zips


def test_no_mutation_is_a_traceback_or_another_weight() -> None:
    report = campaign.run(30, seed=0)
    assert report.failures == []
    assert all(report.refused[kind] > 3 for kind in campaign.KINDS)


@pytest.mark.slow
def test_no_mutation_of_twenty_thousand() -> None:
    report = campaign.run(3400, seed=1)
    assert sum(report.tried.values()) > 20_000
    assert report.failures == []


def test_the_campaign_finds_what_it_looks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a reader that raises something else, and one that reads other numbers."""

    def broken(_path: object) -> object:
        raise IndexError

    monkeypatch.setattr(campaign, "read_state", broken)
    assert len(campaign.run(2, 0).failures) == 2 * len(campaign.KINDS)
    other = zips.state() | {"plain": torch.zeros(5, 7)}
    monkeypatch.setattr(campaign, "read_state", lambda _path: other)
    assert len(campaign.run(2, 0, ("zip",)).failures) == 2


def test_the_same_seed_gives_the_same_files() -> None:
    data = bytes(range(200))
    assert campaign.mutated(data, random.Random(3)) == campaign.mutated(data, random.Random(3))
    assert campaign.mutated(data, random.Random(3)) != campaign.mutated(data, random.Random(4))
