"""Numbers as the tables print them."""

__all__ = ["count", "number"]

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def count(size: int) -> str:
    """10⁶, 5·10⁷, or the digits where they say it no longer than a power would."""
    text = str(size)
    zeros = len(text) - len(text.rstrip("0"))
    digits = text[: len(text) - zeros]
    if zeros < 4:
        return f"{size:,}"
    power = f"10{str(zeros).translate(_SUPERSCRIPTS)}"
    return power if digits == "1" else f"{digits}·{power}"


def number(value: float | None) -> str:
    """Three significant digits, without exponents."""
    if value is None:
        return "–"
    if abs(value) >= 100.0:
        return f"{value:,.0f}"
    return f"{value:.3g}"
