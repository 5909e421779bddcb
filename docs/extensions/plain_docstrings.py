"""Docstrings are plain text with mathematics: what reStructuredText would take for markup is escaped.

``|e|`` would be a substitution, ``x_`` a link and ``*`` emphasis. What stands in double backticks, the
star of a list, and an example from its ``>>>`` to the next empty line, stays as it is. It runs before
napoleon, which makes markup out of the Google sections.
"""

import re

from sphinx.application import Sphinx

_LITERAL = re.compile(r"(``.+?``)")
_LIST = re.compile(r"^\s*\* ")
_MARKUP = re.compile(r"([\\*|]|(?<=\w)_(?!\w))")


def escaped(lines: list[str]) -> list[str]:
    """The lines with markup characters of prose escaped."""
    found: list[str] = []
    in_example = False
    for line in lines:
        in_example = bool(line.strip()) and (in_example or line.lstrip().startswith(">>> "))
        if in_example:
            found.append(line)
            continue
        item = match[0] if (match := _LIST.match(line)) else ""
        parts = _LITERAL.split(line[len(item) :])
        parts[::2] = [_MARKUP.sub(r"\\\1", prose) for prose in parts[::2]]
        found.append(item + "".join(parts))
    return found


def _escape(_app: Sphinx, _what: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    lines[:] = escaped(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Hooks into autodoc before napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", _escape, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
