"""Where a prediction meets a measurement: comparisons, and the verdicts that follow from them.

``claims.on_checkpoint`` is imported by its own name, because it loads torch.
"""

from fmq_theory.claims.comparison import Comparison, RatioRow, Row, TensorRow
from fmq_theory.claims.on_law import compare_law
from fmq_theory.claims.verdict import paper_verdict

__all__ = ["Comparison", "RatioRow", "Row", "TensorRow", "compare_law", "paper_verdict"]
