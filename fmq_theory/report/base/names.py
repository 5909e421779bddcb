"""Names that come from files, for the two places of this room that have a language of their own."""

from fmq_theory.shown import one_line, shown

__all__ = ["in_figure", "in_page"]


def in_figure(name: object, most: int = 160) -> str:
    """A title of a figure: a dollar would begin a formula there.

    Args:
        name: anything; its ``str``.
        most: characters that are shown, about.
    """
    return shown(name, most).replace("$", "\\$")


def in_page(value: object) -> object:
    """What a page's template shows: text is escaped and long words shortened, all else is left as it is.

    Args:
        value: of an expression in the template; markup of our own is no plain string.
    """
    return one_line(value) if type(value) is str else value
