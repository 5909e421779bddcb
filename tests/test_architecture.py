"""The rules of the house that import-linter and ruff do not check, each with a file that breaks it."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fmq_theory"
MOST_LINES = 400
# Rooms that talk to a person; everywhere else a library must be silent.
MAY_PRINT = ("cli", "report")


def _python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


PACKAGE_FILES = _python_files("fmq_theory")
ALL_FILES = _python_files("fmq_theory", "proofs_check", "experiments", "tests")


# --- what an import costs -------------------------------------------------------------------------

HEAVY = ("torch", "sympy", "matplotlib", "scipy.stats", "ot", "rich", "pandas")


def _modules_after(code: str) -> set[str]:
    """Modules loaded in a fresh interpreter by ``code``, whatever it prints or however it exits."""
    report = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print('\\n' + json.dumps(sorted(sys.modules)), flush=True))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", report + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


_HELP = (
    "import runpy, sys\n"
    "sys.argv = ['fmq_theory.bounds', '--help']\n"
    "runpy.run_module('fmq_theory.bounds', run_name='__main__')"
)


@pytest.mark.parametrize("code", ["import fmq_theory", _HELP], ids=["import", "help"])
def test_nothing_heavy_is_imported(code: str) -> None:
    loaded = _modules_after(code)
    assert "fmq_theory" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_plain_import_needs_neither_numba_nor_scipy() -> None:
    assert _modules_after("import fmq_theory").isdisjoint({"numba", "scipy", "click"})


def test_control_heavy_imports_are_seen() -> None:
    assert "sympy" in _modules_after("import fmq_theory, sympy")


def test_public_names_resolve_and_nothing_else_does() -> None:
    import fmq_theory

    for name in fmq_theory.__all__:
        assert getattr(fmq_theory, name) is not None
    assert set(fmq_theory.__all__) <= set(dir(fmq_theory))
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        fmq_theory.quantise  # noqa: B018


# --- what a file may contain ----------------------------------------------------------------------


def _violations(source: str, *, may_print: bool = False) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Assert):
            yield f"{line}: assert (it vanishes under -O; raise an FmqError)"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            if not may_print:
                yield f"{line}: print"
        elif isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type is not None else ""
            if caught in ("", "Exception", "BaseException"):
                yield f"{line}: except {caught} (name the errors that are expected)"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for module in _imported(node):
                if module == "scipy.stats" or module.startswith("scipy.stats."):
                    yield f"{line}: scipy.stats (slow to import)"
        elif isinstance(node, ast.Name | ast.arg | ast.FunctionDef | ast.ClassDef):
            identifier = next(getattr(node, key) for key in ("id", "arg", "name") if hasattr(node, key))
            if not identifier.isascii():
                yield f"{line}: {identifier} (identifiers are ASCII)"


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=_name)
def test_package_file_keeps_the_rules(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    assert list(_violations(path.read_text("utf-8"), may_print=room in MAY_PRINT)) == []


@pytest.mark.parametrize(
    "offence",
    [
        "assert 1",
        "def f():\n    print(1)",
        "try:\n    f()\nexcept:\n    pass",
        "try:\n    f()\nexcept Exception:\n    pass",
        "from scipy import stats",
        "import scipy.stats as st",
        "from scipy.stats import norm",
        "σ = 1",
        "def f(σ): ...",
    ],
)
def test_control_offences_are_found(offence: str) -> None:
    assert len(list(_violations(offence))) >= 1


@pytest.mark.parametrize("path", ALL_FILES, ids=_name)
def test_file_is_about_one_concept(path: Path) -> None:
    lines = path.read_text("utf-8").count("\n")
    assert lines <= MOST_LINES, f"{lines} lines: split it by concept"


def test_the_scan_sees_the_package() -> None:
    """An empty list of files would make every test above pass."""
    assert len(PACKAGE_FILES) > 30
    assert PACKAGE / "codebook.py" in PACKAGE_FILES


def test_every_package_folder_has_an_init() -> None:
    """import-linter does not see a folder without one."""
    folders = {path.parent for path in PACKAGE_FILES}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_version_is_said_once() -> None:
    import tomllib

    import fmq_theory

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert fmq_theory.__version__ == project["version"]
    assert f"version: {project['version']}" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
