"""fmq doctor: an installation that works, and each way in which it may not."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fmq_theory.bounds import S_INFINITY
from fmq_theory.cli import health
from fmq_theory.cli.doctor import doctor
from fmq_theory.cli.health import HealthCheck, check_health, is_broken
from fmq_theory.cli.self_test import SELF_TESTS, SelfTest
from fmq_theory.kernels.runtime import jit


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(doctor, list(arguments), catch_exceptions=False)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the known numbers, which run in another process."""
    monkeypatch.setattr(health, "_known_numbers", lambda _progress: iter(()))


def _find(name: str) -> HealthCheck:
    return next(check for check in check_health() if check.name == name)


@pytest.mark.deep
def test_this_installation_works(tmp_path: Path) -> None:
    path = tmp_path / "doctor.json"
    result = _run("--json", str(path))
    assert result.exit_code == 0, result.output
    report = json.loads(path.read_text("utf-8"))
    assert report["healthy"]
    assert {f"number: {name}" for name in SELF_TESTS} <= {check["name"] for check in report["checks"]}
    assert "Everything works" in result.output


@pytest.mark.parametrize("name", list(SELF_TESTS))
def test_known_numbers(name: str) -> None:
    test = SELF_TESTS[name]
    assert abs(test.measure() - test.expected) <= test.tolerance
    assert SELF_TESTS["certified"].expected == pytest.approx(S_INFINITY, rel=1e-15)


def test_control_a_wrong_number_is_broken() -> None:
    test = SELF_TESTS["gaussian lloyd_max"]
    good = health._judge("gaussian lloyd_max", test.expected, 0.1)
    bad = health._judge("gaussian lloyd_max", test.expected + 1e-5, 0.1)
    assert (good.status, bad.status) == ("ok", "broken")
    assert is_broken([good, bad])
    assert not is_broken([good])
    assert health._judge("packing", float("nan"), 0.1).status == "broken"


