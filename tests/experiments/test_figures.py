"""What the experiments compute: known orders, known ratios, and decisions that an interval bears."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Annotation

from experiments.figures import equal_mass_rates, ratio_map, real_layers
from experiments.framework.panels import blocks
from experiments.framework.table import Row, Table, read_table
from experiments.registry import EXPERIMENTS, get_experiment
from fmq_theory.report.base.style import PAGE_WIDTH

ROOT = Path(__file__).resolve().parents[2]


def test_the_order_of_a_power_is_its_exponent() -> None:
    bits = range(3, 9)
    assert equal_mass_rates.fitted_order(bits, [5.0 * 2.0 ** (-0.7 * b) for b in bits]) == pytest.approx(0.7)
    # Negative control: another exponent is another order.
    assert abs(equal_mass_rates.fitted_order(bits, [2.0 ** (-0.8 * b) for b in bits]) - 0.7) > 0.09


@pytest.mark.parametrize(
    ("name", "order"), [("uniform", 2.0), ("laplace", 1.0), ("t(3)", 1 / 3), ("t(4)", 0.5)]
)
def test_fitted_orders_are_those_of_t5(name: str, order: float) -> None:
    config = equal_mass_rates.Config(laws=(name,), most_bits=16, window=(12, 16), n=2000, repeats=2)
    (fit,) = [row for row in equal_mass_rates.rows(config, {"law": name}) if row.get("of") == "law"]
    assert fit["predicted"] == pytest.approx(order)
    assert fit["order"] == pytest.approx(order, abs=0.01)
    assert fit["slope_least"] - 1e-12 <= fit["order"] <= fit["slope_most"] + 1e-12


def test_the_formula_of_t5_has_the_order_of_a_gaussian_before_its_limit() -> None:
    # T5b: D K ln K tends to a constant, so the order is near 1 + 1/ln K and reaches 1 as a logarithm does.
    config = equal_mass_rates.Config(laws=("gaussian",), most_bits=16, window=(12, 16), n=2000, repeats=2)
    table = Table(tuple(dict(row) for row in equal_mass_rates.rows(config, {"law": "gaussian"})), {})
    of_law = table.where(of="law")
    formula = equal_mass_rates.order_of_formula(table, of_law)
    (fit,) = of_law.rows
    assert formula == pytest.approx(1 + 1 / (14 * math.log(2)), abs=2e-3)
    assert formula == pytest.approx(fit["order"], abs=5e-3)
    assert abs(fit["order"] - fit["predicted"]) > 0.08  # the limit alone would not tell


def test_samples_have_the_order_of_their_law_over_the_same_bits() -> None:
    config = equal_mass_rates.Config(laws=("laplace",), most_bits=10, window=(8, 10), n=200_000, repeats=6)
    (fit,) = [row for row in equal_mass_rates.rows(config, {"law": "laplace"}) if row.get("of") == "samples"]
    assert fit["order_lo"] - 0.02 <= fit["order_of_law"] <= fit["order_hi"] + 0.02


def _ratios(rows: list[Row]) -> dict[int, Row]:
    return {row["bits"]: row for row in rows if row["kind"] == "ratio"}


def test_measured_ratios_are_those_of_the_theory_on_a_gaussian_layer() -> None:
    config = ratio_map.Config(laws=("gaussian",), sizes=(200_000,), repeats=(6,))
    (cell,) = ratio_map.cells(config)
    rows = list(ratio_map.rows(config, cell))
    found = _ratios(rows)
    for b in (5, 6, 7):
        assert found[b]["rho_em"] == pytest.approx(found[b]["rho_em_predicted"], rel=0.15)
        assert found[b]["rho_w2"] == pytest.approx(found[b]["rho_w2_predicted"], rel=0.15)
    (star,) = [row for row in rows if row["kind"] == "crossover"]
    assert star["crossover_least"] < star["crossover"] < star["crossover_most"]
    assert star["crossover"] == pytest.approx(star["crossover_predicted"], abs=0.3)


@pytest.mark.parametrize(
    ("low", "high", "place"),
    [
        (0.26, 0.39, "inside"),
        (0.24, 0.39, "undecided"),
        (0.1, 0.2, "below"),
        (0.5, 0.6, "above"),
        (0.1, 0.9, "undecided"),
        (None, None, "undecided"),
    ],
)
def test_a_decision_needs_the_whole_interval(low: float | None, high: float | None, place: str) -> None:
    assert ratio_map.place_in_band(low, high) == place


def test_ratios_of_the_bundled_model_add_up() -> None:
    config = real_layers.Config.quick()
    cell = next(cell for cell in real_layers.cells(config) if cell["granularity"] == "tensor")
    rows = list(real_layers.rows(config, cell))
    layers = [row for row in rows if row.get("tensor") and row["bits"] == 4]
    (whole,) = [row for row in rows if row.get("tensor") is None and row["bits"] == 4]
    assert whole["weights"] == sum(row["weights"] for row in layers)
    # The whole is a mean of the layers, weighed by uniform's error, and so between the extremes.
    for name in ("rho_em", "rho_w2"):
        values = [row[name] for row in layers if row[name] is not None]
        assert min(values) <= whole[name] <= max(values)
    assert all(row["rho_w2"] <= min(1.0, row["rho_em"]) + 1e-12 for row in layers)  # the optimum is one
    figure = real_layers.plot(Table(tuple({"tensor": None, "lossless": None, **row} for row in rows), {}))[""]
    drawn = [np.asarray(line.get_ydata(), dtype=float) for line in figure.axes[1].get_lines()]
    assert any(np.isfinite(values).all() and values.size > 2 for values in drawn)


def test_only_layers_with_fewer_levels_than_weights_are_drawn() -> None:
    rows = [
        {"model": "m", "granularity": granularity, "tensor": "w", "bits": b, "rho_em": 7.0, "rho_w2": 0.3,
         "lossless": b == 3}
        for granularity in ("channel", "tensor")
        for b in (2, 3)
    ]  # fmt: skip
    figure = real_layers.plot(Table(tuple(rows), {}))[""]
    lines = [np.asarray(line.get_xydata(), dtype=float) for line in figure.axes[0].get_lines()]
    layer = [points for points in lines if points[:, 1].tolist() == [7.0]]
    assert [points[:, 0].tolist() for points in layer] == [[2.0]]


@pytest.mark.deep
def test_every_experiments_figure_fits_the_page_so_that_its_words_are_not_shrunk() -> None:
    for name in EXPERIMENTS:
        table = read_table(ROOT / "docs" / "results", name)
        for figure in get_experiment(name).plot(table).values():
            assert figure.get_figwidth() <= PAGE_WIDTH
            assert figure.get_figheight() <= 1.5 * PAGE_WIDTH


@pytest.mark.parametrize(
    ("names", "first", "labelled"),
    [("a", "a", "a"), ("ab", "a", "b"), ("abc", "a", "c"), ("abcde", "ad", "c")],
)
def test_blocks_are_three_side_by_side(names: str, first: str, labelled: str) -> None:
    made = blocks(list(names), 2)
    assert list(made.panels) == list(names)
    assert made.first == list(first)
    assert made.labelled == labelled
    tops = {name: axes[0].get_position().y0 for name, axes in made.panels.items()}
    assert all(axes[0].get_position().y0 > axes[1].get_position().y0 for axes in made.panels.values())
    assert len({round(top, 6) for top in tops.values()}) == len(first)
    shown = [axes for axes in made.figure.axes if axes.axison]
    assert len(shown) == 2 * len(names)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0004, "<.001"), (0.004, ".004"), (0.0097, "0.01"), (0.33, "0.33"), (12.34, "12.3")]
)
def test_ratios_are_written_short(value: float, text: str) -> None:
    assert ratio_map._short(value) == text  # pyright: ignore[reportPrivateUsage]


def test_a_law_without_a_crossover_in_large_layers_is_named_where_it_ends() -> None:
    rows: list[dict[str, Any]] = [
        {"law": name, "n": n, "kind": "crossover", "crossover": star, "crossover_least": low,
         "crossover_most": None}
        for name, n, star, low in (
            ("uniform", 1024, 4.9, 4.8), ("uniform", 4096, None, None),
            ("gaussian", 1024, 3.4, 3.3), ("gaussian", 4096, 3.8, 3.7),
        )
    ]  # fmt: skip
    rows += [
        {"law": name, "n": n, "kind": "ratio", "bits": b, "rho_em": 0.3, "rho_em_band": "inside",
         "rho_w2": 0.2, "rho_w2_band": "below"}
        for name in ("uniform", "gaussian") for n in (1024, 4096) for b in (2, 3)
    ]  # fmt: skip
    figures = ratio_map.plot(Table(tuple(rows), {"config": {"bits": [2, 3]}}))
    (axes,) = figures["crossover"].axes
    places = {text.get_text(): text.xycoords for text in axes.texts if isinstance(text, Annotation)}
    assert places == {"uniform": "data", "Gaussian": "axes fraction"}
    framed = [len(axes.patches) for axes in figures[""].axes]
    assert framed == [4, 0, 4, 0]  # rho_em is in the band everywhere, rho_w2 nowhere
