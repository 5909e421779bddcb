"""Re-verify a certificate of fmq_theory.certify with mpmath alone.

``python proofs_check/check_certificate.py FILE...``: one line a file, exit 1 if one is refused.

Nothing is shared with the program that wrote it: quadrature instead of special functions, Euler-Maclaurin
instead of zeta series, plain 60-digit arithmetic with an error below the stated MARGIN. Every number
is redone; of optimality among all codebooks only the domain of the argument that the certificate names.
"""

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import mpmath as mp

MARGIN = mp.mpf("1e-36")
ZERO = mp.mpf(0)


class RefusedError(Exception):
    """The certificate is malformed, or says something that is not so."""


def number(text: Any) -> mp.mpf:
    """The exact number that a string denotes, at the working precision."""
    try:
        value = Fraction(text)
    except (ValueError, TypeError, ZeroDivisionError):
        raise RefusedError(f"{text!r} is not an exact number") from None
    return mp.mpf(value.numerator) / value.denominator


def interval(data: Any) -> tuple[mp.mpf, mp.mpf]:
    """Both ends of an enclosure."""
    low, high = number(data["lower"]), number(data["upper"])
    if low > high:
        raise RefusedError("an enclosure is upside down")
    return low, high


def require(data: Any, value: mp.mpf, what: str) -> None:
    """Refuse unless the enclosure holds the value, up to the margin."""
    (low, high), slack = interval(data), MARGIN * (1 + abs(value))
    if not low - slack <= value <= high + slack:
        raise RefusedError(
            f"{what}: {mp.nstr(value, 25)} is not in {mp.nstr(low, 25)} .. {mp.nstr(high, 25)}"
        )


def density(law: Any) -> Callable[[mp.mpf], mp.mpf]:
    """The density f(x) for x > 0, on the natural scale."""
    p = {key: number(value) for key, value in law["parameters"].items()}
    match law["family"]:
        case "gaussian":
            return lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
        case "laplace":
            return lambda x: mp.exp(-x) / 2
        case "logistic":
            return lambda x: mp.sech(x / 2) ** 2 / 4
        case "student-t":
            c = 1 / (mp.sqrt(p["df"]) * mp.beta(p["df"] / 2, mp.mpf(1) / 2))
            return lambda x: c * (1 + x * x / p["df"]) ** (-(p["df"] + 1) / 2)
        case "generalized-gaussian":
            c = p["beta"] / (2 * mp.gamma(1 / p["beta"]))
            return lambda x: c * mp.exp(-(x ** p["beta"]))
        case "gamma":
            c = 1 / (2 * mp.gamma(p["shape"]))
            return lambda x: c * x ** (p["shape"] - 1) * mp.exp(-x)
        case "uniform":
            return lambda _: mp.mpf(1) / 2
    raise RefusedError(f"unknown law {law['family']!r}")


def integral(g: Callable[[mp.mpf], mp.mpf], low: mp.mpf, high: mp.mpf, family: str) -> mp.mpf:
    """Quadrature of g over [low, high], 0 <= low, in ln x: powers at either end become exponentials."""
    if family == "uniform":
        return mp.quad(g, [low, min(high, mp.mpf(1))], method="gauss-legendre") if low < 1 else ZERO
    reach = {"student-t": 480, "generalized-gaussian": 24}.get(family, 12)
    left = mp.log(low) if low > 0 else mp.mpf(-320)
    right = mp.log(high) if mp.isfinite(high) else max(left, ZERO) + reach
    width = 4 if reach > 12 or low == 0 else mp.mpf("0.5")
    grid = mp.linspace(left, right, 2 + int((right - left) / width))
    return mp.quad(lambda u: g(mp.exp(u)) * mp.exp(u), grid, method="gauss-legendre")


def check_constant(cert: Any) -> None:
    """C_PD = (1/12) (int f^(1/3))^3."""
    f, third = density(cert["law"]), mp.mpf(1) / 3
    half = integral(lambda x: f(x) ** third, ZERO, mp.inf, cert["law"]["family"])
    require(cert["value"], (2 * half) ** 3 / 12, "constant")


def check_sum(cert: Any) -> None:
    """S_nu, S_N or S_inf by their definitions."""
    a = ZERO if cert["index"] is None else 1 / number(cert["index"])

    def power_cell(j: mp.mpf) -> mp.mpf:
        one = ((j + 1) ** (1 - a) - j ** (1 - a)) / (1 - a)
        return ((j + 1) ** (1 - 2 * a) - j ** (1 - 2 * a)) / (1 - 2 * a) - one * one

    def log_cell(j: mp.mpf) -> mp.mpf:
        return 1 - j * (j + 1) * mp.log1p(1 / j) ** 2 if j else mp.mpf(1)

    term, leading = (power_cell, a * a / 12) if a else (log_cell, mp.mpf(1) / 12)
    with mp.workdps(110):
        if cert["num_terms"] is not None:
            require(cert["value"], mp.fsum(term(mp.mpf(j)) for j in range(cert["num_terms"])), "partial sum")
            return
        # Euler-Maclaurin from N; beyond U the term is leading (u + 1/2)^(-2-2a) up to a factor 1 + O(u^-2).
        start, far = mp.mpf(90), mp.mpf(10) ** 15
        total = mp.fsum(term(mp.mpf(j)) for j in range(90)) + term(start) / 2
        grid = mp.linspace(mp.log(start), mp.log(far), 16)
        total += mp.quad(lambda u: term(mp.exp(u)) * mp.exp(u), grid, method="gauss-legendre")
        total += leading * (far + mp.mpf(1) / 2) ** (-1 - 2 * a) / (1 + 2 * a)
        slopes = mp.taylor(term, start, 25)
        total -= mp.fsum(mp.bernoulli(2 * k) / (2 * k) * slopes[2 * k - 1] for k in range(1, 13))
        require(cert["value"], total, "sum")


