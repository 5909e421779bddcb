"""Text that others chose (names of tensors, paths, keys, messages of libraries), made fit to be shown.

A file may call a tensor anything: an escape sequence that repaints the terminal, a newline that forges a line
of a report, a million letters, half of a surrogate pair. Whatever is shown of it goes through one of these:

| shown where | function |
|---|---|
| a line of the terminal, a table, a page, a figure | ``shown`` |
| a sentence of our own that names are already part of | ``escaped`` |
| a message of an error | ``one_line``, which ``FmqError`` applies |
| a cell of CSV | ``csv_text`` |
| JSON | ``json_text`` |
| a command to copy | ``shell_word`` |
| a call of Python to copy | ``python_text`` |
| a file's name made of another name | ``file_stem`` |

``counted`` writes how many things there are: one tensor, two tensors.
"""

import hashlib
import json
import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

__all__ = [
    "counted",
    "csv_text",
    "escaped",
    "file_stem",
    "json_text",
    "one_line",
    "plain_values",
    "python_text",
    "shell_word",
    "shorten",
    "shown",
]

MOST_OF_A_NAME = 120
"""Characters that are shown of a name; what has more is shortened in the middle."""
_MOST_OF_A_WORD = 240
_LONGEST_FILE_NAME = 200  # of the 255 bytes that systems allow; the rest is for what is put around it
# Letters and marks without ink that Unicode does not count as format characters: joiners, fillers, selectors
# of a variant. Two names that look alike should be alike.
_NO_INK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0]")
# What a spreadsheet takes for the beginning of a formula, in both widths; it drops spaces before it.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def escaped(text: object) -> str:
    r"""The text with every character that is not ink written as its code: ``\n``, ``\x1b``, ``\u202e``.

    Controls (C0, C1, DEL), line and paragraph separators, marks of direction, characters without width,
    spaces other than U+0020, private and unassigned characters, halves of surrogate pairs. What is escaped
    once is not changed by a second time.

    Args:
        text: anything; its ``str``.
    """
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character.isprintable() and not _NO_INK.match(character) else _code(character)
        for character in text
    )


def shorten(text: str, most: int) -> str:
    """The text, or its beginning and end with the number of characters that are left out between them.

    Args:
        text: any.
        most: characters of the text that are kept; some thirty of the count come on top.
    """
    if len(text) <= most + 30:  # the words that tell of it would be as long as what they stand for
        return text
    head, tail = most - most // 3, most // 3
    return f"{text[:head]}(... {len(text) - most:,} characters ...){text[len(text) - tail :]}"


def shown(name: object, most: int = MOST_OF_A_NAME) -> str:
    """A name, path or message of another program on one line: escaped, and shortened in the middle.

    Args:
        name: anything; its ``str``.
        most: characters that are kept, about.
    """
    text = str(name)
    # Escaping may make ten characters of one: it comes after a first cut, and is cut again.
    return shorten(escaped(shorten(text, most)), most)


def one_line(sentence: object, most: int = 2000) -> str:
    """A sentence that holds names: escaped, each long word and the whole shortened in the middle.

    Args:
        sentence: anything; its ``str``.
        most: characters that are kept, about.
    """
    text = escaped(shorten(str(sentence), most))
    return shorten(" ".join(shorten(word, _MOST_OF_A_WORD) for word in text.split(" ")), most)


def csv_text(text: object) -> str:
    """A cell that no spreadsheet takes for a formula: escaped, whole, and behind an apostrophe if need be.

    Args:
        text: a name; numbers are written as they are, not through this.
    """
    clean = escaped(text)
    return f"'{clean}" if _FORMULA.match(str(text)) else clean


def json_text(value: object, *, indent: int | None = 1, ascii_only: bool = False) -> str:
    """JSON that every parser takes and no terminal obeys; names are whole.

    nan is null, an infinite number the string "inf" or "-inf". Characters without ink are written as codes;
    half of a surrogate pair, which JSON cannot hold, as its code in the text.

    Args:
        value: what ``json.dumps`` takes.
        indent: of a level; None for one line.
        ascii_only: for a stream whose encoding may have no other characters.
    """
    text = json.dumps(
        _without_surrogates(plain_values(value)), indent=indent, ensure_ascii=ascii_only, allow_nan=False
    )
    if ascii_only or text.isascii():
        return text
    return "".join(
        character
        if character == "\n" or (character.isprintable() and not _NO_INK.match(character))
        else json.dumps(character)[1:-1]
        for character in text
    )


def plain_values(value: Any) -> Any:
    """JSON values: nan is None, an infinite number the string "inf".

    Args:
        value: a number, text, None, or a mapping or sequence of such, to any depth.

    Returns:
        The same with values that ``json.dumps`` writes as JSON allows.
    """
    if isinstance(value, Mapping):
        return {key: plain_values(item) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain_values(item) for item in cast("list[Any]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def shell_word(text: object) -> str:
    r"""One word of a command that can be copied into a POSIX shell, whole.

    Args:
        text: a path or a name. A path that begins with a dash gets ``./`` before it; what is no ink is
            written as ``$'\n'``, which bash and zsh know.
    """
    word = str(text)
    if isinstance(text, Path) and word.startswith("-"):
        word = f"./{word}"
    if escaped(word) == word:
        return shlex.quote(word)
    return "$'" + "".join(_in_dollar_quotes(character) for character in word) + "'"


def python_text(text: object) -> str:
    """A literal of Python for a path or a name, whole, as a suggested call holds it.

    Args:
        text: anything; its ``str``.
    """
    return escaped(repr(str(text)))


def file_stem(text: object, most: int = _LONGEST_FILE_NAME) -> str:
    """A name that can be part of a file's name: no separators, no controls, not too long.

    Args:
        text: a name of anything.
        most: bytes. What is longer is cut and gets a digest of the whole, so that two names stay two.
    """
    clean = re.sub(r"[/\\\x00]", "-", escaped(text).replace("\\", "-"))
    encoded = clean.encode()
    if len(encoded) <= most:
        return clean
    mark = hashlib.blake2b(encoded, digest_size=4).hexdigest()
    return f"{encoded[: most - 9].decode('utf-8', 'ignore')}-{mark}"


def _code(character: str) -> str:
    code = ascii(character)[1:-1]
    return code if code != character else f"\\x{ord(character):02x}"


def _in_dollar_quotes(character: str) -> str:
    if character in "'\\":
        return f"\\{character}"
    if escaped(character) == character:
        return character
    byte_like = "\udc80" <= character <= "\udcff"  # how Python holds a byte that is no UTF-8
    encoded = character.encode("utf-8", "surrogateescape" if byte_like else "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in encoded)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, dict):
        values = cast("dict[Any, Any]", value)
        return {_without_surrogates(key): _without_surrogates(item) for key, item in values.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in cast("list[Any]", value)]
    if isinstance(value, str) and _SURROGATE.search(value):
        return _SURROGATE.sub(lambda found: _code(found.group()), value)
    return value


def counted(number: int, thing: str) -> str:
    """The number and the thing, in the plural unless it is one.

    Args:
        number: how many there are.
        thing: a noun whose plural ends in s, in the singular.
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
