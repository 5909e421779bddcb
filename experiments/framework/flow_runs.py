"""Runs of ``fmq flow`` that several experiments draw from: each is made once, and resumed after a stop."""

import contextlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.framework.checkpoints import BUNDLED, StoredModel, folder, missing_note
from experiments.framework.experiment import Cell, folder_of_tree
from experiments.reference_data import mnist_folder
from experiments.train_classifier import main as train_classifier
from fmq_theory.cli.flow import flow
from fmq_theory.errors import FmqError
from fmq_theory.flow.cell_store import kept_cells
from fmq_theory.flow.digits import DIGITS_FILE

__all__ = [
    "FlowRun",
    "flow_cells",
    "flow_images",
    "flow_report",
    "flow_run",
    "flow_runs",
    "output_runs",
    "skipped_runs",
]

_RESULTS = folder_of_tree() / "experiments" / "results"
_SMALLER = ("--bits", "2,4", "--schemes", "uniform,equal_mass,lloyd_max", "--samples", "8", "--seeds", "2")
_SMALLER_OUTPUTS = (
    "--bits", "2,3", "--schemes", "uniform,equal_mass,pwl,log2", "--samples", "16", "--batches", "3"
)  # fmt: skip
_OUTPUTS = ("--measure", "velocity", "--bits", "2-8")
_BATCHES = {"published": ("--batches", "12"), "weights": ("--batches", "6")}
"""Claims are about the published protocol alone: twelve batches give their cases intervals (``policy``)."""
_PENDULUM_OUTPUTS = (
    "--images",
    "experiments.models.pendulum:actions_and_states",
    "--peak",
    "5.0343",
    "--batches",
    "9",
)
"""Peak: the width of the expert's normalised actions, which have no published one. 600 rows are 9 batches."""
_TRAINED = _RESULTS / "mnist-compact.safetensors"
_IMAGE_SIZES = (28, 32)


@dataclass(frozen=True, slots=True)
class FlowRun:
    """One model, and the words of ``fmq flow`` beside its place.

    Attributes:
        name: short.
        checkpoint: file; None for the bundled model.
        options: of the full run.
        smaller: what a quick run says besides.
    """

    name: str
    checkpoint: Path | None
    options: tuple[str, ...]
    smaller: tuple[str, ...] = _SMALLER

    @property
    def path(self) -> Path:
        """The file of its weights."""
        return Path(str(DIGITS_FILE)) if self.checkpoint is None else self.checkpoint

    @property
    def digest(self) -> str:
        """Of its weights."""
        return StoredModel.of(self.name, self.path).digest

    @property
    def factory(self) -> str:
        """``package.module:function`` that builds the network."""
        at = self.options.index("--model") + 1 if "--model" in self.options else None
        return "fmq_theory.flow.digits:build" if at is None else self.options[at]

    def words(self, *, quick: bool) -> list[str]:
        """The arguments of ``fmq flow`` in the root of this checkout, without its output."""
        place = [] if self.checkpoint is None else [_from_root(self.checkpoint)]
        return [*place, *self.options, *(self.smaller if quick else [])]


def _mnist(factory: str, size: int) -> tuple[str, ...]:
    return ("--model", factory, "--bits", "2-8", "--features", _from_root(_classifier(size)),
            "--data", f"experiments.reference_data:mnist_{size}")  # fmt: skip


def _classifier(size: int) -> Path:
    return _RESULTS / f"mnist-classifier-{size}.safetensors"


def flow_runs(*, only_bundled: bool = False) -> Sequence[FlowRun]:
    """What can be run here: the bundled digits, published models, one of one's own training."""
    pendulum = ("--model", "experiments.models.pendulum:build", "--bits", "2-8", "--features", "identity",
                "--ladder-samples", "16")  # fmt: skip
    known = [
        FlowRun(BUNDLED, None, ("--data", "experiments.reference_data:digits")),
        FlowRun("mnist_unet", folder() / "mnist_unet.pt", _mnist("experiments.models.mnist_unet:build", 32)),
        FlowRun("mnist_trained", _TRAINED, _mnist("experiments.models.trained:compact_28", 28)),
        FlowRun("pendulum_policy_epoch100", folder() / "pendulum_policy_epoch100.pth", pendulum),
        FlowRun("pendulum_policy_epoch600", folder() / "pendulum_policy_epoch600.pth", pendulum),
    ]
    if only_bundled:
        return known[:1]
    return [run for run in known if run.checkpoint is None or run.checkpoint.exists()]