def newton_step(diagonal: list[mp.mpf], off: list[mp.mpf], right: list[mp.mpf]) -> list[mp.mpf]:
    """Solution of a symmetric tridiagonal system."""
    d, x = diagonal[:], right[:]
    for i in range(1, len(d)):
        factor = off[i - 1] / d[i - 1]
        d[i], x[i] = d[i] - factor * off[i - 1], x[i] - factor * x[i - 1]
    for i in range(len(d) - 1, -1, -1):
        x[i] = (x[i] - (off[i] * x[i + 1] if i + 1 < len(d) else 0)) / d[i]
    return x


def check_codebook(cert: Any) -> None:
    """Thresholds half-way, a Newton step that stays in the boxes, the distortion, the argument's domain."""
    f, family = density(cert["law"]), cert["law"]["family"]
    boxes, cuts_given = [interval(c) for c in cert["levels"]], [interval(t) for t in cert["thresholds"]]
    levels = [(low + high) / 2 for low, high in boxes]
    cuts = [(a + b) / 2 for a, b in pairwise(levels)]
    if not len(levels) == cert["num_levels"] == len(cuts_given) + 1 or any(
        a >= b for a, b in pairwise(levels)
    ):
        raise RefusedError("levels are not K increasing numbers with K - 1 thresholds")
    widest = max(high - low for low, high in boxes)
    for cut, (low, high) in zip(cuts, cuts_given, strict=True):
        if not low - widest <= cut <= high + widest:
            raise RefusedError(f"threshold {mp.nstr(low, 8)} is not half-way between its levels")
    # T_p(x) = E[X^p; X > x], summed over the pieces between the |thresholds|; then E[X^p; cell].
    points, above, tails = sorted({ZERO, *map(abs, cuts)}), [ZERO] * 3, {}
    for low, high in reversed(list(pairwise([*points, mp.inf]))):
        above = [above[p] + integral(lambda x, p=p: x**p * f(x), low, high, family) for p in range(3)]
        tails[low] = above
    whole = [2 * above[0], ZERO, 2 * above[2]]
    if abs(whole[0] - 1) > MARGIN:
        raise RefusedError("the checker's own quadrature is not good enough for this law")
    edges = [tails[t] if t >= 0 else [whole[p] - (-1) ** p * tails[-t][p] for p in range(3)] for t in cuts]
    cells = [[a[p] - b[p] for p in range(3)] for a, b in pairwise([whole, *edges, [ZERO] * 3])]
    symmetric = all(abs(a + b) <= MARGIN for a, b in zip(levels, reversed(levels), strict=True))
    gains = [  # a threshold at 0 stays there by symmetry
        ZERO if symmetric and abs(t) <= MARGIN else f(abs(t)) * (b - a) / 4
        for t, (a, b) in zip(cuts, pairwise(levels), strict=True)
    ]
    diagonal = [cell[0] - a - b for cell, (a, b) in zip(cells, pairwise([ZERO, *gains, ZERO]), strict=True)]
    residual = [c * cell[0] - cell[1] for c, cell in zip(levels, cells, strict=True)]
    for move, (low, high) in zip(newton_step(diagonal, [-g for g in gains], residual), boxes, strict=True):
        if abs(move) > (high - low) / 2 + MARGIN * (1 + abs(levels[-1])):
            raise RefusedError(f"level {mp.nstr(low, 8)} is not stationary: it moves by {mp.nstr(move, 5)}")
    distortion = mp.fsum(m2 - 2 * c * m1 + c * c * m0 for c, (m0, m1, m2) in zip(levels, cells, strict=True))
    require(cert["distortion"], distortion, "distortion")
    low, high = interval(cert["optimum"])
    if low > distortion + MARGIN or high < distortion - MARGIN - widest:
        raise RefusedError("the optimum's enclosure and the distortion contradict each other")
    shape = {key: number(value) for key, value in cert["law"]["parameters"].items()}
    concave = family in ("gaussian", "laplace", "logistic", "uniform") or shape.get("shape") == 1
    concave = concave or shape.get("beta", ZERO) >= 1
    if cert["verdict"] == "CERTIFIED" and not (concave or "search" in cert["argument"] or len(levels) <= 2):
        raise RefusedError("optimality is claimed by log-concavity, which this law lacks")


def check(cert: Any) -> None:
    """Return if the certificate holds; raise RefusedError with the reason if it does not."""
    kinds = {"constant": check_constant, "sum": check_sum, "codebook": check_codebook}
    with mp.workdps(60):
        try:
            kinds[cert["kind"] if cert["format"] == "fmq-certificate-1" else "format"](cert)
        except (KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise RefusedError(f"malformed certificate: {error!r}") from error


if __name__ == "__main__":
    failed = len(sys.argv) < 2
    for path in sys.argv[1:]:
        try:
            check(json.loads(Path(path).read_text(encoding="utf-8")))
            print(f"{path}: verified")
        except (RefusedError, OSError, json.JSONDecodeError) as problem:
            failed = True
            print(f"{path}: REFUSED: {problem}")
    sys.exit(failed)
