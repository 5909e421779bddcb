"""Tensors with hostile names through the commands: what is printed and written stays harmless and valid."""

import csv
import io
import json
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError

__all__ = ["NAMES"]

_PARTS = (
    "layer.weight", "\x1b[31m", "\x1b]0;title\x07", "\n", "\r", "\t", "\x00", "\x9b", "\u202e", "\u200b",
    "[/]", "[bold]", "=1+1", "@SUM(A1)", "<script>alert(1)</script>", "&amp;", '"', "'", "$(touch x)", "`id`",
    "; rm", "../..", "/etc", "%s{}", "\\", "\u00e9", "\u00fc" * 40, "\u65e5\u672c", "a" * 3000, " ", "",
    "\ud800", "\ufeff", "\u2028",
)  # fmt: skip
_ALLOWED = {"\n"}


def _trials(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    number = 0
    while True:
        number += 1
        names = ["".join(_PARTS[place] for place in rng.integers(len(_PARTS), size=3)) for _ in range(2)]
        own = folder / str(number)
        yield Trial(
            f"tensors {names!a}"[:300], lambda names=names, own=own: _through_the_commands(names, own)
        )


def _through_the_commands(names: list[str], folder: Path) -> None:
    from fmq_theory.cli.main import main

    folder.mkdir()
    path = folder / "model.safetensors"
    _write(path, names)
    runner = CliRunner()
    outputs = {kind: folder / f"audit.{kind}" for kind in ("json", "csv", "html")}
    words = ["audit", str(path), "--schemes", "uniform", "--bits", "2"]
    for kind, place in outputs.items():
        words += [f"--{kind}", str(place)]
    packed = folder / "packed.safetensors"
    for arguments in (
        words,
        ["quantize", str(path), "-o", str(packed), "--scheme", "uniform", "--bits", "2"],
    ):
        found = runner.invoke(main, arguments)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        if found.exit_code not in (0, 2):
            raise WrongAnswerError(f"{arguments[0]} ends with {found.exit_code}: {found.output[-200:]!a}")
        _harmless(found.output, arguments[0])
        if found.exit_code == 2 and any(place.exists() for place in (*outputs.values(), packed)):
            raise WrongAnswerError(f"{arguments[0]} refused the file and left an output")
        if found.exit_code == 2:
            return
    _valid(outputs)


def _write(path: Path, names: list[str]) -> None:
    """A safetensors file by hand: the library refuses to write some of these names."""
    header: dict[str, object] = {}
    place = 0
    for name in dict.fromkeys(names):
        header[name] = {"dtype": "F32", "shape": [4, 16], "data_offsets": [place, place + 256]}
        place += 256
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % 8)
    values = np.random.default_rng(0).standard_normal(place // 4).astype("<f4")
    path.write_bytes(len(text).to_bytes(8, "little") + text + values.tobytes())


def _harmless(text: str, where: str) -> None:
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character not in _ALLOWED:
            raise WrongAnswerError(f"{where} prints {character!a}")
    longest = max((len(line) for line in text.splitlines()), default=0)
    if longest > 2000:
        raise WrongAnswerError(f"{where} prints a line of {longest} characters")


class _Tags(HTMLParser):
    """How many scripts a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts = 0
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip().startswith("alert(1)"):
            self.alerts += 1


def _valid(outputs: dict[str, Path]) -> None:
    def refuse(constant: str) -> None:
        raise WrongAnswerError(f"the JSON holds {constant}")

    text = outputs["json"].read_bytes().decode("utf-8")
    json.loads(text, parse_constant=refuse)
    for row in csv.reader(io.StringIO(outputs["csv"].read_bytes().decode("utf-8"))):
        for cell in row:
            if cell.lstrip()[:1] in {"=", "+", "@"}:
                raise WrongAnswerError(f"a cell of the CSV is a formula: {cell[:60]!a}")
    page = _Tags()
    page.feed(outputs["html"].read_bytes().decode("utf-8"))
    if page.alerts:
        raise WrongAnswerError("the page runs a script of a tensor's name")


NAMES = Campaign(
    "names",
    "no control character is printed, no line is forged, JSON, CSV and HTML are valid and hold no code",
    _trials,
)
