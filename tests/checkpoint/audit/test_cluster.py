"""A Dask cluster that is not as it should be: every fault is named, none hangs, none gives other numbers."""

import os
import signal
from pathlib import Path

import pytest

from fmq_theory.checkpoint.audit import audit, cluster
from fmq_theory.checkpoint.audit.result import Audit
from fmq_theory.checkpoint.audit.workers import WorkersError
from tests.checkpoint.audit.clusters import LACKS_FMQ_THEORY, OTHER_VERSION, Cluster
from tests.checkpoint.audit.clusters import cluster as started
from tests.checkpoint.audit.made import normal_model, without_seconds

pytest.importorskip("distributed", reason="needs the extra 'cluster'")
pytestmark = [
    pytest.mark.deep,  # each starts processes
    pytest.mark.filterwarnings("ignore"),  # of distributed, about what is the test
]


def audited(path: Path | str, on: Cluster | None = None) -> Audit:
    if on is None:
        return audit(path, schemes=("uniform",), bits=(2,))
    return audit(path, schemes=("uniform",), bits=(2,), backend="dask", scheduler=on.address)


def test_workers_of_the_same_version_give_the_same_report(tmp_path: Path) -> None:
    path = normal_model(tmp_path / "m.safetensors", 6, (3, 40))
    with started(tmp_path, "", "") as found:
        assert without_seconds(audited(path, found)) == without_seconds(audited(path))


def test_a_worker_of_another_version_is_refused(tmp_path: Path) -> None:
    path = normal_model(tmp_path / "m.safetensors", 2, (3, 40))
    with (
        started(tmp_path, OTHER_VERSION) as found,
        pytest.raises(WorkersError, match=r"one has fmq_theory 0\.0\.9 .*install the same"),
    ):
        audited(path, found)


@pytest.mark.parametrize("who", ["worker", "scheduler"])
def test_who_lacks_the_package_is_named(tmp_path: Path, who: str) -> None:
    path = normal_model(tmp_path / "m.safetensors", 2, (3, 40))
    worker, scheduler = (LACKS_FMQ_THEORY, "") if who == "worker" else ("", LACKS_FMQ_THEORY)
    with (
        started(tmp_path, worker, scheduler=scheduler) as found,
        pytest.raises(WorkersError, match=r"another fmq_theory, or none.*install the same"),
    ):
        audited(path, found)


@pytest.mark.skipif(
    not Path("/proc/self/cwd").exists(), reason="needs a path that leads elsewhere by process"
)
def test_a_worker_without_the_file_or_with_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, empty, other = (tmp_path / name for name in ("here", "empty", "other"))
    for folder in (here, empty, other):
        folder.mkdir()
    normal_model(here / "m.safetensors", 2, (3, 40))
    normal_model(other / "m.safetensors", 2, (3, 40))
    with (other / "m.safetensors").open("r+b") as file:  # one weight of the copy is another one
        file.seek(-4, os.SEEK_END)
        file.write(b"\0\0\0\0")
    monkeypatch.chdir(here)
    path = "/proc/self/cwd/m.safetensors"
    for folder, words in ((empty, "a worker does not see it"), (other, "sees another file under this path")):
        with (
            started(tmp_path, "", worker_folder=folder) as found,
            pytest.raises(WorkersError, match=words),
        ):
            audited(path, found)
    with started(tmp_path, "", worker_folder=here) as found:  # control: the path itself is no obstacle
        assert without_seconds(audited(path, found)) == without_seconds(audited(path))


def test_a_scheduler_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_LONELY_SECONDS", 1)
    path = normal_model(tmp_path / "m.safetensors", 2, (3, 40))
    with (
        started(tmp_path) as found,
        pytest.raises(WorkersError, match=r"no worker for 1 s; start some, as with: dask worker tcp://"),
    ):
        audited(path, found)


@pytest.mark.parametrize("whom", ["worker", "scheduler"])
def test_the_last_worker_or_the_scheduler_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whom: str
) -> None:
    monkeypatch.setattr(cluster, "_LONELY_SECONDS", 1)
    monkeypatch.setattr("fmq_theory.checkpoint.audit.tasks._FIXED_WEIGHTS", 0)  # a task a tensor
    path = normal_model(tmp_path / "m.safetensors", 200, (64, 64))
    with started(tmp_path, "") as found:
        killed: list[int] = []

        def kill(done: int, total: int, what: str) -> None:
            if what and not killed and done < total:
                (victim,) = found.workers if whom == "worker" else (found.scheduler,)
                victim.send_signal(signal.SIGKILL)
                killed.append(victim.wait())

        words = "no worker for 1 s" if whom == "worker" else "does not answer any more"
        with pytest.raises(WorkersError, match=words):
            audit(
                path,
                schemes=("uniform", "lloyd_max"),
                bits=(2, 4, 8),
                backend="dask",
                scheduler=found.address,
                progress=kill,
            )
        assert killed == [-signal.SIGKILL]


DIES = """
import os
import fmq_theory.checkpoint.audit.tasks as tasks
tasks.audit_entry = lambda *_: os._exit(1)
"""


def test_workers_that_die_at_a_tensor(tmp_path: Path) -> None:
    path = normal_model(tmp_path / "m.safetensors", 1, (3, 40))
    with (
        started(tmp_path, DIES, DIES, DIES, DIES) as found,
        pytest.raises(WorkersError, match="died again and again"),
    ):
        audited(path, found)
