"""Results for people and programs: tables, figures, files. The only room that knows rich and matplotlib.

Figures are imported from their own modules, so that a table alone does not load matplotlib.
"""

from fmq_theory.report.base.files import check_writable, write_atomically, write_text_atomically
from fmq_theory.report.base.progress import progress_bar
from fmq_theory.report.base.scheme_styles import SCHEME_STYLES, SchemeStyle, style_of
from fmq_theory.report.comparison.files import comparison_as_json, write_csv, write_json
from fmq_theory.report.comparison.tables import print_comparison

__all__ = [
    "SCHEME_STYLES",
    "SchemeStyle",
    "check_writable",
    "comparison_as_json",
    "print_comparison",
    "progress_bar",
    "style_of",
    "write_atomically",
    "write_csv",
    "write_json",
    "write_text_atomically",
]
