"""Where a prediction meets a measurement: comparisons, and the verdicts that follow from them.

``comparison`` sets one law or checkpoint beside its theory, ``oracle`` holds codebooks with proven digits,
``engine`` gives a claim its verdict, ``evidence`` is what several claims are judged on, and ``register``
holds every claim. ``comparison.on_checkpoint`` is imported by its own name, because it loads torch.
"""

from fmq_theory.claims.comparison.on_law import compare_law
from fmq_theory.claims.comparison.rows import Comparison, RatioRow, Row, TensorRow
from fmq_theory.claims.comparison.verdict import paper_verdict

__all__ = ["Comparison", "RatioRow", "Row", "TensorRow", "compare_law", "paper_verdict"]
