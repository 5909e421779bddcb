"""Finished cells survive a kill, and cells of other settings are never used."""

import json
import math
from pathlib import Path

import pytest
import torch

from fmq_theory.errors import OutputError
from fmq_theory.flow.cell import Cell, FrechetValues, LatentValues, decode_images, encode_images
from fmq_theory.flow.cell_store import CellStore, kept_cells

SETTINGS = {"steps": 4, "weights": "abc"}


def _cell(bits: int = 3, **changes: object) -> Cell:
    values: dict[str, object] = {
        "scheme": "uniform",
        "bits": bits,
        "effective_bits": 3.25,
        "mse": 1 / 3,
        "weight_error_norm": 2.0,
        "error": ((0.1, 0.2), (0.3, 0.0)),
        "psnr": ((20.1, 30.2), (10.0, math.inf)),
        "ssim": (),
        "latent": LatentValues((1.0, 2.0), (0.5, 0.25), (0, 3), 7),
        "frechet": FrechetValues(1.5, 2.5, (1.0, 2.0), None, 4, 9),
        "ladder": {"bounds": {"g0": None, "g1": 1e300}},
    }
    return Cell(**(values | changes))  # type: ignore[arg-type]


def _store(tmp_path: Path, **changes: object) -> CellStore:
    return CellStore(tmp_path / "cells.jsonl", {**SETTINGS, **changes})


def test_a_cell_comes_back_to_the_bit() -> None:
    text = json.dumps(_cell().to_json(), allow_nan=False)
    assert Cell.from_json(json.loads(text)) == _cell()


def test_cells_are_there_after_a_restart(tmp_path: Path) -> None:
    first = _store(tmp_path)
    first.start()
    for bits in (2, 3):
        first.put(_cell(bits))
    second = _store(tmp_path)
    second.resume()
    assert len(second) == 2
    assert second.get("uniform", 3) == _cell(3)
    assert second.get("uniform", 4) is None


def test_a_line_cut_off_by_a_kill_costs_that_cell_alone(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.start()
    for bits in (2, 3):
        store.put(_cell(bits))
    whole = store.path.read_bytes()
    store.path.write_bytes(whole[:-40])
    again = _store(tmp_path)
    again.resume()
    assert (again.get("uniform", 2), again.get("uniform", 3)) == (_cell(2), None)
    again.put(_cell(3))  # on a line of its own
    third = _store(tmp_path)
    third.resume()
    assert len(third) == 2
    assert third.path.read_bytes() == whole


def test_a_cell_that_was_edited_or_is_of_another_run_is_measured_again(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.start()
    store.put(_cell(2))
    header, line = store.path.read_text().splitlines()
    (tmp_path / "other").mkdir()
    other = _store(tmp_path / "other", steps=5)
    other.start()
    other.put(_cell(2))
    bare = json.dumps(_cell(2).to_json())
    for edit in (
        line.replace("0.1", "0.7", 1),
        other.path.read_text().splitlines()[1],
        bare,
        "[]",
        "[" * 10**5,
    ):
        assert edit != line
        store.path.write_text(f"{header}\n{edit}\n")
        again = _store(tmp_path)
        again.resume()
        assert len(again) == 0, edit[:80]
    store.path.write_text(f"{header}\n{line}\n")  # control
    again = _store(tmp_path)
    again.resume()
    assert again.get("uniform", 2) == _cell(2)


def test_failed_cells_are_tried_again(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.start()
    store.put(_cell(2, failed=True, note="nan"))
    store.resume()
    assert len(store) == 0


@pytest.mark.parametrize("changes", [{"steps": 5}, {"weights": "other"}, {"more": 1}])
def test_cells_of_other_settings_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    _store(tmp_path).start()
    with pytest.raises(OutputError, match=next(iter(changes))):
        _store(tmp_path, **changes).resume()


@pytest.mark.parametrize(
    "content",
    ["", "{}\n", "[]\n", "3\n", "no json", '{"format": "other"}\n', '{"settings": []}\n', "[" * 100_000],
)
def test_files_that_are_no_stores_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "cells.jsonl").write_text(content)
    with pytest.raises(OutputError, match=r"call start\(\)"):
        _store(tmp_path).resume()


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        CellStore(tmp_path / "absent" / "cells.jsonl", SETTINGS).start()
    with pytest.raises(OutputError):
        CellStore(tmp_path / "absent" / "cells.jsonl", SETTINGS).put(_cell())


def test_images_keep_their_shades() -> None:
    images = torch.linspace(-1.2, 1.2, 2 * 1 * 3 * 4).reshape(2, 1, 3, 4)
    back = torch.from_numpy(decode_images(encode_images(images, 2.0), (1, 3, 4)).copy())
    assert (back / 255.0 * 2 - 1 - images.clamp(-1, 1)).abs().max() <= 1 / 255


def test_cells_are_read_from_a_file_that_keeps_other_things_too(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.start()
    store.keep_part("layers", [{"name": "w"}])
    store.put(_cell())
    assert kept_cells(store.path) == [_cell()]
