"""Certificates survive the independent checker, and no tampered one does."""

import ast
import copy
import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath as mp
import pytest

from fmq_theory.certify import (
    codebook_certificate,
    constant_certificate,
    law,
    optimal_codebook,
    optimal_symmetric_codebook,
    sum_certificate,
)
from fmq_theory.errors import CertificationError
from proofs_check.check_certificate import RefusedError, check
from proofs_check.independent.laws import CONCAVE, Law
from proofs_check.independent.search import search

CHECKER = Path(__file__).parents[2] / "proofs_check" / "check_certificate.py"

SEARCHED = "global search, then Krawczyk on what it left"

Certificate = dict[str, Any]


def gaussian_four() -> Certificate:
    return codebook_certificate(optimal_codebook(law("gaussian"), 4))


def decimal(value: Fraction) -> str:
    """As the writer spells it: 40 places suffice here."""
    text = format(Decimal(value.numerator * 10**40 // value.denominator).scaleb(-40, Context(200)), "f")
    return text.rstrip("0").rstrip(".") or "0"


def shifted(end: str, by: str) -> str:
    return decimal(Fraction(end) + Fraction(by))


def shift(data: dict[str, str], by: str) -> None:
    for key in ("lower", "upper"):
        data[key] = shifted(data[key], by)


@pytest.mark.parametrize(
    "make",
    [
        gaussian_four,
        lambda: codebook_certificate(optimal_codebook(law("laplace"), 4)),
        lambda: codebook_certificate(optimal_codebook(law("uniform"), 3)),
        lambda: codebook_certificate(optimal_codebook(law("gamma", {"shape": "1/2"}), 2)),
        lambda: codebook_certificate(optimal_codebook(law("gaussian"), 1)),
        lambda: codebook_certificate(optimal_codebook(law("student-t", {"df": 5}), 1)),
        lambda: codebook_certificate(optimal_codebook(law("gamma", {"shape": "1/50"}), 1)),
        lambda: codebook_certificate(optimal_codebook(law("generalized-gaussian", {"beta": 20}), 4)),
        lambda: codebook_certificate(optimal_codebook(law("gaussian"), 2, digits=70), digits=60),
        lambda: codebook_certificate(optimal_codebook(law("uniform"), 2), digits=1),
        lambda: constant_certificate(law("laplace")),
        lambda: constant_certificate(law("gamma", {"shape": "1/2"})),
        lambda: sum_certificate(num_terms=12),
        lambda: sum_certificate(),
    ],
)
def test_an_honest_certificate_is_verified(make: Callable[[], Certificate]) -> None:
    check(json.loads(json.dumps(make())))


SEARCHED_AGAIN = [
    ("student-t", {"df": 3}, 3),
    ("student-t", {"df": "21/10"}, 2),  # a tenth of the variance lies beyond a length of 10^10
]
MORE_SEARCHED_AGAIN = [
    ("generalized-gaussian", {"beta": "1/2"}, 4),
    ("student-t", {"df": 3}, 4),
    ("student-t", {"df": 3}, 8),
    ("student-t", {"df": "21/10"}, 4),
    ("generalized-gaussian", {"beta": "1/2"}, 8),
    ("gamma", {"shape": "1/2"}, 8),
    ("gamma", {"shape": "1/1000"}, 4),
]


@pytest.mark.parametrize(
    ("name", "parameters", "num_levels"),
    SEARCHED_AGAIN + [pytest.param(*case, marks=pytest.mark.deep) for case in MORE_SEARCHED_AGAIN],
)
def test_what_a_search_certified_a_second_search_certifies(
    name: str, parameters: dict[str, str], num_levels: int
) -> None:
    found = optimal_codebook(law(name, parameters), num_levels)
    assert check(codebook_certificate(found)) == "verified: optimal, by a search made again"


@pytest.mark.deep
def test_a_threshold_decades_beyond_the_bulk_is_checked_too() -> None:
    """The checker's masses there are 1e-17 and its lengths 1e108: nothing may be compared absolutely."""
    found = optimal_codebook(law("generalized-gaussian", {"beta": "1/50"}), 2, digits=160)
    levels = [float(level) for level in found.codebook.levels]
    own = Law({"family": "generalized-gaussian", "parameters": {"beta": "1/50"}})
    assert search(own, levels, float(found.codebook.distortion), symmetric=False) == "best"


@pytest.mark.deep
def test_more_honest_certificates() -> None:
    for nu in (3, 4, "5/2", "201/100"):
        check(sum_certificate(index=nu))
    for name, parameters in (("student-t", {"df": 3}), ("generalized-gaussian", {"beta": "1/2"})):
        check(constant_certificate(law(name, parameters)))
        check(codebook_certificate(optimal_codebook(law(name, parameters), 3)))
    check(codebook_certificate(optimal_codebook(law("gaussian"), 16)))


def _move_level(cert: Certificate) -> None:
    shift(cert["levels"][0], "-1e-25")
    shift(cert["thresholds"][0], "-5e-26")


def _lower_distortion(cert: Certificate) -> None:
    shift(cert["distortion"], "-1e-20")
    shift(cert["optimum"], "-1e-20")


def _better_optimum(cert: Certificate) -> None:
    shift(cert["optimum"], "-1e-10")


def _move_threshold(cert: Certificate) -> None:
    shift(cert["thresholds"][0], "1e-12")


def _other_law(cert: Certificate) -> None:
    cert["law"] = {"family": "laplace", "parameters": {}}
    cert["statement"] = cert["statement"].replace("gaussian", "laplace")


def _drop_level(cert: Certificate) -> None:
    del cert["levels"][1]


def _swap_ends(cert: Certificate) -> None:
    low, high = cert["distortion"]["lower"], cert["distortion"]["upper"]
    cert["distortion"] = {"lower": high, "upper": low}


def _widen(cert: Certificate) -> None:
    """Enclosures that hold the optimum and many worse codebooks."""
    for entry in (*cert["levels"], *cert["thresholds"], cert["distortion"], cert["optimum"]):
        entry["lower"], entry["upper"] = shifted(entry["lower"], "-1/10"), shifted(entry["upper"], "1/10")


def _fewer_places(cert: Certificate) -> None:
    """True, and wide: every number to one place, said to be of thirty."""
    for entry in (*cert["levels"], *cert["thresholds"], cert["distortion"], cert["optimum"]):
        low, high = math.floor(10 * Fraction(entry["lower"])), math.ceil(10 * Fraction(entry["upper"]))
        entry["lower"], entry["upper"] = decimal(Fraction(low, 10)), decimal(Fraction(high, 10))


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (_move_level, "not stationary"),
        (_lower_distortion, "distortion"),
        (_better_optimum, "optimum"),
        (_move_threshold, "half-way"),
        (_other_law, "not stationary"),
        (_drop_level, "K - 1 thresholds"),
        (_swap_ends, "upside down"),
        (_widen, "wider"),
        (_fewer_places, "wider"),
        (lambda cert: cert.update(kind="theorem"), "malformed"),
        (lambda cert: cert.update(format="fmq-certificate-1"), "malformed"),
        (lambda cert: cert.pop("levels"), "malformed"),
        (lambda cert: cert.update(num_levels=True), "malformed|statement|num_levels"),
        (lambda cert: cert.update(digits=10**6), "digits"),
        (lambda cert: cert["law"].update(family="cauchy"), "unknown law"),
        (lambda cert: cert["law"]["parameters"].update(shape="1"), "malformed"),
        (lambda cert: cert["distortion"].update(lower="nan"), "not an exact number"),
        (lambda cert: cert.update(argument=SEARCHED, among="symmetric"), "statement"),
    ],
)
def test_a_tampered_certificate_is_refused(tamper: Callable[[Certificate], object], reason: str) -> None:
    cert = copy.deepcopy(gaussian_four())
    tamper(cert)
    with pytest.raises(RefusedError, match=reason):
        check(cert)


