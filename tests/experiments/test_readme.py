"""The published run behind the README's ratios is what the code gives."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from experiments.documents.places import RESULTS
from experiments.documents.tables import LAWS
from experiments.figures import rate_distortion
from experiments.figures.rate_distortion import README_SCHEMES, Config, comparison_of, rows
from experiments.framework.table import Table, read_table
from experiments.guide.workplace import workplace

TABLE = read_table(RESULTS, "rate_distortion")


@pytest.mark.parametrize("name", LAWS)
def test_exact_values_of_the_published_run_are_those_of_the_code(name: str) -> None:
    # The law's own values do not depend on the samples, so a small one is enough to see them.
    small = Config(n=10_000, repeats=1, schemes=("equal_mass", "lloyd_max"), bits=(2, 8))
    saved = {(row["scheme"], row["bits"]): row for row in TABLE.where(law=name, kind="error")}
    made = [row for row in rows(small, {"law": name}) if row["kind"] == "error"]
    assert len(made) == 4
    for row in made:
        expected = saved[row["scheme"], row["bits"]]
        assert row["law_exact"] == pytest.approx(expected["law_exact"], rel=1e-9)
        assert row["law_upper"] == pytest.approx(expected["law_upper"], rel=1e-9)


def test_a_codebook_designed_on_a_sample_can_beat_the_law_s_optimum_on_it() -> None:
    # What docs/limitations.md says of 8 bits and a million Student-t weights.
    (row,) = TABLE.where(law="t(4)", kind="error", scheme="lloyd_max", bits=8)
    assert row["own_hi"] < row["law_exact"]


def test_the_main_figure_is_of_the_published_rows() -> None:
    found = comparison_of(TABLE, rate_distortion.MAIN_LAW)
    assert [row.scheme for row in found.rows[::7]] == list(README_SCHEMES)
    assert len(found.shannon) == len(found.ratios) == 7
    figure = rate_distortion.plot(Table(tuple(TABLE.where(law=rate_distortion.MAIN_LAW)), {}))["main"]
    assert len(figure.axes) == 2


@pytest.mark.deep
@pytest.mark.parametrize("name", LAWS)
def test_published_ratios_come_out_again(name: str) -> None:
    config = dataclasses.replace(Config(), schemes=())
    saved = {row["bits"]: row for row in TABLE.where(law=name, kind="ratio")}
    for row in rows(config, {"law": name}):
        assert row["rho_em"] == pytest.approx(saved[row["bits"]]["rho_em"], rel=1e-6)
        assert row["rho_w2"] == pytest.approx(saved[row["bits"]]["rho_w2"], rel=1e-6)


def test_commands_for_the_next_steps_run(tmp_path: Path) -> None:
    """All but ``fmq claims``, which CI runs by itself."""
    text = (RESULTS.parents[1] / "README.md").read_text("utf-8")
    (block,) = re.findall(r"## Next\n+```bash\n(.*?)```", text, flags=re.DOTALL)
    commands = [line.partition("#")[0].strip() for line in block.splitlines()]
    assert [command.split()[1] for command in commands] == [
        "audit",
        "quantize",
        "export",
        "compare",
        "claims",
    ]
    weights = np.random.default_rng(0).standard_normal((64, 256)).astype(np.float32)
    with workplace(tmp_path) as place:
        save_file({"layer.weight": weights}, place.folder / "model.safetensors")
        # Any tool's file will do: here it is one of half the bits.
        save_file({"layer.weight": weights.astype(np.float16)}, place.folder / "model-nf4.safetensors")
        for command in commands[:4]:
            if "--format gguf" not in command or importlib.util.find_spec("gguf") is not None:
                assert "[exit status" not in place.run(["bash", "-c", command])
        assert (place.folder / "small.safetensors").is_file()
        assert "[exit status 2]" in place.run(["bash", "-c", "fmq audit missing.safetensors"])
