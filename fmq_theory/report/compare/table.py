"""Comparisons in a terminal: the files side by side, then the worst layers of each and what to keep."""

from collections.abc import Sequence

from rich.console import Console

from fmq_theory.checkpoint.compare.result import FileScore, LayerScore
from fmq_theory.report.base.tables import Line, Section, Sheet, print_prose, print_sheet, terminal
from fmq_theory.report.base.words import percent, size_of
from fmq_theory.report.compare.words import (
    decibels,
    format_of,
    keeping,
    legend,
    notes_of,
    partly,
    times,
)  # fmt: skip
from fmq_theory.shown import counted

__all__ = ["print_scores"]


def print_scores(scores: Sequence[FileScore], *, worst: int = 10) -> None:
    """Prints on standard output.

    Args:
        scores: of one original, at least one.
        worst: at most so many layers of each file.
    """
    console = terminal()
    totals = scores[0].totals
    print_prose(
        console,
        f"{scores[0].original}: {counted(totals.layers, 'layer')}, {totals.weights:,} weights",
    )
    console.print()
    print_sheet(console, _files(scores))
    for score in scores:
        if len(scores) > 1:
            print_prose(console, f"{score.path}: {format_of(score)}", style="bold")
        if worst and score.totals.sse > 0.0:
            print_sheet(console, _layers(score, worst))
        _print_keeping(console, score)
        for note in notes_of(score):
            print_prose(console, f"· {note}", style="dim")
        console.print()


def _files(scores: Sequence[FileScore]) -> Sheet:
    sections = [
        Section(
            score.path,
            [
                Line(
                    (
                        format_of(score),
                        size_of(score.file_bytes),
                        f"{score.totals.effective_bits:.2f}",
                        percent(score.totals.relative_error),
                        decibels(score.totals.sqnr_db),
                        partly(score.totals.over_own, score.totals.own_layers, score.totals.layers),
                        partly(score.totals.over_best, score.totals.best_layers, score.totals.layers),
                    )
                )
            ],
        )
        for score in scores
    ]
    return Sheet(
        sections,
        ["format", "file", "bits", "error", "SQNR", "own", "best"],
        label="file",
        caption=legend(scores),
        left=frozenset({"format"}),
    )


def _layers(score: FileScore, worst: int) -> Sheet:
    layers = [layer for layer in score.worst if layer.sse > 0.0][:worst]
    one_format = len({layer.format for layer in score.layers}) == 1
    head = [] if one_format else ["format"]
    return Sheet(
        [Section(layer.name, [Line(_cells(layer, one_format=one_format))]) for layer in layers],
        [*head, "bits", "error", "SQNR", "of error", "of weights", "ratio", "own", "best"],
        label="layer",
        title="Worst layers, by share of the squared error over share of the weights",
        left=frozenset({"format"}),
    )


def _cells(layer: LayerScore, *, one_format: bool) -> tuple[str, ...]:
    return (
        *(() if one_format else (layer.format,)),
        f"{layer.effective_bits:.2f}",
        percent(layer.relative_error),
        decibels(layer.sqnr_db),
        percent(layer.share_of_error),
        percent(layer.share_of_weights),
        times(layer.weight_of_error),
        times(layer.over_own),
        times(layer.over_best),
    )


def _print_keeping(console: Console, score: FileScore) -> None:
    print_prose(console, keeping(score), head="What follows.")
    console.print()
