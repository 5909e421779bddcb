"""The comparison of two versions' results: it names what changed, and nothing else."""

import numpy as np
import pytest

from fmq_theory.errors import SchemeError
from tests.corpus.results import differences, digest, digests


def test_differences_name_the_results_and_the_parts() -> None:
    old = {"a": {"codes": "1", "mse": "2"}, "b": {"codes": "1"}, "c": {"codes": "1"}}
    new = {"a": {"codes": "1", "mse": "3"}, "b": {"codes": "1"}, "d": {"codes": "1"}}
    assert differences(old, new) == ["a: mse", "c: only in the first", "d: only in the second"]
    assert differences(old, old) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.0, float(np.nextafter(1.0, 2.0))),
        (0.0, -0.0),
        (np.zeros(2), -np.zeros(2)),
        (np.zeros((1, 2)), np.zeros((2, 1))),
        (np.zeros(2, dtype=np.float32), np.zeros(1)),
        ({"mse": 1.0}, {"mse": 2.0}),
    ],
)
def test_the_last_bit_counts(one: object, other: object) -> None:
    assert digest(one) != digest(other)
    assert digest(one) == digest(one)


def test_the_clock_does_not_count() -> None:
    assert digest({"mse": 1.0, "seconds": 2.0}) == digest({"mse": 1.0, "seconds": 3.0})


def test_a_refusal_is_a_result() -> None:
    def refuse() -> dict[str, object]:
        raise SchemeError("bits = 9", "codes have 1 to 8 bits", "choose from 1 to 8")

    assert digests([("nine", refuse)]) == {"nine": {"refused": "SchemeError"}}
