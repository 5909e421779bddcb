"""Train a flow-matching model: ``python -m experiments.train_digits``.

Without options: the model that fmq_theory brings along, on scikit-learn's digits, in minutes on two
cores. A run that was stopped goes on with ``--resume``. The weights kept are the running average.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save

from experiments.training.images import DATA_SETS, LabelledImages, load
from experiments.training.judge import draw_samples, held_out_error, write_grid
from experiments.training.networks import NETWORKS, make_network
from experiments.training.trainer import Config, Trainer
from fmq_theory.cli.errors import in_options
from fmq_theory.errors import FmqError
from fmq_theory.report.base.files import check_writable, write_atomically, write_text_atomically

RESULTS = Path(__file__).resolve().parent / "results"
_LICENCES = {
    "digits": "weights: MIT; data: Optical Recognition of Handwritten Digits, UCI, CC BY 4.0",
    "mnist": "weights: MIT; data: MNIST, Y. LeCun, C. Cortes, C. Burges",
    "fashion": "weights: MIT; data: Fashion-MNIST, Zalando SE, MIT",
}


def train(trainer: Trainer, state: Path, *, save_every: float) -> None:
    """Runs to the last step; the state is saved every ``save_every`` seconds and when interrupted."""
    saved = shown = time.monotonic()
    first, began = trainer.step, saved
    try:
        while trainer.step < trainer.config.steps:
            trainer.advance()
            now = time.monotonic()
            if now - saved >= save_every:
                trainer.save(state)
                saved = now
            if now - shown >= (1.0 if sys.stderr.isatty() else 30.0) or trainer.step == trainer.config.steps:
                _show(trainer, (trainer.step - first) / (now - began))
                shown = now
    except KeyboardInterrupt:
        trainer.save(state)
        print(f"\nstopped at step {trainer.step}; go on with --resume", file=sys.stderr)
        raise


def _show(trainer: Trainer, rate: float) -> None:
    recent = trainer.losses[-100:]
    left = (trainer.config.steps - trainer.step) / rate
    line = (
        f"step {trainer.step:,}/{trainer.config.steps:,}  loss {sum(recent) / len(recent):.4f}  "
        f"{rate:.1f} steps/s  {left // 60:.0f}:{left % 60:02.0f} left"
    )
    end = "\r" if sys.stderr.isatty() and trainer.step < trainer.config.steps else "\n"
    print(line, end=end, file=sys.stderr, flush=True)


def finish(trainer: Trainer, data: LabelledImages, out: Path) -> dict[str, str]:
    """Judges the averaged weights on the held-out images and writes them with what is known of them."""
    config = trainer.config
    thirds = held_out_error(trainer.average, data.part(held_out=True), config.seed)
    facts = {
        "data": config.data,
        "model": config.model,
        "size": str(data.images.shape[-1]),
        "seed": str(config.seed),
        "steps": str(trainer.step),
        "images": str(len(trainer.data.labels)),
        "velocity_error": f"{sum(thirds) / 3:.4f}",
        "velocity_error_by_thirds_of_t": json.dumps([round(error, 4) for error in thirds]),
        "velocity_error_on": f"{len(data.part(held_out=True).labels)} images held out, per pixel",
        "training_seconds": f"{trainer.seconds:.0f}",
        "training_cpu_seconds": f"{trainer.cpu_seconds:.0f}",
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "licence": _LICENCES[config.data],
    }
    weights = {name: tensor.contiguous() for name, tensor in trainer.average.state_dict().items()}
    write_atomically(out, lambda place: place.write_bytes(save(weights, metadata=facts)))
    write_grid(
        out.with_suffix(".png"),
        draw_samples(trainer.average, tuple(data.images.shape[1:]), rows=8, seed=config.seed),
    )
    record = {
        "config": asdict(config),
        "facts": facts,
        "python": platform.python_version(),
        "losses": _smooth(trainer),
    }
    write_text_atomically(out.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    return facts


def _smooth(trainer: Trainer, window: int = 100) -> list[float]:
    """Means of the losses over ``window`` steps."""
    parts = [trainer.losses[k : k + window] for k in range(0, trainer.step, window)]
    return [round(sum(part) / len(part), 5) for part in parts]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train a flow-matching model on small images.")
    kinds = {field.name: field.default for field in fields(Config)}
    parser.add_argument("--data", choices=[*DATA_SETS], default="digits")
    parser.add_argument("--data-path", type=Path, help="images: idx, idx.gz or npz, the labels beside them")
    parser.add_argument("--model", choices=[*NETWORKS], default="compact")
    for name in ("steps", "batch", "learning_rate", "warm_up", "weight_decay", "ema", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(kinds[name]), default=kinds[name])
    parser.add_argument(
        "--precision",
        choices=["float32", "bfloat16"],
        default="float32",
        help="bfloat16: short floats in products, about 1.8 times as fast where the processor has them",
    )
    parser.add_argument("--out", type=Path, help="default: experiments/results/DATA-MODEL.safetensors")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    parser.add_argument("--save-every", type=float, default=30.0, help="seconds between saved states")
    parser.add_argument("--force", action="store_true", help="replace results of an earlier run")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    given = vars(_parser().parse_args(arguments))
    out: Path = given.pop("out") or RESULTS / f"{given['data']}-{given['model']}.safetensors"
    resume, save_every, force = given.pop("resume"), given.pop("save_every"), given.pop("force")
    path: Path | None = given.pop("data_path")
    config = Config(**given, data_path=str(path or ""))
    state = out.with_suffix(".resume.pt")
    try:
        if out.parent == RESULTS:
            RESULTS.mkdir(exist_ok=True)
        check_writable(out, overwrite=force)
        data = load(config.data, path)
        network = partial(make_network, config.model, int(data.images.shape[-1]))
        trainer = Trainer(config, network, data.part(held_out=False))
        if resume:
            trainer.load(state)
        else:
            check_writable(state, overwrite=force)
        train(trainer, state, save_every=save_every)
        facts = finish(trainer, data, out)
    except FmqError as error:
        print(f"error: {in_options(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    state.unlink(missing_ok=True)
    print(f"{out}: velocity error {facts['velocity_error']} on {facts['velocity_error_on']}")
    print(f"by thirds of t: {facts['velocity_error_by_thirds_of_t']}; look at {out.with_suffix('.png').name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
