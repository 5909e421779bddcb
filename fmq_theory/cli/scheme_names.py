"""Names of the schemes as the commands list them: said again here, so that --help needs no numerics.

A test compares them with ``quantizers.SCHEMES`` and with what the audit measures.
"""

__all__ = ["AUDITED", "COMPARED", "NAMES", "SAMPLED", "USUAL"]

NAMES = (
    "uniform", "uniform_clipped", "equal_mass", "pwl", "log2", "panter_dite", "lloyd_max", "ecq",
    "nf4", "fp4",
)  # fmt: skip
AUDITED = tuple(name for name in NAMES if name not in ("ecq", "fp4"))
"""What ``fmq audit --theory`` measures unless other schemes are named."""
USUAL = ("uniform", "uniform_clipped", "equal_mass", "lloyd_max", "nf4")
"""What ``fmq audit`` measures unless other schemes are named."""
COMPARED = tuple(name for name in NAMES if name not in ("nf4", "fp4"))
"""What ``fmq bounds`` compares unless other schemes are named: those with any number of bits."""
SAMPLED = tuple(name for name in COMPARED if name not in ("panter_dite", "ecq"))
"""What ``fmq flow`` samples with unless other schemes are named."""
