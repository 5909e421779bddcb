"""The scripts' measure on the published MNIST U-Net, beside what an independent run of it gave.

Another implementation of the scripts' quantizers and measures, on the first 64 test images of MNIST
padded to 32 by 32, with their labels, printed these values (to the digits shown).
"""

from pathlib import Path

import pytest

from fmq_theory.checkpoint import load_flow
from fmq_theory.flow import VelocitySettings, measure_velocity
from fmq_theory.flow.fidelity import read_real_data
from fmq_theory.flow.flow_rows import flow_rows
from tests.flow.random_fields import one_thread

SCHEMES = ("equal_mass", "uniform", "pwl", "log2")
PSNR = {2: (7.8, -5.0, -2.3, -11.4), 3: (9.0, 0.3, 7.4, 1.3)}
SSIM = {("equal_mass", 2): 0.78, ("equal_mass", 3): 0.767, ("pwl", 3): 0.773}
LATENT = {2: 0.39, 3: 0.77, 4: 0.82, 5: 0.93}


@pytest.mark.deep
def test_the_scripts_numbers_come_out(shared_checkpoints: Path, shared_data: Path) -> None:
    model = load_flow(shared_checkpoints / "mnist_unet.pt", "experiments.models.mnist_unet:build")
    images = read_real_data(
        str(shared_data / "mnist-t10k-images-idx3-ubyte.gz"),
        model.sample_shape,
        labels=str(shared_data / "mnist-t10k-labels-idx1-ubyte.gz"),
        fit="pad",
    )
    settings = VelocitySettings(batches=1, protocol="published")
    with one_thread():
        report = measure_velocity(model, "mnist_unet", SCHEMES, (2, 3), settings, images)
        ot = measure_velocity(model, "mnist_unet", ("equal_mass",), (2, 3, 4, 5), settings, images)
    found = {(row.scheme, row.bits): row for row in flow_rows(report)}
    for bits, expected in PSNR.items():
        for scheme, value in zip(SCHEMES, expected, strict=True):
            assert found[scheme, bits].psnr_db == pytest.approx(value, abs=0.06)
    for cell, value in SSIM.items():
        assert found[cell].ssim == pytest.approx(value, abs=0.0051)
    # The latent of that run was of more images than one batch.
    for row in flow_rows(ot):
        assert row.latent_std_ratio == pytest.approx(LATENT[row.bits], abs=0.02)
