"""The same audit by several processes and by a Dask cluster, with a worker killed on the way."""

import os
import signal
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from fmq_theory.checkpoint.audit import audit
from fmq_theory.checkpoint.audit.tasks import batches
from fmq_theory.checkpoint.audit.workers import WorkersError
from fmq_theory.errors import WeightsError
from tests.checkpoint.audit.made import normal_model, without_seconds

FAST = {"schemes": ("uniform", "uniform_clipped", "lloyd_max"), "bits": (2, 3, 4)}


@pytest.mark.deep
def test_errors_of_workers_arrive_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    bad = torch.ones(3, 4)
    bad[0, 0] = float("nan")
    save_file({"a": torch.randn(3, 4), "b": torch.randn(3, 4), "c": bad}, path)
    with pytest.raises(WeightsError, match="'c': 1 of its 12"):
        audit(path, schemes=("uniform",), bits=(2,), jobs=2)
    found = audit(path, schemes=("uniform",), bits=(2,), jobs=2, on_nonfinite="skip")
    assert [tensor.name for tensor in found.tensors] == ["a", "b"]


@pytest.mark.deep
def test_resume_with_processes(tmp_path: Path) -> None:
    path = normal_model(tmp_path / "m.safetensors", 4, (3, 40))
    store = tmp_path / "s.jsonl"
    first = audit(path, schemes=("uniform",), bits=(2,), jobs=2, resume=store)
    second = audit(path, schemes=("uniform",), bits=(2,), resume=store)
    assert second.reused == 4
    assert second.as_json() == first.as_json()


@pytest.mark.deep
def test_no_scheduler_answers(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    path = normal_model(tmp_path / "m.safetensors", 2, (3, 40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fmq_theory.checkpoint.audit.cluster._CONNECT_SECONDS", 1)
        with pytest.raises(WorkersError, match="does not answer"):
            audit(path, schemes=("uniform",), bits=(2,), backend="dask", scheduler="tcp://127.0.0.1:9")


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore")  # of distributed about a worker that died, which is the test
def test_a_cluster_of_two_workers_of_which_one_is_killed(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    path = normal_model(tmp_path / "m.safetensors", 40, (64, 1024))
    alone = audit(path, **FAST)  # pyright: ignore[reportArgumentType]
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        with distributed.Client(cluster) as client:
            pids = list(client.run(os.getpid).values())
        assert len(set(pids)) == 2
        assert os.getpid() not in pids
        killed = threading.Event()

        def kill_one(done: int, total: int, what: str) -> None:
            if what and not killed.is_set():  # after the first tensor, with most of them ahead
                assert done < total
                os.kill(pids[0], signal.SIGKILL)
                killed.set()

        found = audit(
            path,
            **FAST,  # pyright: ignore[reportArgumentType]
            backend="dask",
            scheduler=cluster.scheduler_address,
            progress=kill_one,
        )
        assert killed.is_set()
        with pytest.raises(ProcessLookupError):
            os.kill(pids[0], 0)
    assert without_seconds(found) == without_seconds(alone)


@given(sizes=st.lists(st.integers(0, 2**24), min_size=1, max_size=400))
def test_batches_hold_every_tensor_once_and_none_is_far_above_its_share(sizes: list[int]) -> None:
    named = [(f"w{i}", size) for i, size in enumerate(sizes)]
    found = batches(named)
    assert sorted(name for batch in found for name in batch) == sorted(name for name, _ in named)
    cost = {name: size + 2**15 for name, size in named}
    share = sum(cost.values()) / 256
    assert all(len(batch) == 1 or sum(map(cost.__getitem__, batch)) <= share for batch in found)
    assert [cost[batch[0]] for batch in found] == sorted((cost[batch[0]] for batch in found), reverse=True)


def test_the_number_of_tasks_does_not_grow_with_that_of_the_tensors() -> None:
    """A task opens the file and reads the names of all its tensors: a task a tensor is quadratic work."""
    few, many = (len(batches([(f"w{i}", 512) for i in range(count)])) for count in (5_000, 20_000))
    assert len(batches([(f"w{i}", 512) for i in range(5)])) == 5  # control: one each as long as there are few
    assert few <= 300
    assert many <= 300
