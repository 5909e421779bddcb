"""The table of a packed layer beside the dense one and other tools."""

import pytest

from experiments import packed_speed


def test_the_table_has_a_row_for_each_and_says_what_does_not_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(net: object) -> object:
        raise ImportError(f"no tool for {type(net).__name__}")

    monkeypatch.setitem(packed_speed.CONTENDERS, "absent", absent)
    names = ["dense", "lloyd_max, 4 bits", "lloyd_max, 4 bits, once", "absent"]
    only = [word for name in names for word in ("--only", name)]
    assert packed_speed.main(["--width", "128", "--calls", "2", "--eager", *only]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split("  ")[0] for row in rows] == names
    errors = [float(row[24:].split()[0]) for row in rows[:3]]
    sizes = [int(row[24:].split()[1].replace(",", "")) for row in rows[:3]]
    assert errors[0] == 0.0 < errors[1] == errors[2] < 0.2
    assert sizes == [128 * 128 * 4, 128 * (64 + 64), 128 * (64 + 64) + 128 * 128 * 4]
    assert rows[3].endswith("does not run here: ImportError: no tool for Sequential")
