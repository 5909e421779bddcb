"""Train a small classifier of images, a feature map for ``fmq flow --features``.

    python -m experiments.train_classifier
    python -m experiments.train_classifier --data mnist --data-path PATH --size 32 --out mnist.safetensors

Without options it makes the one that fmq_theory brings along, on scikit-learn's digits.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from experiments.training.images import DATA_SETS, LabelledImages, load
from fmq_theory.errors import FmqError
from fmq_theory.flow.fidelity import ImageClassifier
from fmq_theory.report.base.files import check_writable, write_atomically

RESULTS = Path(__file__).resolve().parent / "results"
_BATCH = 128
_BLUR = 0.1  # standard deviation of the noise on training images: samples are never as clean as data


def resized(data: LabelledImages, size: int) -> LabelledImages:
    """Bilinear, to ``size`` by ``size``."""
    if data.images.shape[-1] == size:
        return data
    images = interpolate(data.images, (size, size), mode="bilinear", align_corners=False)
    return LabelledImages(images, data.labels)


def train(data: LabelledImages, epochs: int, seed: int) -> ImageClassifier:
    """Adam with a falling rate, noise and shifts by one pixel."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    classifier = ImageClassifier().train()
    steps = epochs * (len(data.labels) // _BATCH)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        chosen = torch.randint(len(data.labels), (_BATCH,), generator=generator)
        images = _varied(data.images[chosen], generator)
        loss = cross_entropy(classifier(images), data.labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step + 1}/{steps}  loss {float(loss.detach()):.4f}", file=sys.stderr)
    return classifier.eval().requires_grad_(False)


def _varied(images: Tensor, generator: torch.Generator) -> Tensor:
    shift = torch.randint(-1, 2, (2,), generator=generator).tolist()
    moved = torch.roll(images, shift, dims=(2, 3))
    return moved + _BLUR * torch.randn(images.shape, generator=generator)


def accuracy(classifier: ImageClassifier, data: LabelledImages) -> float:
    """Share of images with the right label."""
    right = [
        int((classifier(data.images[k : k + 1000]).argmax(dim=1) == data.labels[k : k + 1000]).sum())
        for k in range(0, len(data.labels), 1000)
    ]
    return sum(right) / len(data.labels)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train a small classifier of images.")
    parser.add_argument("--data", choices=[*DATA_SETS], default="digits")
    parser.add_argument("--data-path", type=Path, help="images: idx, idx.gz or npz, the labels beside them")
    parser.add_argument("--size", type=int, help="side of the images; they are resized to it")
    parser.add_argument("--epochs", type=int, help="default: as many as make about 2,000 steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="default: experiments/results/DATA-classifier.safetensors")
    parser.add_argument("--force", action="store_true")
    given = parser.parse_args(arguments)
    out = given.out or RESULTS / f"{given.data}-classifier.safetensors"
    try:
        if out.parent == RESULTS:
            RESULTS.mkdir(exist_ok=True)
        check_writable(out, overwrite=given.force)
        data = load(given.data, given.data_path)
        data = resized(data, given.size or int(data.images.shape[-1]))
        train_on, held_out = data.part(held_out=False), data.part(held_out=True)
        epochs = given.epochs or max(1, round(2000 * _BATCH / len(train_on.labels)))
        classifier = train(train_on, epochs, given.seed)
    except FmqError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    right = accuracy(classifier, held_out)
    facts = {
        "data": given.data,
        "size": str(data.images.shape[-1]),
        "width": "16",
        "features": "32",
        "classes": "10",
        "epochs": str(epochs),
        "seed": str(given.seed),
        "accuracy": f"{right:.4f}",
        "accuracy_on": f"{len(held_out.labels)} images held out",
    }
    weights = {name: tensor.contiguous() for name, tensor in classifier.state_dict().items()}
    write_atomically(out, lambda place: place.write_bytes(save(weights, metadata=facts)))
    print(f"{out}: {100 * right:.1f} % of {facts['accuracy_on']} right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
