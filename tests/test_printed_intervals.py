"""No interval is printed whose kind is not in the counted table, whether in a figure, a table or a file."""

import ast
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import fmq_theory
from experiments.figures.coverage import BAND
from experiments.framework.table import Table, read_table
from fmq_theory.errors import WeightsError
from fmq_theory.metrics import (
    INTERVAL_KINDS,
    mean_estimate,
    median_estimate,
    order_statistics_confidence,
    printed_interval,
)
from fmq_theory.report.base.interval_bars import interval_bars

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
COLUMNS = {
    "rate_distortion": ("median", {"own", "rho_w2", "rho_em"}),
    "ratio_map": ("median", {"rho_w2", "rho_em"}),
    "equal_mass_rates": ("median", {"measured", "order"}),
    "fidelity": ("mean", {"psnr_db", "ssim"}),
}
"""Tables with ends of intervals: the kind, and of which columns."""
MAKERS = {"mean_estimate", "median_estimate"}


@pytest.fixture(scope="module")
def counted() -> Table:
    return read_table(RESULTS, "coverage")


@pytest.mark.parametrize("kind", INTERVAL_KINDS)
def test_every_kind_was_counted_and_covers(kind: str, counted: Table) -> None:
    part = counted.where(interval=kind, printed=True)
    assert len(part) >= 8
    assert min(part.values("trials")) >= 2000
    for row in part:
        assert BAND[0] <= row["coverage"] <= BAND[1], row
        if kind == "lead":  # exact, not nominal
            assert row["coverage"] == pytest.approx(order_statistics_confidence(row["repeats"]), abs=0.01)


def test_what_has_no_interval_was_counted_to_fail(counted: Table) -> None:
    """Controls: b*, SSIM at many bits and the mean square error are left out because they do not cover."""
    outside = [row for row in counted if not BAND[0] <= row["coverage"] <= BAND[1]]
    assert not any(row["printed"] for row in outside)
    assert {"crossover", "ssim", "squared error"} <= {row["quantity"] for row in outside}


def test_an_uncounted_interval_has_no_ends() -> None:
    few, many = mean_estimate([1.0, 2.0] * 95), mean_estimate([1.0, 2.0] * 96)
    assert printed_interval(many, "mean", "psnr_db", 8) is not None
    assert printed_interval(few, "mean", "psnr_db", 8) is None
    assert printed_interval(many, "mean", "ssim", 4) is not None
    assert printed_interval(many, "mean", "ssim", 5) is None
    assert printed_interval(many, "mean", "latent_std_ratio", 4) is None
    median = median_estimate([float(k) for k in range(8)])
    assert printed_interval(median, "median", "order") is not None
    assert printed_interval(median, "median", "crossover") is None
    with pytest.raises(WeightsError, match="was not counted"):
        printed_interval(many, "batches", "psnr_db", 8)
    with pytest.raises(WeightsError, match="not of a median"):
        printed_interval(median, "mean", "psnr_db", 8)
    with pytest.raises(WeightsError, match="no such interval was counted"):
        interval_bars("batches", [1.0], [0.5], [1.5])


def test_bars_are_the_ends_of_the_interval() -> None:
    bars = interval_bars("median", [4.0, 5.0, 6.0], [3.0, None, -1.0], [6.0, None, 7.0])
    assert bars.tolist() == [[1.0, 0.0, 7.0], [2.0, 0.0, 1.0]]
    on_log_axis = interval_bars("median", [6.0], [-1.0], [7.0], log=True)
    assert on_log_axis[0, 0] == pytest.approx(0.99 * 6.0)


def _printing() -> Iterator[tuple[str, ast.Module]]:
    for folder in (Path(fmq_theory.__file__).parent, ROOT / "experiments"):  # the package may be a wheel
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder).as_posix()
            if not name.startswith(("metrics/", "kernels/", "certify/", "bounds/", "fuzz/")):
                yield name, ast.parse(path.read_text("utf-8"))


