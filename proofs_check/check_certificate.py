"""Re-verify a certificate of fmq_theory.certify, or the JSON of ``fmq codebook``, with mpmath alone.

``python proofs_check/check_certificate.py FILE...``: one line a file, exit 1 if one is refused.

What is checked:

 1. The file: a regular one of at most 1 MB, UTF-8, JSON without NaN, floats, duplicate keys, deep nesting or
    long integers. Each object has exactly its fields, each field its type, each number the one spelling
    that the writer uses; sizes are bounded (K <= 1024, 60 digits, 20,000 terms, shapes .001 to 10,000).
 2. ``statement`` and ``verify`` are word for word what the other fields say.
 3. The law: a known family with exactly its parameters, inside its domain.
 4. Every enclosure is the one that its number and ``digits`` fix: the value, found anew with at least 20
    further digits, rounded down and up to that many places. A number on that grid may have itself, or both
    its neighbours.
 5. ``constant``: C_PD = (1/12) (int f^(1/3))^3 by its closed form in gamma functions.
 6. ``sum``: S_N term by term; S_inf and S_nu by Euler-Maclaurin.
 7. ``codebook``: K increasing levels. Newton's iteration on the Lloyd-Max equations converges from their
    middles, without leaving two units of the last place; levels, the thresholds half-way and the distortion
    are then as in 4.
 8. Optimality. ``optimum`` is ``distortion`` (nothing else could be the least one), and the argument
    holds: log-concavity, of exactly the laws that have it; K = 1; E|X| for two symmetric levels; or a global
    search, which is made again: a shortest path over buckets bounds what any codebook can reach, until a
    positive definite Hessian leaves one. A better codebook that is met refuses the certificate. If the
    search ends undecided (more than 8 cells, or 16 of a symmetric codebook, are not searched), or no
    optimality is claimed, the verdict has the words "stationary only".
 9. What ``fmq codebook --json`` writes: the certificate in it, as above; source, size, verdict and proof are
    the certificate's; levels, thresholds and distortion are its own at the given standard deviation; the
    entropy and both of Shannon's bounds are computed, each as in 4. Where no optimality is claimed, the
    optimum's upper end is the distortion's, and its lower end is Shannon's bound; if it is said to come
    from a search instead, the verdict says that it was not checked.

Nothing is shared with the program that wrote the certificate: series of positive terms in plain arithmetic,
with more digits than are compared, instead of ball arithmetic; the search of 8 is one in floats, with a
margin of 1e-9 of the distortion.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script: the checkout that it stands in
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from proofs_check.independent.kinds import check
from proofs_check.independent.reading import RefusedError, read

__all__ = ["RefusedError", "check", "main"]


def main(paths: list[str]) -> int:
    """One line a file; 1 if one is refused, or none is given."""
    failed = not paths
    for path in paths:
        try:
            said = check(read(Path(path)))
        except (RefusedError, OSError, ValueError) as problem:
            failed, said = True, f"REFUSED: {problem}"
        line = f"{path}: {said}"
        sys.stdout.write("".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in line) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