def test_a_test_that_ends_its_process_is_told_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = "sums", "no such test"
    monkeypatch.setattr(
        health, "SELF_TESTS", {second: SelfTest("x", lambda: 0.0, 0.0, 0.0), first: SELF_TESTS[first]}
    )
    checks = list(health._known_numbers(lambda _share, _what: None))
    assert [(check.name, check.status) for check in checks] == [
        (f"number: {second}", "broken"),
        (f"number: {first}", "ok"),
    ]
    assert "no such test" in checks[0].found


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Versions that stand in for those installed; None for a package that is not."""
    real, told = health._installed, dict[str, str | None]()
    monkeypatch.setattr(health, "_installed", lambda name: told[name] if name in told else real(name))
    return told


@pytest.mark.usefixtures("quick")
def test_torchvision_for_another_torch(
    versions: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = health._requirements
    monkeypatch.setattr(
        health, "_requirements", lambda name: {"torch": "==2.9.0"} if name == "torchvision" else real(name)
    )
    versions.update(torchvision="0.24.0", torch="2.9.1+cpu")
    assert _find("torchvision").status == "broken"
    assert _run().exit_code == 1
    versions.update(torch="2.9.0+cpu")
    assert _find("torchvision").status == "ok"
    versions.update(torchvision=None)
    assert _find("torchvision").status == "ok"


@pytest.mark.usefixtures("quick")
def test_missing_and_old_packages(versions: dict[str, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_requirements", lambda _name: {"numpy": ">=2.0", "pot": ">=0.9.5"})
    versions.update(numpy="1.26.4", POT=None)
    old, missing = _find("numpy"), _find("POT")
    assert (old.status, missing.status) == ("broken", "broken")
    assert old.remedy == "pip install 'numpy>=2.0'"
    assert missing.remedy == "pip install 'POT>=0.9.5'"
    versions.update(numpy="2.0", POT="0.10")
    assert (_find("numpy").status, _find("POT").status) == ("ok", "ok")


@pytest.mark.parametrize(
    ("version", "bounds", "fits"),
    [
        ("2.6.0+cpu", ">=2.6,<2.14", True),
        ("2.14", ">=2.6,<2.14", False),
        ("2.5.9", ">=2.6", False),
        ("2.9", "==2.9.0", True),
        ("2.10.1", "==2.10.0", False),
        ("1", "", True),
        ("2.6.0rc1", ">=2.6", False),  # a candidate comes before its release
        ("unknown", ">=2.6", False),
    ],
)
def test_versions_are_compared_as_numbers(version: str, bounds: str, fits: bool) -> None:
    assert health._satisfies(version, bounds) is fits


@pytest.mark.usefixtures("quick")
def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jit, "cache_directory", lambda: None)
    check = _find("kernel cache")
    assert check.status == "note"
    assert "NUMBA_CACHE_DIR" in check.remedy
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.table").write_bytes(bytes(2**20))
    (tmp_path / "other").mkdir()
    monkeypatch.setattr(jit, "cache_directory", lambda: mine)
    check = _find("kernel cache")
    assert check.status == "ok"
    assert "1.0 MB" in check.found
    assert "1 of other versions" in check.found


@pytest.mark.usefixtures("quick")
def test_threads_and_pot(monkeypatch: pytest.MonkeyPatch) -> None:
    for useless in ("many", "0", "-1", "2.5", "²"):
        monkeypatch.setenv("FMQ_THREADS", useless)
        assert _find("threads").status == "broken"
        assert useless in _find("threads").found
    monkeypatch.setenv("FMQ_THREADS", " ")
    assert _find("threads").status == "ok"
    monkeypatch.setenv("FMQ_THREADS", "1")
    assert _find("threads").status == "ok"
    monkeypatch.delenv("POT_BACKEND_DISABLE_PYTORCH", raising=False)
    assert _find("POT and torch").status == "note"
    monkeypatch.setenv("POT_BACKEND_DISABLE_PYTORCH", "1")
    assert _find("POT and torch").status == "ok"


@pytest.mark.usefixtures("quick")
def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_OLDEST_PYTHON", (99, 0))
    assert _find("python").status == "broken"
    assert sys.executable in _find("python").found


@pytest.mark.usefixtures("quick")
def test_json_is_printed_or_written(tmp_path: Path) -> None:
    assert json.loads(_run("--json").output)["checks"]
    path = tmp_path / "there.json"
    path.write_text("precious")
    refused = _run("--json", str(path))
    assert refused.exit_code == 2
    assert path.read_text() == "precious"
    assert _run("--json", str(path), "--force").exit_code == 0
    assert json.loads(path.read_text())["checks"]


def test_a_damaged_kernel_cache_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fmq_theory.cli.health import _cache
    from fmq_theory.kernels.runtime import jit

    monkeypatch.setattr(jit, "cache_directory", lambda: tmp_path / "kernels")
    (tmp_path / "kernels").mkdir()

    @jit.kernel
    def double(x: float) -> float:
        return 2.0 * x

    assert double(1.0) == 2.0
    assert "are damaged" not in _cache().found  # control: what is whole is not called damaged
    (path,) = (tmp_path / "kernels").rglob("*.nbc")
    path.write_bytes(path.read_bytes()[:-1])
    found = _cache()
    assert found.status == "note"
    assert "1 of its files are damaged" in found.found
    path.parent.parent.rename(tmp_path / "gone")
    assert "0.0 MB" in _cache().found  # a folder that was deleted meanwhile is no traceback


def test_needs_are_those_without_an_extra_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "Nested_Name.One<2,>=1.5",
        "tools[fast]>=3; extra == 'test'",
        "old; python_version < '3'",
        "new (>=1)",
        "no name at all >=",
    ]
    monkeypatch.setattr(health, "requires", lambda _package: lines)
    assert health._requirements("made") == {"nested-name-one": "<2,>=1.5", "new": ">=1"}
