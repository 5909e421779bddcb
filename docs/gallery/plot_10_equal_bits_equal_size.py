r"""
Equal bits are not equal size
=============================

The error of four schemes on the layers of the bundled flow-matching model: first at the same bits of a code,
then over the bits that a weight really takes, codebooks counted. The order is not the same.
"""

import matplotlib.pyplot as plt

from fmq_theory.checkpoint.audit import audit
from fmq_theory.flow.digits import DIGITS_FILE
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import figure_style

schemes = ("uniform", "uniform_clipped", "equal_mass", "lloyd_max")
found = audit(DIGITS_FILE, schemes=schemes, bits=range(2, 7))
layers = sorted(found.tensors, key=lambda layer: layer.weights)

# %%
# Layer by layer, with codes of 4 bits and a codebook for each channel; the number of weights is in brackets.
# The W2 optimum has the least error on every layer, as it must, and equal mass the largest on all but
# ``first``, where sixteen free levels copy the nine weights of a channel without error.

with figure_style():
    figure, panel = plt.subplots(figsize=(7.0, 4.8), layout="constrained")
    for scheme in schemes:
        error = [100 * layer.cell(scheme, 4).relative_error for layer in layers]
        label, colour, marker = style_of(scheme).label, style_of(scheme).colour, style_of(scheme).marker
        panel.plot(error, range(len(layers)), marker, color=colour, label=label)
    names = [f"{layer.name.removesuffix('.weight')} ({layer.weights:,})" for layer in layers]
    panel.set_yticks(range(len(layers)), names)
    panel.set(xlabel="relative error at 4 bits (%)", ylim=(-0.7, len(layers) - 0.3), xlim=(-0.5, None))
    figure.legend(loc="outside upper center", ncols=4)
plt.show()

# %%
# A channel has 9 to 864 weights, and its codebook is stored with it. Over *effective* bits, for the whole
# model, a grid has an advantage: it takes two numbers a channel at any number of bits, and the curve of the
# one whose range is searched is the lowest. Bits are whole numbers, so that another scheme can still be the
# best within a budget just below a point of this curve. With one codebook for a whole tensor Lloyd–Max is
# back in front: that is among the choices of the example on budgets.

with figure_style():
    figure, panel = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    for scheme in schemes:
        cells = [cell for cell in found.totals.cells if cell.scheme == scheme]
        rate, error = [c.effective_bits for c in cells], [100 * c.relative_error for c in cells]
        label, colour, marker = style_of(scheme).label, style_of(scheme).colour, style_of(scheme).marker
        panel.loglog(rate, error, marker=marker, color=colour, label=label)
    panel.set_xticks([2, 3, 4, 6, 8, 10, 14], [2, 3, 4, 6, 8, 10, 14], minor=False)
    panel.set_yticks([1, 3, 10, 30], [1, 3, 10, 30])
    panel.minorticks_off()
    panel.set(xlabel="effective bits a weight", ylabel="relative error (%)")
    panel.legend()
plt.show()
for budget in (3.5, 4.1, 4.5, 6.5):
    best = min((c for c in found.totals.cells if c.effective_bits <= budget), key=lambda c: c.mse)
    print(f"within {budget} bits: {best.scheme} at {best.bits} bits, error {best.relative_error:.1%}")
