"""Plain-text formulas as one reads them: ``2^(-2b)`` with a raised exponent, ``C_PD`` with a low index.

Statements of claims and docstrings are plain text, because a terminal shows them too. On the site their
powers and indices are set as such. Code and real formulas stay as they are.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

__all__ = ["pieces"]

_POWER = re.compile(r"(?<=[\w)\]|])\^(?=\(|-?\w)")
_SIMPLE = re.compile(r"-?\w+")
_INDEX = re.compile(r"\b(C|D|S|T|L|ρ|b|e|a|w|xhat)_(PD|EM|LM|W2|ν|nu|inf|∞|theta|phi|\d)\b")
_OF_CELLS = re.compile(r"\b([cτmn](?=_k\b)|D(?=_[US]\b)|M(?=_p\b)|λ(?=_α\b))_(\w)\b")  # the table of symbols
_ORDERED = re.compile(r"\b(X)_(\([^()\s]+\))")  # order statistics keep the brackets
_MINUS = "−"


def pieces(text: str) -> list[tuple[str, str]]:
    """The text as (kind, part): "text", "up" for an exponent, "down" for an index.

    An exponent in brackets ends at the bracket that closes it, and loses both; one that is never closed is no
    exponent.
    """
    found: list[tuple[str, str]] = []
    start = 0
    for match in _POWER.finditer(text):
        if match.start() < start:
            continue  # inside the exponent before
        end = _end_of_exponent(text, match.end())
        if end is None:
            continue
        found += _with_indices(text[start : match.start()])
        inside = text[match.end() : end]
        bare = inside[1:-1] if inside.startswith("(") else inside
        found.append(("up", bare.replace("-", _MINUS)))
        start = end
    return found + _with_indices(text[start:])


def _end_of_exponent(text: str, start: int) -> int | None:
    if text[start] != "(":
        simple = _SIMPLE.match(text, start)
        return simple.end() if simple else None
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    return None


def _with_indices(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    start = 0
    matches = (match for pattern in (_INDEX, _OF_CELLS, _ORDERED) for match in pattern.finditer(text))
    for match in sorted(matches, key=re.Match.start):
        found += [("text", text[start : match.end(1)]), ("down", match[2])]
        start = match.end()
    return [*found, ("text", text[start:])] if text[start:] else found


_KINDS = {"up": nodes.superscript, "down": nodes.subscript}
_KEPT = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw)


def _set(_app: Sphinx, doctree: nodes.document, _name: str) -> None:
    for text in list(doctree.findall(nodes.Text)):
        above = text.parent
        # A signature, a name in code: anything inside an element of code stays plain.
        if any(isinstance(one, _KEPT) or type(one).__name__.startswith("desc_") for one in _ancestors(above)):
            continue
        parts = pieces(str(text))
        if any(kind != "text" for kind, _ in parts):
            made = [_KINDS[kind]("", part) if kind in _KINDS else nodes.Text(part) for kind, part in parts]
            above.replace(text, made)


def _ancestors(node: nodes.Node | None) -> list[nodes.Node]:
    """The node and what it is inside, up to the nearest paragraph, cell, item or title."""
    found: list[nodes.Node] = []
    while node is not None:
        found.append(node)
        if isinstance(node, (nodes.paragraph, nodes.title, nodes.entry, nodes.list_item)):
            break
        node = node.parent
    return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Sets formulas when the links of a page are known."""
    app.connect("doctree-resolved", _set)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
