"""What people see: every scheme and number that was measured is drawn and printed."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from fmq_theory.claims import Comparison, Row, TensorRow
from fmq_theory.claims.comparison.rows import RatioRow, ratio_row
from fmq_theory.claims.comparison.verdict import paper_verdict
from fmq_theory.report import SCHEME_STYLES, print_comparison, style_of
from fmq_theory.report.comparison.figure import comparison_figure, write_comparison_figure


def _comparison(**changes: object) -> Comparison:
    rows = tuple(
        Row(
            scheme, bits, 2**bits, own_hat=4.0**-bits, own_lo=-1.0,
            own_hi=2 * 4.0**-bits, own_upper=math.inf, own_high_rate=3 * 4.0**-bits, fresh_hat=5 * 4.0**-bits,
            fresh_lower=4.0**-bits, law_exact=2 * 4.0**-bits, law_upper=math.inf,
        )
        for scheme in ("uniform", "equal_mass", "lloyd_max")
        for bits in (2, 3, 4)
    )  # fmt: skip
    given: dict[str, object] = {
        "subject": "student-t (df = 3)",
        "config": {"bits": [2, 3, 4]},
        "rows": rows,
        "ratios": tuple(ratio_row(b, [0.30, 0.31], [0.25 * b, 0.26 * b]) for b in (2, 3, 4)),
        "crossover_bits": 3.9,
        "verdict": "A verdict.",
        "shannon": tuple((b, 0.5 * 4.0**-b) for b in (2, 3, 4)),
    }
    return Comparison(**(given | changes))  # type: ignore[arg-type]


def test_figure_shows_every_scheme_the_limit_the_band_and_the_crossover() -> None:
    figure = comparison_figure(_comparison())
    left, right = figure.axes
    labels = left.get_legend_handles_labels()[1]
    assert {style_of(s).label for s in ("uniform", "equal_mass", "lloyd_max")} < set(labels)
    assert "Shannon bound" in labels
    assert left.get_yscale() == right.get_yscale() == "log"
    assert any("b* = 3.90" in text.get_text() for text in right.texts)


def test_points_of_the_figure_are_the_measured_numbers() -> None:
    figure = comparison_figure(_comparison())
    drawn = figure.axes[0].containers[0]
    assert isinstance(drawn, ErrorbarContainer)
    points = np.asarray(drawn.lines[0].get_ydata())
    assert list(points) == [4.0**-2, 4.0**-3, 4.0**-4]


def test_figure_without_shannon_and_crossover() -> None:
    figure = comparison_figure(_comparison(shannon=(), crossover_bits=None))
    assert "Shannon bound" not in figure.axes[0].get_legend_handles_labels()[1]
    assert not figure.axes[1].texts


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_figure_files_are_the_same_twice(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_comparison_figure(_comparison(), tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{suffix}", f"b.{suffix}"]


def test_no_two_schemes_look_the_same() -> None:
    looks = list(SCHEME_STYLES.values())
    for part in ("label", "colour", "marker"):
        assert len({getattr(item, part) for item in looks}) == len(looks)


def test_tables_print_rows_ratios_and_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(_comparison(rows=(*_comparison().rows, Row("nf4", 2, 4, note="16 levels only"))))
    text = capsys.readouterr().out
    for expected in ("0.0625", "inf", "16 levels only", "b* = 3.90", "A verdict.", "0.305"):
        assert expected in text


def test_tables_print_layers_and_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    layer = TensorRow("conv.weight", (4, 3, 3, 3), 108, 5, (0.3, 0.31, None), (0.5, 0.9, 1.5), 3.2)
    print_comparison(_comparison(tensors=(layer,), skipped=(("a", "complex"), ("b", "complex"))))
    text = capsys.readouterr().out
    assert "conv.weight" in text
    assert "4×3×3×3" in text
    assert "2 complex" in text


def _text(comparison: Comparison, capsys: pytest.CaptureFixture[str], *, quiet: bool = False) -> str:
    capsys.readouterr()
    print_comparison(comparison, quiet=quiet)
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


@pytest.mark.parametrize("width", [80, 139, 140, 200])
def test_no_number_is_cut_at_any_width_of_a_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the output for a terminal
    monkeypatch.setenv("TERM", "xterm")
    text = _text(_comparison(), capsys)
    assert max(map(len, text.splitlines())) <= width
    for expected in ("0.0625", "0.00391", "0.305", "[-1, 0.125]"):
        assert expected in text


def test_the_verdict_and_the_ratios_come_before_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _text(_comparison(), capsys).splitlines()
    places = [
        next(place for place, line in enumerate(lines) if word in line)
        for word in ("Verdict. A verdict.", "ρ_W2", "b* = 3.90", "uniform (min–max)")
    ]
    assert places == sorted(places)
    assert places[0] <= 2


def test_one_ratio_without_a_spread_does_not_hide_the_interval_of_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Three weights at one bit: rho_W2 is 1/2 in every sample, rho_EM is not."""
    drawn = _text(_comparison(ratios=(ratio_row(1, [0.5] * 6, [0.5, 0.6, 0.8, 1.5, 2.0, 4.5]),)), capsys)
    assert re.search(r"\[0\.5\d*, 3\.\d+\]", drawn)
    assert "in the median sample" in drawn
    exact = RatioRow(1, 0.5, 0.5, 0.5, False, 0.8, 0.8, 0.8, False)
    given = _text(_comparison(ratios=(exact,)), capsys)
    assert "in the median sample" not in given


