"""Formulas as MathML, made when the site is built: no script, no font, no network when it is read."""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_FUNCTION = r"<mi>(?:ln|log|exp)</mi>"
_MENDED = (
    # What the converter marks in a way that browsers space badly.
    (r"<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>"),  # a relation
    (r"<mo>&#x0221E;</mo>", "<mi>&#x0221E;</mi>"),  # a number
    (rf"(?<=</m[in]>)(?={_FUNCTION})", '<mspace width="0.167em" />'),
    (
        rf"(?<!<msup>)(?<!<msub>)({_FUNCTION})(?=<m(?:i|n|over|sqrt|sub|sup)\b)",
        r'\1<mspace width="0.167em" />',
    ),
    # A sign, not a difference: after an opening bracket, a comma or a relation.
    (
        r"(&#x000(?:28|5B|2C|3D|3C|3E);</mo>|&#x0226[45];</mo>|&#x02192;</mo>)<mo>(?=&#x02212;)",
        r'\1<mo form="prefix">',
    ),
)


def _mathml(latex: str, display: str) -> str:
    try:
        made = convert(latex.strip(), display=display)
        for found, mended in _MENDED:
            made = re.sub(found, mended, made)
        return made
    except Exception as error:
        raise ExtensionError(f"no MathML for the formula {latex!r}: {error}") from error


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _displayed(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="formula">{_mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer ``mathml`` for ``html_math_renderer``."""
    app.add_html_math_renderer("mathml", (_inline, None), (_displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
