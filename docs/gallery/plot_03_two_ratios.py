r"""
Two ratios and the crossover
============================

The error over that of min–max uniform, for a layer of a million Gaussian weights and for one of 1,024.
The paper puts "the" ratio at 0.25 to 0.40 (grey). There are two of them: that of the W2 optimum tends to
a constant, that of equal mass doubles with nearly every bit and passes 1 at :math:`b^*`.
"""

import matplotlib.pyplot as plt

from fmq_theory.bounds import BAND, crossover_bits, rho_em, rho_w2_high_rate
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import figure_style
from fmq_theory.sources import make

law = make("gaussian")
bits = list(range(2, 9))

with figure_style():
    figure, panels = plt.subplots(1, 2, figsize=(7.4, 3.2), sharey=True)
    em, w2 = style_of("equal_mass"), style_of("lloyd_max")
    for panel, n in zip(panels, (1_000_000, 1_024), strict=True):
        ratio = [rho_em(law, 2**b, n) for b in bits]
        limit = rho_w2_high_rate(law, n)
        panel.axhspan(*BAND, color="0.9", linewidth=0)
        panel.axhline(1, color="0.6", linewidth=0.8)
        panel.semilogy(bits, ratio, marker=em.marker, color=em.colour)
        panel.axhline(limit, color=w2.colour, linestyle="--")
        panel.annotate("equal mass", (5.8, 1.3 * ratio[4]), ha="right", color=em.colour)
        panel.annotate("W2 optimum, high rate", (8, 0.8 * limit), ha="right", va="top", color=w2.colour)
        panel.set_title(f"{n:,} weights: b* = {crossover_bits(bits, ratio):.1f}", loc="left")
        panel.set(xlabel="bits b", ylim=(0.08, 20))
    panels[0].set_ylabel("error / error of uniform")
    figure.tight_layout()
plt.show()
