"""Checkpoints damaged by program: a few of each kind in every run, more where deep tests are asked for."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.fuzz import checkpoints
from experiments.fuzz.bytes import damaged
from experiments.fuzz.checkpoints import ARCHIVES, CHECKPOINTS
from experiments.fuzz.trial import tried
from tests.corpus import zips
from tests.corpus.checkpoint_kinds import KINDS


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("count", [40, pytest.param(3500, marks=pytest.mark.deep)])
def test_no_damage_is_a_traceback_or_another_weight(tmp_path: Path, name: str, count: int) -> None:
    found = tried(CHECKPOINTS[name], count, tmp_path)
    assert found.failures == []
    assert found.inputs == count
    assert found.right > 0
    assert found.refused > 3


def test_every_form_of_an_archive_is_right_or_refused(tmp_path: Path) -> None:
    found = tried(ARCHIVES, 1000, tmp_path)
    assert found.failures == []
    assert found.right >= len(list(zips.healthy(zips.saved(zips.state()))))


def test_the_campaign_finds_what_it_looks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a reader that raises something else, and one that reads one number that is another."""

    def broken(_path: object) -> object:
        raise IndexError

    monkeypatch.setattr(checkpoints, "read_state", broken)
    for index, campaign in enumerate(CHECKPOINTS.values()):
        folder = tmp_path / str(index)
        folder.mkdir()
        assert tried(campaign, 2, folder).tracebacks == 2
    other = zips.state()
    other["wide"][0, 0] = torch.nextafter(other["wide"][0, 0], other["wide"][0, 0] + 1.0)
    monkeypatch.setattr(checkpoints, "read_state", lambda _path: other)
    assert tried(CHECKPOINTS[".pt"], 2, tmp_path).wrong == 2


def test_the_same_seed_gives_the_same_damage() -> None:
    data = bytes(range(200))
    assert damaged(data, np.random.default_rng(3)) == damaged(data, np.random.default_rng(3))
    assert damaged(data, np.random.default_rng(3)) != damaged(data, np.random.default_rng(4))


def _digests(folder: Path) -> list[str]:
    return [hashlib.sha256(kind.make(folder)).hexdigest() for kind in KINDS.values()]


def test_healthy_files_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Torch names the storages of its older format after addresses."""
    own = _digests(tmp_path)
    words = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pathlib import Path
from tests.checkpoint.io.test_campaign import _digests
print(*_digests(Path({str(tmp_path)!r})))
"""
    environment = {**os.environ, "PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", words], check=True, capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == own