def test_a_worse_codebook_is_no_optimum_whatever_its_argument() -> None:
    """The symmetric two levels of gamma(1/3) are stationary; two others are better."""
    shape = law("gamma", {"shape": "1/3"})
    honest = codebook_certificate(optimal_symmetric_codebook(shape, 2))
    assert "stationary only" in check(honest)
    for argument in (honest["argument"], SEARCHED, CONCAVE, "K = 1: the mean is optimal"):
        forged = json.loads(json.dumps(honest).replace("all symmetric codebooks", "all codebooks"))
        forged.update(among="all", argument=argument)
        with pytest.raises(RefusedError, match=r"optim|mean|argument"):
            check(forged)


def test_no_other_parameter_is_swallowed() -> None:
    cert = codebook_certificate(optimal_codebook(law("student-t", {"df": 5}), 2))
    assert check(cert) == "verified: optimal, by a search made again"
    cert["law"]["parameters"]["shape"] = "1"  # type: ignore[index]
    with pytest.raises(RefusedError, match="malformed"):
        check(cert)


def test_what_is_not_proven_optimal_says_so() -> None:
    found = optimal_codebook(law("student-t", {"df": 3}), 3)
    unproven = replace(found, verdict="INCONCLUSIVE")
    cert = codebook_certificate(unproven)
    assert cert["optimum"] is None
    assert "stationary only" in check(cert)
    cert.update(optimum=cert["distortion"], among="all")
    with pytest.raises(RefusedError):
        check(cert)


