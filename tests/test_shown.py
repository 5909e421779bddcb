"""Text of others: escaped, shortened, quoted for each place where it is shown."""

import csv
import io
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.errors import CheckpointError
from fmq_theory.shown import csv_text, escaped, file_stem, json_text, one_line, shell_word, shorten, shown
from tests.hostile_names import HOSTILE, SURROGATES, unseen

EVERY = {**HOSTILE, **SURROGATES}
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize("name", EVERY.values(), ids=EVERY)
def test_what_is_shown_is_one_short_line_of_ink(name: str) -> None:
    for text in (shown(name), one_line(f"tensor {name!s}"), str(CheckpointError(name, name, name))):
        assert unseen(text) == []
        assert "\n" not in text
        text.encode("utf-8")
    assert len(shown(name)) < 200
    assert len(str(CheckpointError(f"tensor {name}", "bad", "mend it"))) < 800


@pytest.mark.parametrize(
    "name",
    ["conv.weight", "blöcke.0.gewicht", "層.0", "a b", "ρ_W2 ≤ 1 ± 0.2", "C:\\models\\m.pt", "🙂", "x" * 140],
)
def test_what_is_ink_stays_as_it_is(name: str) -> None:
    assert escaped(name) == shown(name) == one_line(name) == csv_text(name) == name
    assert json.loads(json_text(name)) == name
    assert str(CheckpointError(name, "a", "b")) == f"{name}: a; b"


@given(ANY_TEXT)
def test_any_text_is_escaped_once_and_for_all(text: str) -> None:
    once = escaped(text)
    assert unseen(once) == []
    assert "\n" not in once
    assert escaped(once) == once
    assert unseen(csv_text(text)) == unseen(json_text(text)) == []


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.floats() | st.none() | st.lists(ANY_TEXT)))
def test_json_is_valid_and_says_the_same(value: dict[str, object]) -> None:
    def clean(item: object) -> object:
        if isinstance(item, str):
            return "".join(escaped(c) if "\ud800" <= c <= "\udfff" else c for c in item)
        if isinstance(item, list):
            return [clean(part) for part in item]
        if isinstance(item, float) and item in (float("inf"), -float("inf")):
            return "inf" if item > 0 else "-inf"
        return None if isinstance(item, float) and item != item else item

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for ascii_only in (False, True):
        text = json_text(value, ascii_only=ascii_only)
        assert json.loads(text.encode("utf-8"), parse_constant=refuse) == {
            clean(key): clean(item) for key, item in value.items()
        }
        assert text.isascii() or not ascii_only


def test_json_keeps_long_names_whole() -> None:
    assert json.loads(json_text({"name": HOSTILE["long escapes"]})) == {"name": HOSTILE["long escapes"]}


def test_the_middle_is_left_out_with_its_length() -> None:
    text = "a" * 500 + "b" * 500
    assert shorten(text, 100) == f"{'a' * 67}(... 900 characters ...){'b' * 33}"
    assert shorten("c" * 130, 100) == "c" * 130  # the words would be as long
    assert shorten("c" * 131, 100) != "c" * 131


@pytest.mark.parametrize("name", EVERY.values(), ids=EVERY)
def test_no_cell_is_a_formula(name: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([csv_text(name), "after"])
    (cell, after) = next(csv.reader(io.StringIO(file.getvalue())))
    assert after == "after"
    assert cell.strip()[:1] not in {"=", "+", "-", "@", "\t", "\r", "\uff1d"}
    assert unseen(cell) == []


def test_control_plain_names_get_no_apostrophe() -> None:
    assert csv_text("a=b") == "a=b"
    assert csv_text("-x") == "'-x"


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
@pytest.mark.parametrize("name", [*HOSTILE.values(), SURROGATES["byte"]], ids=[*HOSTILE, "byte"])
def test_a_suggested_word_is_one_word_to_bash(name: str) -> None:
    if "\x00" in name:
        pytest.skip("no argument can hold it")
    word = shell_word(name)
    assert unseen(word) == []
    assert "\n" not in word
    script = f"export LC_ALL=C.UTF-8; printf '%s\\0' {word}"
    said = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    assert said == name.encode("utf-8", "surrogateescape") + b"\0"


@pytest.mark.parametrize("name", EVERY.values(), ids=EVERY)
def test_a_part_of_a_file_name(name: str) -> None:
    stem = file_stem(name)
    assert len(stem.encode()) <= 200
    assert not set(stem) & set("/\\\n\x00")
    assert unseen(stem) == []


def test_two_long_names_make_two_files() -> None:
    assert file_stem("x" * 300 + "a") != file_stem("x" * 300 + "b")
    assert len(file_stem("漢" * 300).encode()) <= 200
    assert file_stem("model") == "model"
