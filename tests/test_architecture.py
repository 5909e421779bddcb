"""The rules of the house that import-linter and ruff cannot check, and that ruff checks the others."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fmq_theory"
MOST_LINES = 400


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


def test_files_are_about_one_concept() -> None:
    lines = {_name(path): path.read_text("utf-8").count("\n") for path in ALL_FILES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}  # split them by concept


OFFENCES = {
    "assert 1": "S101",  # it vanishes under -O
    "def f():\n    print(1)": "T201",
    "try:\n    f()\nexcept:\n    pass": "E722",
    "try:\n    f()\nexcept Exception:\n    pass": "BLE001",
    "from scipy import stats": "TID251",
    "import scipy.stats as st": "TID251",
    "from scipy.stats import norm": "TID251",
    "σ = 1": "PLC2401",
    "def f(σ): ...": "PLC2401",
    "from . import codebook": "TID252",
    "def f(a, b, c, d, e, g, h): ...": "ANN001",
}


@pytest.mark.skipif(shutil.which("ruff") is None, reason="needs ruff, of the extra 'dev'")
def test_control_ruff_knows_the_rules_of_the_package() -> None:
    """Each rule that is left to ruff is switched on for a file of the package."""
    for offence, code in OFFENCES.items():
        command = ["ruff", "check", "--no-cache", "--output-format", "concise", "--stdin-filename"]
        done = subprocess.run(
            [*command, "fmq_theory/metrics/made.py", "-"],
            input=offence, cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert f" {code} " in done.stdout, offence


def test_the_scan_sees_the_package() -> None:
    """An empty list of files would make every test above pass."""
    assert len(PACKAGE_FILES) > 30
    assert PACKAGE / "codebook.py" in PACKAGE_FILES


def test_version_is_said_once() -> None:
    import fmq_theory

    version = fmq_theory.__version__  # pyproject.toml reads it from there
    assert importlib.metadata.version("fmq_theory") == version
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"version = {{{version}}}" in (ROOT / "README.md").read_text("utf-8")
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_lowest_versions_are_those_that_are_asked_for() -> None:
    """.ci/lowest.txt is what CI tests; pyproject.toml is what it promises."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(line for name in ("cluster", "entropy", "flow", "test") for line in extras[name]),
    ]
    promised = dict(re.findall(r"^([\w-]+)(?:\[\w+\])?>=([\d.]+)", "\n".join(asked), re.MULTILINE))
    tested = dict(
        re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / ".ci/lowest.txt").read_text("utf-8"), re.MULTILINE)
    )
    assert promised.keys() - tested.keys() == {"torch"}
    assert tested.keys() <= promised.keys()
    for name, version in tested.items():
        lowest = promised[name].split(".")
        assert version.split(".")[: len(lowest)] == lowest, name


# --- what lies in the repository ------------------------------------------------------------------

FOLDERS = {".ci", "docs", "experiments", "fmq_theory", "proofs_check", "tests"}
LARGEST = 2_000_000


def _strays(names: list[str]) -> list[str]:
    """Files that a command left behind: of no kind that the root holds, or large."""
    stray: list[str] = []
    for name in names:
        folder, _, rest = name.partition("/")
        belongs = folder in FOLDERS if rest else Path(name).suffix in ("", ".md", ".toml", ".yaml", ".cff")
        if not belongs or ((ROOT / name).is_file() and (ROOT / name).stat().st_size > LARGEST):
            stray.append(name)
    return stray


def test_nothing_that_a_command_left_is_committed() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no checkout: what is committed is not known here")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"git lists nothing here: {listed.stderr.strip()}")
    assert _strays(listed.stdout.splitlines()) == []


def test_control_strays_are_seen() -> None:
    assert _strays(["big.safetensors", "fmq-audit-model.jsonl", "README.md", "docs/index.md"]) == [
        "big.safetensors",
        "fmq-audit-model.jsonl",
    ]
