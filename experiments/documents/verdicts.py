"""The verdicts on the paper's statements, from docs/claims.md."""

import re
from functools import cache

from experiments.documents.places import CLAIMS

__all__ = ["verdict", "verdict_table", "verdicts"]

_ROW = re.compile(r"^\| \[([A-Z0-9-]+)\]\(#[a-z0-9-]+\) \| [^|]+ \| ([A-Z]+) \|", re.MULTILINE)

# The paper's item in words, the claim on it, and the same claim on trained networks.
_PAPER = (
    ("Lemma 1: a Grönwall bound on the error of a sample", "P1", "P1-NET"),
    ("Lemma 2: from that error to FID", "P2", "P2-NET"),
    ("Theorem 3: uniform, FID is O(2^(-2b))", "P3", "P3-NET"),
    ("Lemmas 4, 5: squared error ≤ C_PD 2^(-2b), for the W2 optimum and every law", "P4-W2", ""),
    ("the same where f^(-1/3) is convex: log-concave laws, Student-t", "C21", ""),
    ("the same for every law, with a larger constant", "C23", ""),
    ("the same for equal mass, the algorithm", "P4-EM", ""),
    (
        "Theorem 6: FID is O(2^(-2b)), smaller constant, for the W2 optimum, every law and size",
        "P5-W2",
        "P5-W2-NET",
    ),
    ("its smaller constant from 187 to 438 weights on, by law", "C24", ""),
    ("the same for equal mass, the algorithm", "P5-EM", "P5-EM-NET"),
    (
        "OT / uniform is 0.25 to 0.40, read as a ratio of the two bounds (so it is for channels of some "
        "hundred weights, how many depends on the law), for the W2 optimum",
        "P6-W2-BOUNDS",
        "",
    ),
    ("the same for equal mass, the algorithm", "P6-EM-BOUNDS", ""),
    (
        "read as a ratio of the constants of FID (so it is for large Gaussian layers), for the W2 optimum",
        "P6-W2-FID",
        "",
    ),
    ("the same for equal mass, the algorithm", "P6-EM-FID", ""),
    (
        "read as one of squared errors at some bit-width (so it is for six of the nine layers "
        "drawn), for the W2 optimum",
        "P6-W2-SOME",
        "",
    ),
    (
        "the same for equal mass, the algorithm (so it is for two Gaussian layers of the nine drawn)",
        "P6-EM-SOME",
        "",
    ),
    ("read as one of squared errors at every bit-width, for the W2 optimum", "P6-W2", ""),
    ("the same for equal mass, the algorithm", "P6-EM", ""),
    ("Fig. 3, as the text reads: samples have the best PSNR and SSIM under OT at 2 and 3 bits", "", "P7"),
    ("the same as its script measures: one network output at t = 0 on real images", "", "P7-SCRIPT"),
    ("Fig. 4, as the text reads: the latent's variance stays stable under OT", "", "P8"),
    ("the same as its script measures: 20 principal components at t = 0 on real images", "", "P8-SCRIPT"),
)


@cache
def verdicts() -> dict[str, str]:
    """The verdict of each claim by its name."""
    return dict(_ROW.findall(CLAIMS.read_text("utf-8")))


def verdict(claim: str) -> str:
    """One of them.

    Raises:
        KeyError: there is no such claim.
    """
    return verdicts()[claim]


def verdict_table(claims: str) -> str:
    """What the paper says and the verdicts; ``claims`` is the path from the document to claims.md."""

    def cell(claim: str) -> str:
        return f"[{claim}]({claims}#{claim.lower()}) {verdict(claim)}" if claim else ""

    lines = ["| the paper, as reconstructed | in theory | on trained networks |", "|---|---|---|"]
    lines += [f"| {words} | {cell(one)} | {cell(other)} |" for words, one, other in _PAPER]
    return "\n".join(lines)
