"""The theory of a law from another process, and kernels compiled ahead."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fmq_theory.claims import compare_law
from fmq_theory.claims.comparison.law_theory import LawTheory, law_theory
from fmq_theory.claims.comparison.on_law import sized_schemes
from fmq_theory.cli import compile_kernels, law_process
from fmq_theory.cli.compile_kernels import compile_schemes, schemes_to_compile
from fmq_theory.cli.doctor import doctor
from fmq_theory.cli.law_process import Question, theory_beside
from fmq_theory.kernels.runtime import jit, threads
from fmq_theory.sources import Gaussian, StudentT

SCHEMES = ("uniform", "equal_mass", "lloyd_max", "nf4")
QUESTION = Question(StudentT(df=4.0), SCHEMES, (2, 4), 5000, compiles=())
MANY = 10**6


def here(question: Question) -> LawTheory:
    designs = sized_schemes(question.schemes, question.n)
    return law_theory(question.source, designs, question.bits, question.n)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "default_threads", lambda: 2)


@pytest.mark.usefixtures("two_cores")
def test_another_process_finds_the_same_to_the_bit() -> None:
    with theory_beside(QUESTION, MANY) as theory:
        found = theory()
    assert found is not None
    assert set(found.schemes) == {(name, b) for name in SCHEMES for b in (2, 4)} - {("nf4", 2)}
    assert found == here(QUESTION)
    assert found != here(QUESTION._replace(n=6000))  # control: another n is another theory


def test_small_samples_and_a_lone_core_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refused)
    monkeypatch.setattr(threads, "default_threads", lambda: 2)
    with theory_beside(QUESTION, 1000) as theory:
        assert theory() is None
    monkeypatch.setattr(threads, "default_threads", lambda: 1)
    with theory_beside(QUESTION, MANY) as theory:
        assert theory() is None
    monkeypatch.setattr(threads, "default_threads", lambda: 2)
    with pytest.raises(AssertionError), theory_beside(QUESTION, MANY):
        pass  # control: one would be started here


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("program", ["/bin/false", "/no/such/program"])
def test_a_process_that_fails_is_done_without(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(law_process.sys, "executable", program)
    with theory_beside(QUESTION, MANY) as theory:
        assert theory() is None


@pytest.mark.usefixtures("two_cores")
def test_the_process_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    of_system = subprocess.Popen

    def kept(*arguments: object, **options: object) -> "subprocess.Popen[bytes]":
        started.append(of_system(*arguments, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", kept)
    with pytest.raises(KeyboardInterrupt), theory_beside(QUESTION, MANY):
        raise KeyboardInterrupt
    (process,) = started
    assert process.returncode is not None


def test_a_comparison_takes_the_theory_it_is_given() -> None:
    asked = {"bits": (2, 4), "schemes": SCHEMES, "n": 500, "repeats": 2, "seed": 0}
    alone = compare_law(Gaussian(), "a law", **asked)
    given = here(Question(Gaussian(), SCHEMES, (2, 4), 500, compiles=()))
    assert compare_law(Gaussian(), "a law", **asked, theory=lambda: given) == alone
    other = here(Question(Gaussian(scale=2.0), SCHEMES, (2, 4), 500, compiles=()))
    assert compare_law(Gaussian(), "a law", **asked, theory=lambda: other) != alone  # control: it is used


def test_what_is_compiled_is_what_the_run_asks_for_and_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jit, "cache_directory", lambda: tmp_path)
    asked = ("uniform", "uniform_clipped", "lloyd_max")
    assert schemes_to_compile(asked) == ("uniform_clipped", "lloyd_max")
    assert schemes_to_compile(("uniform",)) == ()
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "other.kernel-1.py311.nbi").write_bytes(b"")
    assert schemes_to_compile(asked) == ("uniform_clipped", "lloyd_max")  # of another job
    (tmp_path / "room" / "search._search-150.py311.nbi").write_bytes(b"")
    assert schemes_to_compile(asked) == ("lloyd_max",)
    monkeypatch.setattr(jit, "cache_directory", lambda: None)  # nothing can be kept: no process could help
    assert schemes_to_compile(asked) == ()


def test_the_kernels_that_are_looked_for_are_kept_under_these_names() -> None:
    asked = tuple(compile_kernels._LONGEST)
    compile_schemes(asked)
    assert schemes_to_compile(asked) == ()


def test_doctor_says_if_kernels_cannot_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        compile_kernels,
        "_started",
        lambda kind: subprocess.Popen([sys.executable, "-c", f"exit({len(kind)})"]),
    )
    result = CliRunner().invoke(doctor, ["--compile"])
    assert result.exit_code == 2
    assert "the process that compiles them ended with 6" in result.output
    assert "fmq doctor without --compile" in result.output


AFTERWARDS = """
import numba.core.event as event
from fmq_theory.claims import compare_law
from fmq_theory.cli.scheme_names import COMPARED
from fmq_theory.sources import StudentT

class Seen(event.Listener):
    def on_start(self, event):
        function = event.data["dispatcher"].py_func
        if function.__module__.startswith("fmq_theory"):
            print(function.__qualname__)
    def on_end(self, event): pass

event.register("numba:compile", Seen())
compare_law(StudentT(df=4.0), "", bits=(2, 8), schemes=COMPARED, n=1_000_000, repeats=1, seed=1)
"""


@pytest.mark.deep
def test_after_doctor_compile_the_main_job_compiles_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def compiled() -> list[str]:
        done = subprocess.run([sys.executable, "-c", AFTERWARDS], capture_output=True, text=True, check=True)
        return done.stdout.split()

    compile_kernels.compile_ahead(lambda _share, _what: None)
    assert compiled() == []
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "empty"))
    found = compiled()
    assert "_search" in found  # control
    assert "best_grid_of_all" not in found  # of few points
    assert len(found) <= 72  # each costs a first run about 0.1 s
