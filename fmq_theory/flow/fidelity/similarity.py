"""How near the samples of two models are, sample by sample, from the same noise: PSNR and SSIM."""

import importlib
import importlib.util
import math
from collections.abc import Callable
from typing import cast

from torch import Tensor
from torch.nn.functional import avg_pool2d

from fmq_theory.errors import FlowError

__all__ = ["batch_psnr", "box_ssim", "check_torchmetrics", "psnr", "ssim", "ssim_window"]

_WINDOW, _SIGMA = 11, 1.5
"""Wang et al.: a Gaussian window of 11 by 11 with standard deviation 1.5."""
_SMALLEST = 3


def psnr(samples: Tensor, reference: Tensor, data_range: float) -> Tensor:
    """10 log10(R^2 / mean squared difference) of each sample, in dB; inf where both are the same.

    Args:
        samples: ``[batch, ...]``.
        reference: the full-precision samples from the same noise and condition, same shape.
        data_range: R, the width of the model's space: 2 for images in [-1, 1].

    Returns:
        float64, ``[batch]``.

    Raises:
        FlowError: the shapes differ, or R is not positive and finite.

    Examples:
        >>> import torch
        >>> from fmq_theory.flow.fidelity import psnr
        >>> reference = torch.zeros(1, 1, 8, 8)
        >>> round(float(psnr(reference + 0.2, reference, data_range=2.0)), 3)  # 20 log10(2 / 0.2)
        20.0
    """
    first, second = _pair(samples, reference, data_range)
    measure = _torchmetrics("peak_signal_noise_ratio")
    return measure(first, second, data_range=data_range, reduction="none", dim=tuple(range(1, first.ndim)))


def ssim(samples: Tensor, reference: Tensor, data_range: float) -> Tensor | None:
    """Structural similarity of each image, at most 1; None if the samples are no images of at least 3 by 3.

    The window is Wang's, Gaussian with 11 by 11 numbers and standard deviation 1.5, for images that can hold
    it; for smaller ones it is shrunk as a whole (see ``ssim_window``), and then values are comparable only
    with those of images of the same size. Edges are reflected.

    Args:
        samples: images, shape ``[batch, channels, height, width]``.
        reference: the images that they are compared with, of the same shape.
        data_range: R, the width of the range of a pixel: 2 for images in [-1, 1].

    Returns:
        float64, ``[batch]``.

    Raises:
        FlowError: as ``psnr`` raises.

    Reference:
        Wang, Bovik, Sheikh, Simoncelli, Image quality assessment, IEEE TIP 13 (2004).

    Examples:
        For two constant images a and b it is (2 a b + c) / (a**2 + b**2 + c) with c = (0.01 R)**2:

        >>> import torch
        >>> from fmq_theory.flow import fidelity
        >>> image = torch.zeros(1, 1, 8, 8)
        >>> round(fidelity.ssim(image + 0.2, image, data_range=2.0).item(), 4), round(0.0004 / 0.0404, 4)
        (0.0099, 0.0099)
    """
    first, second = _pair(samples, reference, data_range)
    window = ssim_window(tuple(first.shape[1:]))
    if window is None:
        return None
    measure = _torchmetrics("structural_similarity_index_measure")
    # torchmetrics makes the window from sigma: 2 int(3.5 sigma + 1/2) + 1 numbers.
    return measure(first, second, sigma=_SIGMA * window / _WINDOW, data_range=data_range, reduction="none")


