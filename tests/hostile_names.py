"""Names that a file may give its tensors, and what a terminal must never be sent."""

import unicodedata

# No control but the newline, no mark of direction, no half of a pair, nothing without width.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

HOSTILE = {
    "colour": "a\x1b[31mred\x1b[0m.weight",
    "title": "\x1b]0;owned\x07w",
    "clear": "\x1b[2J\x1b[1;1Hw",
    "nul": "a\x00b",
    "bell and back": "a\x07\x08\x08\x08b",
    "carriage": "real\rfake",
    "newline": "w\nVerdict: all claims hold",
    "c1": "a\x9b31mb\x85c",
    "delete": "a\x7fb",
    "direction": "a\u202egnp.exe\u2066",
    "no width": "a\u200bb\u200d\ufeffc\u2060",
    "separators": "a\u2028b\u2029c",
    "filler": "a\u3164b\ufe0f",
    "space": "a\u00a0b\u2003c",
    "private": "a\ue000b\U000f0000",
    "markup": "[/]",
    "more markup": "[bold red]x[/bold red][/dim]\\",
    "link": "[link=file:///etc/passwd]x[/link]",
    "emoji code": ":bomb:",
    "formula": '=HYPERLINK("http://x","y")',
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-2+3",
    "at": "@SUM(1,1)",
    "tab": "\t=1",
    "wide equals": "\uff1d1+1",
    "script": "</script><script>alert(1)</script>",
    "element": '"><img src=x onerror=alert(1)>',
    "entity": "&lt;b&gt; <!-- ]]>",
    "template": "{{ 7 * 7 }}{% raw %}",
    "mathtext": "$\\frac{1}$ $x",
    "percent": "%s%n {0} {name}",
    "shell": "'; rm -rf ~; echo \"$(id)`id`",
    "dash": "--force",
    "quotes": "a'b\"c`d",
    "pipe": "a|b|c",
    "long": "x" * 5000,
    "long with spaces": "y " * 2500,
    "long escapes": "\x1b" * 3000,
    "accents": "o" + "\u0301" * 200,
    "wide": "\u6f22\u5b57" * 20,
    "spaces": "   ",
}
SURROGATES = {"high": "a\ud800b", "low": "a\udc00b", "byte": "a\udcffb", "swapped": "a\udc00\ud800b"}


def unseen(text: str) -> list[str]:
    """Characters of the text that a terminal obeys, or a reader cannot see; newlines are none of them."""
    return sorted({repr(c) for c in text if c != "\n" and unicodedata.category(c) in _UNSEEN})
