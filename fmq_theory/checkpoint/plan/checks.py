"""What may stand in the file of a plan: types, bounds, and a digest of the whole."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from fmq_theory.errors import FmqError

__all__ = [
    "PlanError",
    "check",
    "check_config",
    "is_integer",
    "is_real",
    "is_text",
    "text_digest",
]

_MOST = 2**63 - 1
_DEEPEST = 8


class PlanError(FmqError, ValueError):
    """A plan that says something impossible, or text that is no plan."""


def check(thing: str, name: str, value: object, fits: bool, wanted: str) -> None:
    """Refuses a value that does not fit.

    Raises:
        PlanError: ``fits`` is false.
    """
    if not fits:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        raise PlanError(thing, f"{name} = {shown} is not allowed", f"it must be {wanted}")


def is_text(value: object) -> bool:
    """A string that a file can hold: no half of a surrogate pair."""
    return isinstance(value, str) and re.search("[\ud800-\udfff]", value) is None


def is_integer(value: object) -> bool:
    """An integer of 64 bits, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool) and -_MOST <= value <= _MOST


def is_real(value: object) -> bool:
    """A finite number; of an integer, one that a float holds."""
    if isinstance(value, float):
        return math.isfinite(value)
    return is_integer(value)


def text_digest(body: Mapping[str, Any]) -> str:
    """A name of what a plan says, equal for equal plans only (BLAKE2b)."""
    text = json.dumps(body, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def check_config(config: object) -> None:
    """What a plan was made with: plain JSON, and of the right type where a name is known.

    Raises:
        PlanError: it is not.
    """
    check("plan", "config", config, isinstance(config, dict), "an object")
    _check_plain("config", config, 0)
    known = cast("Mapping[str, object]", config)
    for name, (fits, wanted) in _CONFIG.items():
        if name in known:
            check("plan", f"config.{name}", known[name], fits(known[name]), wanted)


def _check_plain(where: str, value: object, depth: int) -> None:
    check("plan", where, "...", depth <= _DEEPEST, f"nested at most {_DEEPEST} deep")
    if isinstance(value, dict):
        for key, inner in cast("dict[object, object]", value).items():
            check("plan", f"a name in {where}", key, is_text(key), "text without half surrogate pairs")
            _check_plain(f"{where}.{key}", inner, depth + 1)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(cast("list[object]", value)):
            _check_plain(f"{where}[{index}]", inner, depth + 1)
    else:
        plain = value is None or isinstance(value, bool) or is_text(value) or is_real(value)
        check(
            "plan", where, value, plain, "plain JSON: text, a finite number of 64 bits, true, false or null"
        )


def _at_least_zero(value: object) -> bool:
    return is_real(value) and cast(float, value) >= 0


def _positive(value: object) -> bool:
    return is_real(value) and cast(float, value) > 0


def _width(value: object) -> bool:
    return is_integer(value) and 1 <= cast(int, value) <= 128


def _counted(value: object) -> bool:
    return is_integer(value) and cast(int, value) >= 1


def _each(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(map(fits, cast("dict[str, object]", value).values()))


def _hex(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value) is not None


def _texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(is_text, cast("list[object]", value)))


def _single(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict):
        return False
    found = cast("dict[str, object]", value)
    if set(found) != {"scheme", "bits", "granularity", "group_size", "effective_bits", "mse", "objective"}:
        return False
    texts = is_text(found["scheme"]) and is_text(found["granularity"])
    sizes = _width(found["bits"]) and (found["group_size"] is None or _counted(found["group_size"]))
    return texts and sizes and all(_at_least_zero(found[n]) for n in ("effective_bits", "mse", "objective"))


_CONFIG: dict[str, tuple[Callable[[object], bool], str]] = {
    "budget_bits": (_positive, "a finite number > 0"),
    "weights": (_counted, "an integer >= 1"),
    "kept": (_each(_width), "an object of widths in bits"),
    "sensitivities": (_each(_at_least_zero), "an object of finite numbers >= 0"),
    "objective": (_at_least_zero, "a finite number >= 0"),
    "objective_lower_bound": (_at_least_zero, "a finite number >= 0"),
    "best_single": (_single, "null, or the fields of one choice"),
    "search": (lambda value: isinstance(value, dict), "an object"),
    "input": (_each(_hex), "an object of digests"),
    "ends": (_texts, "a list of names"),
    "end_bits": (lambda value: is_integer(value) and 0 <= cast(int, value) <= 8, "0 to 8"),
}
