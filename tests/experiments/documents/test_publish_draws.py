"""What is kept of a run's draws of the noise, and nothing beside it."""

import json
from pathlib import Path

import pytest

from experiments.documents.publish_draws import KINDS, main, publish
from fmq_theory.errors import OutputError

ROWS = [
    {
        "scheme": "equal_mass", "bits": 2, "psnr_db": 9.0, "lossless_share": 0.1,
        "frechet_by_seed": [1.0, 2.0], "by_batch": {"psnr_db": [8.0, 10.0], "latent_std_ratio": [0.4, 0.5]},
    },
    {"scheme": "nf4", "bits": 2, "note": "no codebook", "frechet_by_seed": [], "by_batch": {}},
]  # fmt: skip


def _run(folder: Path, rows: list[dict[str, object]]) -> Path:
    (folder / "docs" / "results").mkdir(parents=True, exist_ok=True)
    (folder / "flow.json").write_text(json.dumps({"subject": "net", "config": {"seeds": 2}, "rows": rows}))
    return folder


def test_each_kind_keeps_its_own_numbers(tmp_path: Path) -> None:
    out = _run(tmp_path, ROWS)
    kept = {kind: json.loads(publish(out, "net", tmp_path, kind).read_text()) for kind in KINDS}
    assert {path.name for path in (tmp_path / "docs" / "results").iterdir()} == {
        "flow-net-draws.json", "flow-net-latent.json",
    }  # fmt: skip
    assert kept["frechet"]["rows"] == [
        {"scheme": "equal_mass", "bits": 2, "lossless_share": 0.1, "frechet_by_seed": [1.0, 2.0]}
    ]
    assert kept["latent"]["rows"] == [
        {"scheme": "equal_mass", "bits": 2, "by_batch": {"latent_std_ratio": [0.4, 0.5]}}
    ]
    assert kept["latent"]["config"] == {"seeds": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_without_them_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="of single draws"):
        publish(_run(tmp_path, ROWS[1:]), "net", tmp_path, kind)
    assert main([str(tmp_path / "absent"), "net", "--of", kind]) == 2