def bars_not_counted(tree: ast.AST) -> list[int]:
    """Lines of error bars that are not made by ``interval_bars``, in the call or in the same function."""
    found: list[int] = []
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Module))]
    for function in functions:
        made = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and _called(node.value) == "interval_bars"
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(function):
            if _called(node) != "errorbar" or not isinstance(node, ast.Call):
                continue
            for given in node.keywords:
                is_made = _called(given.value) == "interval_bars" or (
                    isinstance(given.value, ast.Name) and given.value.id in made
                )
                if given.arg in ("xerr", "yerr") and not is_made and not isinstance(function, ast.Module):
                    found.append(node.lineno)
    return found


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def ends_read(tree: ast.AST) -> list[int]:
    """Lines that read the ends of an estimate past ``printed_interval``."""
    names = {
        argument.arg
        for argument in (node for node in ast.walk(tree) if isinstance(node, ast.arg))
        if argument.annotation is not None and "Estimate" in ast.unparse(argument.annotation)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(_called(part) in MAKERS for part in ast.walk(node.value)):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("low", "high")
        and (_called(node.value) in MAKERS or (isinstance(node.value, ast.Name) and node.value.id in names))
    ]


def test_bars_and_ends_come_from_the_counted_kinds_alone() -> None:
    seen = 0
    for name, tree in _printing():
        assert not bars_not_counted(tree), name
        assert not ends_read(tree), name
        seen += any(_called(node) == "errorbar" for node in ast.walk(tree))
    assert seen >= 5


def test_the_search_finds_an_interval_that_was_not_counted() -> None:
    """Controls: near wrong code, and right code beside it."""
    right = "def f(a):\n    s = interval_bars('median', v, l, h)\n    a.errorbar(x, v, yerr=s)\n"
    assert not bars_not_counted(ast.parse(right))
    assert bars_not_counted(ast.parse(right.replace("interval_bars('median', v, l, h)", "[v, h]"))) == [3]
    assert bars_not_counted(ast.parse(right.replace("yerr=s", "xerr=np.nan_to_num(s)"))) == [3]
    reads = "from fmq_theory.metrics import mean_estimate\nrow = {'lo': mean_estimate(v).low}\n"
    assert ends_read(ast.parse(reads)) == [2]
    assert not ends_read(ast.parse(reads.replace(".low", ".value")))
    assert ends_read(ast.parse("found = mean_estimate(v) if v else None\nrow = found.high\n")) == [2]
    assert ends_read(ast.parse("def f(found: Estimate | None):\n    return found.low\n")) == [2]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.csv")), ids=lambda path: path.stem)
def test_published_tables_hold_ends_of_counted_intervals_alone(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ends = {name for name in rows[0] if name.endswith(("_lo", "_hi", "_low", "_high"))}
    kind, quantities = COLUMNS.get(path.stem, ("", set()))
    assert {name.rpartition("_")[0] for name in ends} == quantities
    for row in rows:
        for name in ends:
            if row[name]:
                bits = int(row["bits"]) if row["bits"] else None
                count = int(row.get("samples") or row.get("repeats") or 192)
                assert INTERVAL_KINDS[kind].has(name.rpartition("_")[0], bits, count), (row, name)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("flow-*.json")), ids=lambda path: path.stem)
def test_published_flows_hold_counted_intervals_alone(path: Path) -> None:
    report = json.loads(path.read_text("utf-8"))
    config = report["config"]
    for row in report["rows"]:
        for name, intervals in (row.get("intervals") or {}).items():
            if intervals["samples"] is not None:
                assert report.get("measure", "samples") == "samples"
                assert INTERVAL_KINDS["mean"].has(name, row["bits"], config["samples"] * config["seeds"])
            if intervals["seeds"] is not None:
                assert INTERVAL_KINDS["seeds"].has(name, row["bits"], config["seeds"])
                assert config["samples"] >= INTERVAL_KINDS["seeds"].fewest_each


def test_the_page_names_every_kind() -> None:
    text = (ROOT / "docs" / "intervals.md").read_text("utf-8")
    for name in INTERVAL_KINDS:
        assert f"| `{name}` |" in text
