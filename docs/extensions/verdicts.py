"""Verdicts of claims in colour, and the anchor of a claim's heading, whose words may change.

A word is coloured where it stands in text: not in code, not in a heading. The word itself says the verdict;
the colour only helps to find it.
"""

import re

from docutils import nodes
from myst_parser.slugs import github_slugify
from sphinx.application import Sphinx

__all__ = ["slug"]

VERDICTS = ("CERTIFIED", "SUPPORTED", "INCONCLUSIVE", "REFUTED", "VACUOUS")
_WORD = re.compile(rf"\b({'|'.join(VERDICTS)})\b")
_ANCHOR = re.compile(r'<a id="[\w-]+"></a>')
_CLAIM = re.compile(r"([PC]\d+(?:-[A-Z0-9]+)*): ")


def slug(title: str) -> str:
    """``P4-W2: Lemmas 4 and 5`` has the anchor ``p4-w2``; every other heading has GitHub's."""
    found = _CLAIM.match(title)
    return found[1].lower() if found else github_slugify(title)


def _coloured(_app: Sphinx, doctree: nodes.document, _name: str) -> None:
    for text in list(doctree.findall(nodes.Text)):
        parts = _WORD.split(str(text))
        above = text.parent
        if len(parts) == 1 or isinstance(above, (nodes.literal, nodes.literal_block, nodes.title)):
            continue
        made: list[nodes.Node] = []
        for place, part in enumerate(parts):
            if place % 2:
                made.append(nodes.inline(part, part, classes=["verdict", f"verdict-{part.lower()}"]))
            elif part:
                made.append(nodes.Text(part))
        above.replace(text, made)


def _without_anchors(_app: Sphinx, doctree: nodes.document) -> None:
    """Anchors in the Markdown are for readers of the file; here headings have the same ones."""
    for raw in list(doctree.findall(nodes.raw)):
        if _ANCHOR.fullmatch(raw.astext().strip()):
            raw.parent.remove(raw)


def setup(app: Sphinx) -> dict[str, bool]:
    """Colours what a page shows when its links are known."""
    app.connect("doctree-read", _without_anchors)
    app.connect("doctree-resolved", _coloured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
