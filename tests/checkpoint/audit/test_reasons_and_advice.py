"""What is said of tensors that are left out, of second names, and what is advised: only what fits."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from fmq_theory.checkpoint import QuantizedFile, load, write_quantized
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe, recipes_for, smaller_codebooks, wanted_names
from fmq_theory.cli.main import main
from fmq_theory.errors import CheckpointError


def _run(*words: object) -> str:
    out = CliRunner().invoke(main, [str(word) for word in words])
    assert out.exit_code == 0, out.output
    return out.output


def test_tied_tensors_are_one_line(tmp_path: Path) -> None:
    layers = [torch.randn(8, 64) for _ in range(20)]
    state = {f"{part}.{i}.weight": layer for part in ("a", "b") for i, layer in enumerate(layers)}
    torch.save(state, tmp_path / "m.pt")
    audited = _run("audit", tmp_path / "m.pt", "--bits", "4", "--schemes", "uniform")
    assert audited.count("same storage") == 1
    assert "same storage as another tensor" in " ".join(audited.split())
    state = {"a": layers[0], "b": layers[0]}
    torch.save(state, tmp_path / "m.pt")
    audited = _run("audit", tmp_path / "m.pt", "--bits", "4", "--schemes", "uniform")
    assert "same storage as 'a'" in " ".join(audited.split())  # control: of one the other is named


def test_a_second_name_gives_what_the_first_gives(tmp_path: Path) -> None:
    weight, turned = torch.randn(8, 64), torch.randn(64, 64)
    torch.save({"a": weight, "b": weight, "c": turned, "d": turned.T}, tmp_path / "m.pt")
    recipes = [Recipe(name, Choice("lloyd_max", 3, "channel")) for name in ("a", "c")]
    write_quantized(tmp_path / "m.pt", tmp_path / "q.safetensors", recipes)
    state = load(tmp_path / "q.safetensors")
    with QuantizedFile(tmp_path / "q.safetensors") as file:
        assert file.ties == {"b": "a", "d": "c"}
        for name in file.names:
            file.verify(name)
        assert torch.equal(file.packed("b").dequantize(), state["b"])
        assert (file.codes("b") == file.codes("a")).all()
        assert (file.codebook("b") == file.codebook("a")).all()
        with pytest.raises(CheckpointError, match=r"'d'.*'c' with its axes in the order \[1, 0\]"):
            file.packed("d")
        with pytest.raises(CheckpointError, match="no tensor of that name"):
            file.verify("e")
        with pytest.raises(CheckpointError, match="no tensor of that name"):
            file.packed("e")
    data = bytearray((tmp_path / "q.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "q.safetensors").write_bytes(data)
    with QuantizedFile(tmp_path / "q.safetensors") as file, pytest.raises(CheckpointError, match="not those"):
        _verify_all(file, ("b", "d"))  # the last byte is of one of the two


def _verify_all(file: QuantizedFile, names: tuple[str, ...]) -> None:
    for name in names:
        file.verify(name)


@pytest.mark.parametrize(
    ("options", "advised", "not_advised"),
    [
        ((), ("--granularity tensor", "--scheme nf4 or uniform_clipped"), ()),
        (("--bits", "3"), ("--granularity tensor", "--scheme uniform_clipped"), ("nf4",)),
        (("--granularity", "tensor"), ("--scheme nf4",), ("--granularity",)),
        (("--group-size", "16", "--bits", "3"), ("--group-size", "--granularity channel"), ("tensor,",)),
        (("--scheme", "uniform", "--group-size", "8"), ("--group-size",), ("uniform_clipped",)),
        (("--scheme", "nf4", "--group-size", "8"), ("--group-size",), ("--scheme",)),
    ],
)
def test_advice_about_codebooks_names_other_options_than_those_given(
    options: tuple[str, ...], advised: tuple[str, ...], not_advised: tuple[str, ...], tmp_path: Path
) -> None:
    shape = (4, 40) if "tensor" in options else (32, 64)
    save_file({"weight": torch.randn(shape)}, tmp_path / "m.safetensors")
    printed = _run("quantize", tmp_path / "m.safetensors", "-o", tmp_path / "q.safetensors", *options)
    lines = [line for line in printed.splitlines() if "bits are codebooks" in line]
    assert len(lines) == 1, printed
    assert all(words in lines[0] for words in advised), lines
    assert not any(words in lines[0] for words in not_advised), lines


def test_advice_is_followed_by_smaller_files(tmp_path: Path) -> None:
    save_file({"weight": torch.randn(32, 64)}, tmp_path / "m.safetensors")
    sizes: dict[tuple[str, ...], int] = {}
    out = tmp_path / "q.safetensors"
    for options in ((), ("--granularity", "tensor"), ("--scheme", "nf4"), ("--scheme", "uniform_clipped")):
        _run("quantize", tmp_path / "m.safetensors", "-o", out, "--force", *options)
        sizes[options] = out.stat().st_size
    assert max(size for options, size in sizes.items() if options) < sizes[()]


@pytest.mark.parametrize("scheme", ["uniform_clipped", "uniform", "nf4"])
def test_nothing_is_advised_where_nothing_helps(scheme: str) -> None:
    assert [way for way in smaller_codebooks(scheme, 4, "tensor") if scheme in way] == []
    assert not any("granularity" in way for way in smaller_codebooks(scheme, 4, "tensor"))


def test_where_nothing_is_left_the_reason_and_a_remedy_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for state, include, bits, words in (
        ({}, [], 4, "it holds no tensors; pass a file"),
        ({"b": torch.ones(3)}, [], 4, "'b': fewer than 2 dimensions.*pass another file"),
        (
            {"w": torch.randn(4, 4)},
            [],
            4,
            "it would not be smaller.*granularity tensor.*fewer bits",
        ),
        ({"w": torch.randn(64, 64), "b": torch.ones(3)}, ["b"], 4, "ask for other tensors$"),
    ):
        save_file(state, path)
        with pytest.raises(CheckpointError, match=words) as refused:
            recipes_for(path, Choice("lloyd_max", bits, "channel"), include)
        assert "()" not in str(refused.value)
    save_file({"w": torch.randn(2, 1)}, path)
    with pytest.raises(CheckpointError) as refused:
        recipes_for(path, Choice("uniform", 1, "tensor"))
    assert "fewer bits" not in str(refused.value)
    save_file({}, path)
    with pytest.raises(CheckpointError, match="it holds no tensors"):
        wanted_names(path)
