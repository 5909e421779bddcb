r"""
Two ratios and the crossover
============================

The error over that of min–max uniform, for a layer of a million Gaussian weights and for one of 1,024.
The paper puts "the" ratio at 0.25 to 0.40 (grey). There are two of them: that of the W2 optimum tends to
a constant, that of equal mass doubles with nearly every bit and passes 1 at :math:`b^*`.
"""

import matplotlib.pyplot as plt

from fmq_theory.bounds import BAND, crossover_bits, rho_em, rho_w2_high_rate
from fmq_theory.report.looks import look
from fmq_theory.report.style import figure_style
from fmq_theory.sources import make

law = make("gaussian")
bits = list(range(2, 9))

with figure_style():
    figure, panels = plt.subplots(1, 2, figsize=(7.4, 3.2), sharey=True)
    for panel, n in zip(panels, (1_000_000, 1_024), strict=True):
        ratio = [rho_em(law, 2**b, n) for b in bits]
        star = crossover_bits(bits, ratio)
        panel.axhspan(*BAND, color="0.9", linewidth=0)
        panel.axhline(1, color="0.6", linewidth=0.8)
        panel.semilogy(bits, ratio, marker=look("equal_mass").marker, color=look("equal_mass").colour)
        panel.axhline(rho_w2_high_rate(law, n), color=look("lloyd_max").colour, linestyle="--")
        panel.annotate("equal mass", (7.9, ratio[-1] * 0.62), ha="right", color=look("equal_mass").colour)
        panel.annotate(
            "W2 optimum, high rate",
            (8, rho_w2_high_rate(law, n) * 0.8),
            ha="right",
            va="top",
            color=look("lloyd_max").colour,
        )
        panel.set_title(f"{n:,} weights: b* = {star:.1f}", loc="left")
        panel.set(xlabel="bits b", ylim=(0.08, 20))
    panels[0].set_ylabel("error / error of uniform")
    figure.tight_layout()
plt.show()
