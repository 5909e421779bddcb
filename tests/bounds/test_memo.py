"""Arrays that are remembered for a law: the same numbers, by law and by argument, and no more than fit."""

import numpy as np
import pytest

from fmq_theory.bounds import memo
from fmq_theory.bounds.memo import remembered_array
from fmq_theory.sources import Empirical, Gaussian


def test_a_second_question_is_answered_from_memory_and_another_one_is_not() -> None:
    asked: list[float] = []

    def function(x: np.ndarray) -> np.ndarray:
        asked.append(float(x.sum()))
        return x + 1.0

    law, x = Gaussian(scale=0.375), np.arange(3.0)
    for _ in range(2):
        found = remembered_array(function, law, "next", x.copy())
        assert found.tolist() == [1.0, 2.0, 3.0]
        assert not found.flags.writeable
    assert asked == [3.0]
    remembered_array(function, law, "next", x[:, None])
    remembered_array(function, law, "next", x + 1.0)
    remembered_array(function, law, "another", x)
    remembered_array(function, Gaussian(scale=0.75), "next", x)
    assert asked == [3.0, 3.0, 6.0, 3.0, 3.0]
    for _ in range(2):  # data are never remembered
        remembered_array(function, Empirical([1.0, 2.0]), "next", x)
    assert len(asked) == 7


def test_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "_MOST_BYTES", 100)
    kept = memo._Remembered()
    for key in range(3):
        kept.put(key, np.zeros(5))
    assert kept.get(0) is None
    assert kept.get(1) is not None
    kept.put(3, np.zeros(5))
    assert kept.get(2) is None  # 1 was used after it
    assert kept.get(1) is not None
    kept.put(4, np.zeros(50))
    assert kept.get(4) is None