def test_quiet_leaves_the_table_and_its_notes_out(capsys: pytest.CaptureFixture[str]) -> None:
    given = _comparison(notes=("of the input",), table_notes=("of a column",))
    quiet, full = _text(given, capsys, quiet=True), _text(given, capsys)
    assert full.startswith(quiet.removesuffix("· of the input\n"))
    assert "of the input" in quiet
    assert "of a column" in full
    for of_table in ("of a column", "uniform (min–max)", "0.0625"):
        assert of_table not in quiet


def test_the_band_s_column_agrees_with_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    inside, below, above = [0.30] * 6, [0.1] * 6, [0.7] * 6
    straddling = [0.2, 0.22, 0.26, 0.27, 0.3, 0.31]  # the median lies inside, its interval does not
    ratios = (ratio_row(2, inside, straddling), ratio_row(3, below, above), ratio_row(4, inside[:2], above))
    lines = _text(_comparison(ratios=ratios), capsys).splitlines()
    rows = [next(line for line in lines if line.startswith(f"   {bits} ")) for bits in (2, 3, 4)]
    assert ratios[0].rho_em_in_band
    assert [re.findall(r"yes|no, \w+|undecided", row) for row in rows] == [
        ["yes", "undecided"],
        ["no, below", "no, above"],
        ["undecided", "no, above"],
    ]
    words = paper_verdict("a law", ratios, None)
    assert "inside it at 2 bits, below it at 3 bits (4 bits undecided)" in words.split("Lloyd-Max")[1] or (
        "below it at 3 bits, inside it at 2 bits (4 bits undecided)" in words
    )


def test_a_measured_value_on_the_wrong_side_of_law_s_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    def row(own_hat: float, fresh_hat: float) -> Row:
        return Row("lloyd_max", 8, 256, law_exact=2.0, law_upper=3.0, own_hat=own_hat, fresh_hat=fresh_hat)

    beats = _text(_comparison(rows=(row(own_hat=1.0, fresh_hat=2.5),)), capsys)
    assert "1*" in beats
    assert "* own below law: the codebook was designed on these very weights" in beats
    assert "†" not in beats
    exceeds = _text(_comparison(rows=(row(own_hat=2.0, fresh_hat=3.5),)), capsys)
    assert "3.5†" in exceeds
    assert "† measured above law's bound" in exceeds
    plain = _text(_comparison(rows=(row(own_hat=2.0004, fresh_hat=2.9),)), capsys)
    assert not {"*", "†"} & set(plain.replace("b*", ""))