def batch_psnr(outputs: Tensor, reference: Tensor, peak: float) -> float:
    """10 log10(P^2 / mean squared difference) of a whole batch, in dB; inf where both are the same.

    The mean is over all numbers of the batch, so it is not the mean of ``psnr`` over samples: it is at most
    that (Jensen), and one sample that is far off decides it.

    Args:
        outputs: ``[batch, ...]``.
        reference: same shape.
        peak: P; the script of Fig. 3 has 1, whatever the space of the outputs is.

    Raises:
        FlowError: the shapes differ, or P is not positive and finite.

    Reference:
        Script of Fig. 3 of arXiv:2511.11418, in the authors' public repository; theory section 0.

    Examples:
        >>> import torch
        >>> from fmq_theory.flow.fidelity import batch_psnr
        >>> reference = torch.zeros(2, 1, 8, 8)
        >>> outputs = torch.tensor([0.1, 0.7]).reshape(2, 1, 1, 1).expand(2, 1, 8, 8)
        >>> round(batch_psnr(outputs, reference, peak=1.0), 3)  # 10 log10(1 / 0.25)
        6.021
    """
    first, second = _pair(outputs, reference, peak)
    error = float((first - second).square().mean())
    return math.inf if error == 0.0 else 20.0 * math.log10(peak) - 10.0 * math.log10(error)


def box_ssim(outputs: Tensor, reference: Tensor, peak: float) -> Tensor | None:
    """Structural similarity of each image with a plain window, as in the script of Fig. 3; None if no images.

    All 11 by 11 numbers around a pixel count the same, 0 beyond the edge counts too, and variances are 1/n;
    Wang's index (``ssim``) has a Gaussian window and reflected edges. Its mean over a batch is the script's
    number.

    Args:
        outputs: ``[batch, channels, height, width]``.
        reference: same shape.
        peak: P in the constants (0.01 P)^2 and (0.03 P)^2; the script has 1.

    Returns:
        float64, ``[batch]``.

    Raises:
        FlowError: as ``batch_psnr`` raises.

    Reference:
        Script of Fig. 3 of arXiv:2511.11418, in the authors' public repository; theory section 0.
    """
    first, second = _pair(outputs, reference, peak)
    if first.ndim != 4:
        return None
    mean_a, mean_b = _box(first), _box(second)
    spread_a, spread_b = _box(first * first) - mean_a**2, _box(second * second) - mean_b**2
    joint = _box(first * second) - mean_a * mean_b
    bright, contrast = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    above = (2.0 * mean_a * mean_b + bright) * (2.0 * joint + contrast)
    below = (mean_a**2 + mean_b**2 + bright) * (spread_a + spread_b + contrast)
    return (above / below).flatten(1).mean(dim=1)


def _box(images: Tensor) -> Tensor:
    return avg_pool2d(images, _WINDOW, stride=1, padding=_WINDOW // 2)


def ssim_window(sample_shape: tuple[int, ...]) -> int | None:
    """Side of the window: 11, or the largest odd number that fits; None for what is no image.

    Args:
        sample_shape: of one image: channels, height, width.
    """
    if len(sample_shape) != 3 or min(sample_shape[1:]) < _SMALLEST:
        return None
    least = min(_WINDOW, *sample_shape[1:])
    return least if least % 2 else least - 1


def _pair(samples: Tensor, reference: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    if samples.shape != reference.shape or samples.ndim < 2 or not len(samples):
        raise FlowError(
            f"samples of shape {tuple(samples.shape)}",
            f"they cannot be compared with samples of shape {tuple(reference.shape)}",
            "pass two batches of the same shape, [batch, ...]",
        )
    if not (math.isfinite(data_range) and data_range > 0.0):
        raise FlowError(
            f"data_range = {data_range}",
            "the width of a space is positive and finite",
            "pass 2.0 for [-1, 1]",
        )
    return samples.detach().double(), reference.detach().double()


def check_torchmetrics() -> None:
    """Before a long run: whether samples can be compared at its end.

    Raises:
        FlowError: torchmetrics, which has ``psnr`` and ``ssim``, is not installed.
    """
    if importlib.util.find_spec("torchmetrics") is None:
        raise FlowError(
            "PSNR and SSIM of samples",
            "torchmetrics, which measures them, is not installed",
            "pip install 'fmq_theory[flow]'",
        )


def _torchmetrics(name: str) -> Callable[..., Tensor]:
    check_torchmetrics()
    # Imported here: it takes a second, and only a comparison of samples needs it.
    return cast(
        "Callable[..., Tensor]", getattr(importlib.import_module("torchmetrics.functional.image"), name)
    )