def test_fewer_digits_than_certified_are_refused_by_the_writer() -> None:
    with pytest.raises(CertificationError, match="digits="):
        codebook_certificate(optimal_codebook(law("gaussian"), 3, digits=10), digits=30)


@pytest.mark.parametrize(
    ("family", "parameters"),
    [
        ("gaussian", {}),
        ("laplace", {}),
        ("logistic", {}),
        ("uniform", {}),
        ("student-t", {"df": "5"}),
        ("generalized-gaussian", {"beta": "3/2"}),
        ("gamma", {"shape": "1/3"}),
        ("gamma", {"shape": "5/2"}),
    ],
)
def test_the_checkers_moments_are_those_of_its_density(family: str, parameters: dict[str, str]) -> None:
    """Series and closed forms against mpmath's quadrature."""
    own = Law({"family": family, "parameters": parameters})
    with mp.workdps(40):
        grid = [mp.mpf(x) for x in ("0.7", "1.5", "4", "12", "40", "150")]
        end = mp.mpf(1) if family == "uniform" else mp.inf
        for x in grid[:1] if family == "uniform" else grid[:2]:
            points = [x, *(y for y in grid if x < y < end), end]
            for p, value in enumerate(own.tails(x)):
                measured = mp.quad(lambda y, p=p: y**p * own.density(y), points)
                assert abs(measured - value) < 1e-8
        cube = mp.quad(lambda y: own.density(y) ** (mp.mpf(1) / 3), [mp.mpf("1e-30"), mp.mpf("1e-9"),
                       mp.mpf("0.001"), mp.mpf("0.1"), *(y for y in grid if y < end), end])  # fmt: skip
        assert abs((2 * mp.mpf(cube)) ** 3 / 12 - own.panter_dite()) < 1e-4 * own.panter_dite()


def test_tampered_constants_and_sums_are_refused() -> None:
    constant, total = constant_certificate(law("laplace")), sum_certificate(num_terms=12)
    for cert in (constant, total):
        shift(cert["value"], "1e-25")  # type: ignore[arg-type]
        with pytest.raises(RefusedError, match="is not in"):
            check(cert)


def test_optimality_by_log_concavity_is_refused_for_a_law_without_it() -> None:
    cert = codebook_certificate(optimal_codebook(law("student-t", {"df": 5}), 3))
    cert["argument"] = CONCAVE
    with pytest.raises(RefusedError, match="log-concavity"):
        check(cert)


def test_the_checker_shares_no_code() -> None:
    parts = [CHECKER, *sorted((CHECKER.parent / "independent").glob("*.py"))]
    assert len(parts) > 3
    imported: set[str] = set()
    for path in parts:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    own = {name for name in imported if name.startswith("proofs_check")}
    assert all(name.startswith("proofs_check.independent.") for name in own)
    outside = {name.partition(".")[0] for name in imported - own}
    assert outside - set(sys.stdlib_module_names) == {"mpmath"}


def test_the_checker_runs_alone(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    cert = sum_certificate(num_terms=5)
    good.write_text(json.dumps(cert), encoding="utf-8")
    shift(cert["value"], "1e-9")  # type: ignore[arg-type]
    bad.write_text(json.dumps(cert), encoding="utf-8")
    run = [sys.executable, "-I", str(CHECKER)]
    assert subprocess.run([*run, str(good)], check=False, capture_output=True).returncode == 0
    refused = subprocess.run([*run, str(good), str(bad)], check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "REFUSED" in refused.stdout


def test_a_sum_is_one_sum() -> None:
    with pytest.raises(CertificationError, match="different sums"):
        sum_certificate(index=3, num_terms=4)
