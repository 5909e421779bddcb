"""Where the documents and what they show lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
CLAIMS = ROOT / "docs" / "claims.md"
NUMBERS = ROOT / "docs" / "numbers.toml"
DOCUMENTS = (
    "README.md",
    "docs/findings.md",
    "docs/results/index.md",
    "docs/intervals.md",
    "docs/guide/practitioner-export.md",
    "docs/reliability.md",
    "docs/cluster.md",
)
