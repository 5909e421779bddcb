"""What a long run says of itself: a stage in words at any time, nothing in a pipe."""

import io

import numba  # pyright: ignore[reportMissingTypeStubs]
import pytest
from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from fmq_theory.claims import compare_law
from fmq_theory.kernels.runtime.compilation import watched_compilation
from fmq_theory.report.base.progress import COMPILING, Stages, progress_bar, stages
from fmq_theory.report.base.weights_progress import weights_progress
from fmq_theory.sources import make


@pytest.fixture
def bar() -> Stages:
    bars = Progress(console=Console(file=io.StringIO(), force_terminal=True))
    return Stages(bars, bars.add_task("bounds", total=None), "bounds", 1.0)


def _state(bar: Stages) -> tuple[str, float | None, float]:
    (task,) = bar.bars.tasks
    return task.description, task.total, task.completed


def test_nothing_done_has_words_and_no_length(bar: Stages) -> None:
    bar.advance(0.0, "measuring 8 samples")
    assert _state(bar) == ("bounds: measuring 8 samples", None, 0.0)
    bar.advance(0.25, "measuring, sample 2 of 8")
    assert _state(bar) == ("bounds: measuring, sample 2 of 8", 1.0, 0.25)


def test_a_smaller_share_is_a_new_stage_which_does_not_stand_at_100_percent(bar: Stages) -> None:
    bar.advance(1.0, "measuring, sample 8 of 8")
    bar.advance(0.0, "exact values, uniform")
    assert _state(bar) == ("bounds: exact values, uniform", None, 0.0)
    bar.advance(0.5, "exact values, lloyd_max")
    assert _state(bar) == ("bounds: exact values, lloyd_max", 1.0, 0.5)


def test_compilation_is_said_while_it_lasts_and_the_stage_after_it(bar: Stages) -> None:
    bar.advance(0.0, "measuring 8 samples")
    bar.compiling(True, 3)
    assert f"compiling kernels, once (about {COMPILING} s; 3 done)" in _state(bar)[0]
    bar.compiling(False, 4)
    assert _state(bar)[0] == "bounds: measuring 8 samples"


def test_where_no_cache_can_be_written_it_is_not_said_to_be_once(
    bar: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fmq_theory.kernels.runtime.jit.cache_directory", lambda: None)
    bar.compiling(True, 0)
    assert "at every run, because their cache cannot be written" in _state(bar)[0]


def test_each_compilation_is_heard_of_and_each_later_call_is_not() -> None:
    heard: list[tuple[bool, int]] = []
    inner = numba.njit(lambda x: x + 1.0)
    outer = numba.njit(lambda x: inner(x) * 2.0)
    with watched_compilation(lambda begins, done: heard.append((begins, done))):
        assert outer(1.0) == 4.0
        assert outer(2.0) == 6.0
    assert heard == [(True, 0), (False, 1)]  # inner is compiled on the way to outer
    assert numba.njit(lambda x: x - 1.0)(1.0) == 0.0
    assert len(heard) == 2  # nobody listens any more


def test_the_stages_of_bounds_are_named_and_none_ends_in_silence() -> None:
    told: list[tuple[float, str]] = []
    compare_law(
        make("laplace"), "a law", bits=(2, 3), schemes=("uniform", "lloyd_max"), n=200, repeats=2, seed=0,
        progress=lambda share, what: told.append((share, what)),
    )  # fmt: skip
    assert [what.split(",")[0] for _, what in told] == [
        "measuring 2 samples", *["measuring uniform"] * 2, *["measuring lloyd_max"] * 2,
        *["measuring equal_mass"] * 2, "the law's optimum", "exact values", "exact values", "exact values",
    ]  # fmt: skip
    shares = [share for share, _ in told]
    assert shares[0] == shares[7] == 0.0
    assert shares[6] == shares[-1] == 1.0
    assert shares[:7] == sorted(set(shares[:7]))  # each is more than the last: the bar moves


def test_the_bar_moves_while_kernels_are_compiled_in_the_middle_of_a_stage(bar: Stages) -> None:
    bar.advance(0.25, "measuring uniform")
    bar.compiling(True, 3)
    assert _state(bar)[1] is None
    bar.compiling(False, 4)
    assert _state(bar) == ("bounds: measuring uniform", 1.0, 0.25)


@pytest.mark.parametrize("name", ["plain", "[/] [bold]", "a\x1b[2Jb\nc"])
def test_names_are_shown_and_a_pipe_hears_nothing(
    name: str, bar: Stages, capsys: pytest.CaptureFixture[str]
) -> None:
    bar.advance(0.5, name)
    drawn = str(bar.bars.get_renderable())
    assert drawn
    assert "\x1b" not in bar.bars.tasks[0].description
    with progress_bar("quantizing") as progress:
        progress(0.5, name)
    with weights_progress("audit") as weights:
        weights(1, 2, name)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_the_stage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with weights_progress("audit"):
        pass
    drawn = capsys.readouterr().err
    assert "audit: reading the names of tensors" in drawn
    assert "0%" not in drawn


@pytest.mark.parametrize("columns", [60, 80, 100])
@pytest.mark.parametrize("compiles", [False, True])
def test_a_long_name_loses_its_middle_and_no_number_beside_it(
    columns: int, compiles: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    with stages("audit", "begin", _Fixed()) as bar:
        bar.advance(1.0, "decoders.1.res_blocks.0.time_adapter.0.weight" + "x" * 40, 2.0)
        if compiles:
            bar.compiling(True, 17)
        bar.bars.refresh()
        lines = bar.bars.console.render_lines(bar.bars.get_renderable(), pad=False)
    (line,) = ["".join(piece.text for piece in drawn) for drawn in lines]
    assert len(line) <= columns
    assert "…" not in line
    assert "12.7 k weights/s 0:00:00" in line
    # At 60 columns rich before 14.3, which pads the last column, leaves no room for a letter more.
    assert line.startswith("audit: " if columns == 60 else "audit: c" if compiles else "audit: d")
    assert ("17 done)" if compiles else "xxxx") in line
    capsys.readouterr()


class _Fixed(ProgressColumn):
    """Columns of a rate that is known."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        return Text("12.7 k weights/s")
