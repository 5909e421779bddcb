"""``fmq flow --measure velocity`` end to end, and the options that do not go together."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from fmq_theory.cli.main import main
from tests.cli.flow_runs import PICTURES, run

pytestmark = pytest.mark.usefixtures("in_an_empty_folder", "on_one_torch_thread")

VELOCITY = ("--measure", "velocity", "--images", "images.npy", "--labels", "labels.npy", "--samples", "8")
NO_NOISE = ("--schemes", "uniform,lloyd_max", "--bits", "2,3")


def _images(count: int = 24, size: int = 4) -> None:
    rng = np.random.default_rng(0)
    np.save("images.npy", rng.integers(0, 256, (count, size, size), dtype=np.uint8))
    np.save("labels.npy", rng.integers(0, 3, count))


def velocity(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["flow", *NO_NOISE, *PICTURES, *VELOCITY, "--no-plot", *arguments])


def test_the_velocity_measure_writes_what_the_samples_do() -> None:
    _images()
    result = velocity("--out", "out")
    assert result.exit_code == 0, result.output
    for expected in (
        "Network outputs at t = 0 on real data",
        "3 batches of 8",
        "PSNR of a whole batch with peak 1",
    ):
        assert expected in " ".join(result.output.split())
    assert "Sampler" not in result.output
    data = json.loads(Path("out/flow.json").read_text())
    assert data["measure"] == data["config"]["measure"] == "velocity"
    assert data["config"]["conditions"] == "of the data"
    assert data["full_precision"]["converged"] is None
    row = data["rows"][0]
    assert {name: len(values) for name, values in row["by_batch"].items()} == {
        "psnr_db": 3, "ssim": 3, "latent_std_ratio": 3, "latent_mean_ratio": 3,
    }  # fmt: skip
    assert row["psnr_db"] == pytest.approx(sum(row["by_batch"]["psnr_db"]) / 3, rel=1e-6)
    kept = velocity("--out", "out", "--resume")
    assert kept.exit_code == 0
    assert "4 cells kept" in kept.output
    _images(count=32)  # other images under the same name are another measurement
    assert "other settings" in velocity("--out", "out", "--resume").output
    protocol = velocity("--out", "other", "--protocol", "published", "--batches", "1", "--peak", "2")
    assert protocol.exit_code == 0, protocol.output
    assert "1 batch of 8" in protocol.output
    assert "peak 2" in protocol.output


def test_figures_of_the_velocity_measure() -> None:
    _images()
    result = CliRunner().invoke(main, ["flow", *NO_NOISE, *PICTURES, *VELOCITY, "--out", "out"])
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path("out").glob("*.svg")} == {"similarity.svg", "latent.svg"}
    assert "Network outputs at t = 0" in Path("out/similarity.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--measure", "velocity"), "needs --images"),
        ((*VELOCITY, "--steps", "3"), "--steps: not for --measure velocity"),
        ((*VELOCITY, "--features", "identity"), "integrates no flow"),
        (("--images", "images.npy"), "--images: for --measure velocity only"),
        (("--peak", "2"), "--peak: for --measure velocity only"),
        ((*VELOCITY, "--batches", "9"), "do not fill 9 batches of 8"),
        ((*VELOCITY, "--protocol", "published", "--granularity", "tensor"), "by channel"),
        (("--protocol", "published"), "pass --ladder-samples 0"),
        (("--measure", "velocity", "--images", "absent.npz"), "cannot be read"),
    ],
)
def test_what_does_not_go_together(arguments: tuple[str, ...], message: str) -> None:
    _images()
    result = CliRunner().invoke(main, ["flow", *NO_NOISE, *PICTURES, "--no-plot", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not list(Path().glob("fmq-flow-*/flow.json"))


def test_samples_by_the_published_protocol_are_others() -> None:
    words = (*PICTURES, "--no-plot", "--ladder-samples", "0")
    assert run(*words, "--out", "plain").exit_code == 0
    assert run(*words, "--out", "published", "--protocol", "published").exit_code == 0
    plain, published = (json.loads(Path(f"{name}/flow.json").read_text()) for name in ("plain", "published"))
    assert published["config"]["protocol"] == "published"
    assert "protocol" not in plain["config"]
    assert plain["rows"][0]["psnr_db"] != published["rows"][0]["psnr_db"]


def test_the_words_of_the_measures_are_those_of_their_rooms() -> None:
    from fmq_theory.cli import flow_measures
    from fmq_theory.flow.fidelity.real_data import FITS
    from fmq_theory.flow.flow_report import MEASURES
    from fmq_theory.flow.published_protocol import PROTOCOLS

    assert (flow_measures.MEASURES, flow_measures.PROTOCOLS, flow_measures.FITS) == (
        MEASURES,
        PROTOCOLS,
        FITS,
    )
