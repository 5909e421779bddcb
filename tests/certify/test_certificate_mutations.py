"""What differs in one place from an honest certificate is refused, and no file ends in a traceback."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fmq_theory.certify import (
    codebook_certificate,
    constant_certificate,
    law,
    optimal_codebook,
    optimal_symmetric_codebook,
    sum_certificate,
)
from fmq_theory.claims.oracle.design import design, scaled_law
from fmq_theory.report.codebook.files import codebook_as_json
from proofs_check.check_certificate import RefusedError, check, main
from proofs_check.independent.reading import read
from tests.corpus.json_mutations import broken_files, mutations

KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "constant": lambda: constant_certificate(law("gamma", {"shape": "1/2"})),
    "constant on the grid": lambda: constant_certificate(law("laplace")),
    "partial sum": lambda: sum_certificate(num_terms=12),
    "sum": sum_certificate,
    "sum of an index": lambda: sum_certificate(index="5/2"),
    "log-concave": lambda: codebook_certificate(optimal_codebook(law("gaussian"), 3)),
    "on the grid": lambda: codebook_certificate(optimal_codebook(law("uniform"), 2)),
    "one level": lambda: codebook_certificate(optimal_codebook(law("student-t", {"df": 5}), 1)),
    "searched": lambda: codebook_certificate(optimal_codebook(law("gamma", {"shape": "1/3"}), 2)),
    "symmetric": lambda: codebook_certificate(optimal_symmetric_codebook(law("gamma", {"shape": "1/3"}), 2)),
    "document": lambda: codebook_as_json(design(scaled_law("laplace", None, "3/7"), 3, digits=12)),
    "stationary only": lambda: codebook_certificate(
        replace(optimal_codebook(law("student-t", {"df": 3}), 2), verdict="INCONCLUSIVE")
    ),
}


@pytest.mark.deep
@pytest.mark.parametrize("kind", KINDS)
def test_every_mutation_of_every_field_is_refused(kind: str, tmp_path: Path) -> None:
    document = json.loads(json.dumps(KINDS[kind]()))
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert "verified" in check(read(path))  # the control: the neighbour of them all
    passed: list[str] = []
    tried = 0
    for what, data in [*mutations(document), *broken_files(document)]:
        path.write_bytes(data)
        tried += 1
        try:
            passed.append(f"{what}: {check(read(path))}")
        except RefusedError:
            continue
    assert tried > 250
    assert passed == []


def test_sizes_are_bounded_before_any_work() -> None:
    terms, constant = sum_certificate(num_terms=12), constant_certificate(law("gamma", {"shape": "1/2"}))
    terms.update(num_terms=2**64, statement=f"S_N, N = {2**64} lies in 'value'")
    constant["law"]["parameters"]["shape"] = "1e999999999"  # type: ignore[index]
    for cert in (terms, constant):
        with pytest.raises(RefusedError):
            check(cert)


def test_what_is_no_file_of_ours_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = tmp_path / "large\n.json"
    large.write_bytes(b" " * 2_000_000)
    assert main([str(tmp_path), str(tmp_path / "absent"), str(large), "/dev/zero", "a\0b"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all("REFUSED" in line for line in lines)
