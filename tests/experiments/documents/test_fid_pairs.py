"""The table of reported FIDs: what stands in it, and when it says that a pair is on the side of the ratio."""

import json

from experiments.documents.fid_pairs import LAW, REFERENCE, SIZES, FidPair, fid_table, read_pairs
from experiments.framework.table import Table


def _table(rows: list[dict[str, object]]) -> Table:
    return Table(tuple(rows), {})


def _ratios(law: float, networks: tuple[float, ...]) -> tuple[Table, Table]:
    return (
        _table([{"law": LAW, "kind": "ratio", "n": n, "bits": 2, "rho_em": law} for n in SIZES]),
        _table(
            [
                {"model": str(i), "granularity": "tensor", "tensor": None, "bits": 2, "rho_em": ratio}
                for i, ratio in enumerate(networks)
            ]
        ),
    )


def test_every_reported_pair_is_there() -> None:
    pairs = read_pairs()
    assert {(pair.images, pair.bits) for pair in pairs} == {
        (images, bits) for images in ("MNIST", "FashionMNIST", "CIFAR-10", "CelebA") for bits in (2, 4, 8)
    }
    assert len(pairs) == 12
    assert "source" in json.loads(REFERENCE.read_text("utf-8"))
    assert [pair.images for pair in pairs if pair.bits == 2 and pair.uniform < pair.ot] == ["CelebA"]
    assert all(pair.uniform < pair.ot for pair in pairs if pair.bits == 8)


def test_sides() -> None:
    ahead, behind = FidPair("a", 2, 2.0, 1.0, 0.5), FidPair("a", 2, 1.0, 2.0, 0.5)
    assert ahead.sides_with(0.5)
    assert not ahead.sides_with(1.5)
    assert behind.sides_with(1.5)
    assert not behind.sides_with(0.5)


def test_counts_follow_the_ratios() -> None:
    pairs = (FidPair("a", 2, 2.0, 1.0, 0.5), FidPair("b", 2, 1.0, 2.0, 0.5))
    text = fid_table(pairs, *_ratios(0.5, (0.4, 1.2)))
    assert "| a (0.5) | 2 | 2 | 1 | OT | 0.50 … 0.50 | 3 of 3 | 0.40 … 1.20 | 1 of 2 |" in text
    assert "| b (0.5) | 2 | 1 | 2 | uniform | 0.50 … 0.50 | 0 of 3 | 0.40 … 1.20 | 1 of 2 |" in text
    assert "in 1 of the 2 pairs" in text
    # Control: with the law on the other side the first pair is lost and the second won.
    other = fid_table(pairs, *_ratios(1.5, (0.4, 1.2)))
    assert "| a (0.5) | 2 | 2 | 1 | OT | 1.50 … 1.50 | 0 of 3" in other
