"""PSNR and SSIM against their formulas, and what they refuse."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import correlate

from fmq_theory.errors import FlowError
from fmq_theory.flow.fidelity import psnr, ssim, ssim_window


def _images(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def test_psnr_of_a_known_difference() -> None:
    reference = torch.zeros(3, 1, 4, 4)
    samples = reference + torch.tensor([0.2, 2.0, 0.0])[:, None, None, None]
    # R = 2: 10 log10(4/0.04) = 20; 10 log10(4/4) = 0; nothing changed
    assert psnr(samples, reference, 2.0).tolist() == pytest.approx([20.0, 0.0, math.inf], abs=1e-5)


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10.0))
def test_psnr_is_its_formula_and_scales_with_the_range(seed: int, scale: float) -> None:
    a, b = _images(seed, 3, 5), _images(seed + 1, 3, 5)
    expected = 10 * torch.log10(4.0 / (a - b).square().mean(dim=1))
    assert torch.allclose(psnr(a, b, 2.0), expected, rtol=1e-6)
    assert torch.allclose(psnr(scale * a, scale * b, scale * 2.0), expected, rtol=1e-6)


def test_control_a_wrong_range_changes_psnr_and_ssim() -> None:
    a, b = _images(0, 2, 1, 8, 8), _images(1, 2, 1, 8, 8)
    assert torch.allclose(
        psnr(a, b, 4.0) - psnr(a, b, 2.0), torch.full((2,), 20 * math.log10(2.0)).double(), rtol=1e-6
    )
    right, wrong = ssim(a, b, 2.0), ssim(a, b, 20.0)
    assert right is not None
    assert wrong is not None
    assert (right - wrong).abs().min() > 0.01


@pytest.mark.parametrize("size", [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 32])
def test_ssim_is_the_formula_with_the_window_it_says(size: int) -> None:
    window = ssim_window((1, size, size))
    assert window is not None
    assert window == min(11, size - 1 + size % 2)
    a, b = _images(size, 2, 1, size, size), _images(size + 1, 2, 1, size, size)
    found = ssim(a, b, 2.0)
    assert found is not None
    offsets = np.arange(window) - window // 2
    line = np.exp(-0.5 * (offsets / (1.5 * window / 11)) ** 2)
    kernel = np.outer(line, line) / line.sum() ** 2
    for k in range(2):
        x, y = a[k, 0].numpy(), b[k, 0].numpy()

        def mean(values: np.ndarray) -> np.ndarray:
            return correlate(values, kernel, mode="mirror")

        mx, my = mean(x), mean(y)
        vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
        similarity = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        assert float(found[k]) == pytest.approx(float(similarity.mean()), abs=1e-10)


def test_ssim_of_the_same_images_is_one_and_of_vectors_does_not_exist() -> None:
    a = _images(0, 2, 1, 8, 8)
    same = ssim(a, a, 2.0)
    assert same is not None
    assert same.tolist() == pytest.approx([1.0, 1.0])
    assert ssim(_images(0, 2, 5), _images(1, 2, 5), 2.0) is None
    assert ssim_window((3,)) is None
    assert ssim_window((1, 2, 9)) is None


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_a_range_that_is_none_is_refused(bad: float) -> None:
    a = _images(0, 2, 3)
    with pytest.raises(FlowError, match="data_range"):
        psnr(a, a, bad)


def test_samples_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(FlowError, match="cannot be compared"):
        psnr(_images(0, 2, 3), _images(0, 3, 3), 2.0)


def test_torchmetrics_needs_neither_torchvision_nor_downloads() -> None:
    code = (
        "import sys; import torchmetrics.functional.image; "
        "print(sorted({'torchvision', 'torch_fidelity', 'lpips', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
