"""Pages from templates that lie beside the module that fills them in."""

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, cast

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from fmq_theory.report.base.names import in_page

__all__ = ["filled_page"]

_HERE = "fmq_theory.report.base"


def filled_page(
    room: str, template: str, filters: Mapping[str, Callable[..., object]] | None = None, **values: Any
) -> str:
    """The page; what comes from files is escaped, and a value that is not given is an error.

    ``style`` in a template is the style sheet that pages share.

    Args:
        room: package of the template, as ``fmq_theory.report.audit``.
        template: name of its file.
        filters: by their names in the template.
        **values: by their names in the template.
    """
    jinja = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=in_page
    )
    known = cast("dict[str, Any]", jinja.filters)  # pyright: ignore[reportUnknownMemberType]
    known.update(filters or {})
    style = Markup(files(_HERE).joinpath("page.css").read_text("utf-8"))  # noqa: S704 (our own)
    return jinja.from_string(files(room).joinpath(template).read_text("utf-8")).render(style=style, **values)
