r"""
Audit a checkpoint
==================

The bundled flow-matching model, a codebook a channel: in which of its layers is equal mass better than
min–max uniform, and by how much? A point a layer; a layer whose codebooks have room for every weight is
left out, because any scheme is exact there.
"""

import matplotlib.pyplot as plt

from fmq_theory.bounds import BAND
from fmq_theory.checkpoint.audit import audit
from fmq_theory.flow.digits import DIGITS_FILE
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import figure_style
from fmq_theory.report.comparison.figure import as_fraction

found = audit(DIGITS_FILE, schemes=("uniform", "equal_mass", "lloyd_max"), bits=(2, 3, 4, 5, 6))

with figure_style():
    figure, panel = plt.subplots(figsize=(6.4, 3.6))
    for name, scheme, shift in (("rho_em", "equal_mass", -0.1), ("rho_w2", "lloyd_max", 0.1)):
        seen = style_of(scheme)
        for tensor in found.tensors:
            lossy = [one for one in tensor.ratios if one.bits < (tensor.lossless_bits or 9)]
            places = [one.bits + shift for one in lossy]
            panel.plot(
                places, [getattr(one, name) for one in lossy], seen.marker, color=seen.colour, alpha=0.6
            )
        panel.plot([], [], seen.marker, color=seen.colour, label=seen.label)
    panel.axhspan(*BAND, color="0.9", linewidth=0)
    panel.axhline(1, color="0.5", linewidth=0.8)
    panel.set_yscale("log", base=2)
    panel.yaxis.set_major_formatter(as_fraction)
    panel.set(xlabel="bits b", ylabel="error / error of uniform", xticks=range(2, 7))
    panel.legend()
    figure.tight_layout()
plt.show()

# %%
# Over all weights, and the bit-width from which equal mass is worse:

for ratio in found.totals.ratios:
    print(f"{ratio.bits} bits: rho_EM {ratio.rho_em:.2f}, rho_W2 {ratio.rho_w2:.2f}")
print(f"b* = {found.totals.crossover_bits:.2f}")
