"""Certificates survive the independent checker, and no tampered one does."""

import ast
import copy
import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from fmq_theory.certify import (
    codebook_certificate,
    constant_certificate,
    law,
    optimal_codebook,
    sum_certificate,
)
from fmq_theory.errors import CertificationError
from proofs_check.check_certificate import RefusedError, check

CHECKER = Path(__file__).parents[2] / "proofs_check" / "check_certificate.py"

Certificate = dict[str, Any]


def gaussian_four() -> Certificate:
    return codebook_certificate(optimal_codebook(law("gaussian"), 4))


def shifted(end: str, by: str) -> str:
    scale = 10**40
    moved = Fraction(end) + Fraction(by)
    return f"{moved.numerator * scale // moved.denominator}/{scale}"


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
        lambda: constant_certificate(law("laplace")),
        lambda: constant_certificate(law("gamma", {"shape": "1/2"})),
        lambda: sum_certificate(num_terms=12),
        lambda: sum_certificate(),
    ],
)
def test_an_honest_certificate_is_verified(make: Callable[[], Certificate]) -> None:
    check(json.loads(json.dumps(make())))


@pytest.mark.slow
def test_more_honest_certificates() -> None:
    for nu in (3, 4, "5/2"):
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


def _drop_level(cert: Certificate) -> None:
    del cert["levels"][1]


def _swap_ends(cert: Certificate) -> None:
    low, high = cert["distortion"]["lower"], cert["distortion"]["upper"]
    cert["distortion"] = {"lower": high, "upper": low}


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (_move_level, "not stationary"),
        (_lower_distortion, "distortion"),
        (_better_optimum, "contradict"),
        (_move_threshold, "half-way"),
        (_other_law, "not stationary"),
        (_drop_level, "K - 1 thresholds"),
        (_swap_ends, "upside down"),
        (lambda cert: cert.update(kind="theorem"), "malformed"),
        (lambda cert: cert.update(format="other"), "malformed"),
        (lambda cert: cert.pop("levels"), "malformed"),
        (lambda cert: cert["law"].update(family="cauchy"), "unknown law"),
        (lambda cert: cert["distortion"].update(lower="nan"), "not an exact number"),
    ],
)
def test_a_tampered_certificate_is_refused(tamper: Callable[[Certificate], object], reason: str) -> None:
    cert = copy.deepcopy(gaussian_four())
    tamper(cert)
    with pytest.raises(RefusedError, match=reason):
        check(cert)


def test_tampered_constants_and_sums_are_refused() -> None:
    constant, total = constant_certificate(law("laplace")), sum_certificate(num_terms=12)
    for cert in (constant, total):
        shift(cert["value"], "1e-25")  # type: ignore[arg-type]
        with pytest.raises(RefusedError, match="is not in"):
            check(cert)


def test_optimality_by_log_concavity_is_refused_for_a_law_without_it() -> None:
    cert = codebook_certificate(optimal_codebook(law("student-t", {"df": 5}), 3))
    cert["argument"] = "the only stationary one"
    with pytest.raises(RefusedError, match="log-concavity"):
        check(cert)


def test_the_checker_shares_no_code_and_is_short() -> None:
    source = CHECKER.read_text(encoding="utf-8")
    imported = {
        name.name.partition(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import)
        for name in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
    }
    assert imported - set(sys.stdlib_module_names) == {"mpmath"}
    assert len(source.splitlines()) <= 200


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
