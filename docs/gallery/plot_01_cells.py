r"""
Two optimal-transport problems, two codebooks
=============================================

Eight levels for a standard Gaussian law, twice: as means of cells of equal mass (the published algorithm,
T2b) and as the W2-optimal codebook (Lloyd–Max, T2a). Equal mass crowds its levels where the weights are;
the optimum spends some of them on the tails, where an error is large.
"""

import matplotlib.pyplot as plt
import numpy as np

from fmq_theory.metrics import distortion
from fmq_theory.quantizers import get_scheme
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import figure_style
from fmq_theory.sources import make

law = make("gaussian")
x = np.linspace(-3.5, 3.5, 400)

with figure_style():
    figure, panels = plt.subplots(2, 1, figsize=(6.4, 4.4), sharex=True)
    for panel, scheme in zip(panels, ("equal_mass", "lloyd_max"), strict=True):
        codebook = get_scheme(scheme).design(law, 8)
        label, colour = style_of(scheme).label, style_of(scheme).colour
        panel.fill_between(x, law.pdf(x), color="0.88", linewidth=0)
        panel.vlines(codebook.thresholds, 0, law.pdf(codebook.thresholds), color="0.45", linewidth=0.8)
        panel.plot(codebook.levels, np.zeros(8), "o", color=colour, clip_on=False)
        panel.set_title(f"{label}: error {distortion(codebook, law):.4f}", loc="left", color=colour)
        panel.set(ylim=(0, 0.42), ylabel="density")
    panels[-1].set_xlabel("weight, in standard deviations (lines: thresholds; dots: levels)")
    figure.tight_layout()
plt.show()