def output_runs(*, only_bundled: bool = False) -> Sequence[FlowRun]:
    """The same models by the measure of the published scripts, by their protocol and like for like.

    One output at t = 0 on real data: the test images of MNIST and scikit-learn's digits with their labels,
    the expert's actions with the states they were taken in. PSNR has peak 1 for images, as in the script,
    and the width of the data for actions.
    """
    images = [
        _from_root(mnist_folder() / f"mnist-t10k-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1")
    ]
    mnist = ("--images", images[0], "--labels", images[1])
    real = {
        BUNDLED: ("--images", "experiments.reference_data:labelled_digits"),
        "mnist_unet": (*mnist, "--fit", "resize"),
        "mnist_trained": mnist,
        "pendulum_policy_epoch100": _PENDULUM_OUTPUTS,
        "pendulum_policy_epoch600": _PENDULUM_OUTPUTS,
    }
    found: list[FlowRun] = []
    for run in flow_runs(only_bundled=only_bundled):
        model = () if run.checkpoint is None else ("--model", run.factory)
        for protocol in _BATCHES:
            words = (*model, *_OUTPUTS, *_BATCHES[protocol], "--protocol", protocol, *real[run.name])
            found.append(FlowRun(f"{run.name}-{protocol}-outputs", run.checkpoint, words, _SMALLER_OUTPUTS))
    return found


def flow_cells(*, only_bundled: bool = False) -> Sequence[Cell]:
    """A cell of an experiment for each model; other weights are another cell."""
    return [{"model": run.name, "digest": run.digest} for run in flow_runs(only_bundled=only_bundled)]


def flow_run(cell: Cell) -> FlowRun:
    """The run that a cell is about."""
    return next(run for run in flow_runs() if run.name == cell["model"])


def skipped_runs() -> Sequence[str]:
    """What cannot be run here, and how it could."""
    notes = [missing_note()] if missing_note() else []
    if not _TRAINED.exists():
        notes.append(
            "a model trained on MNIST: make it with python -m experiments.train_digits --data mnist "
            f"--data-path ../shared/data --steps 3000 --precision bfloat16 --out {_from_root(_TRAINED)}"
        )
    return notes


def flow_report(run: FlowRun, *, quick: bool) -> dict[str, Any]:
    """The JSON of the run; what is there already is not made again.

    Raises:
        FmqError: as ``fmq flow``.
    """
    place = _place(run, quick=quick)
    place.parent.mkdir(parents=True, exist_ok=True)
    for size in _IMAGE_SIZES:
        if _from_root(_classifier(size)) in run.options and not _classifier(size).exists():
            _train_classifier(size)
    report, known = place / "flow.json", place / "command.txt"
    words = run.words(quick=quick)
    command = f"{' '.join(words)}\n# weights {run.digest}\n"
    is_same = known.exists() and known.read_text("utf-8") == command
    if not (is_same and report.exists()):
        if not is_same:  # what lies there is of other weights or other settings
            report.unlink(missing_ok=True)
            place.mkdir(exist_ok=True)
            known.write_text(command, encoding="utf-8")
        arguments = [*words, "--out", str(place), "--resume" if is_same else "--force"]
        with contextlib.chdir(folder_of_tree()), contextlib.redirect_stdout(io.StringIO()):
            flow.main(arguments, prog_name="fmq flow", standalone_mode=False)
    return json.loads(report.read_text("utf-8"))


def flow_images(run: FlowRun, *, quick: bool) -> dict[tuple[str, int], str]:
    """The samples that the run kept, encoded, by scheme and bits."""
    cells = kept_cells(_place(run, quick=quick) / "cells.jsonl")
    return {(cell.scheme, cell.bits): cell.images for cell in cells if cell.images}


def _from_root(path: Path) -> str:
    return os.path.relpath(path, folder_of_tree())


def _place(run: FlowRun, *, quick: bool) -> Path:
    return _RESULTS / ("flows-quick" if quick else "flows") / run.name


def _train_classifier(size: int) -> None:
    out = str(_classifier(size))
    status = train_classifier(
        ["--data", "mnist", "--data-path", str(mnist_folder()), "--size", str(size), "--out", out]
    )
    if status:
        raise FmqError("the classifier of MNIST", "it could not be trained", "see the message above")
