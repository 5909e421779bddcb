r"""
Your own weights as a law
=========================

Data are one more source: the law that puts the same mass on each weight. What equal mass costs on them is
computed exactly, and theory can be held against it. These weights are drawn with tails like :math:`x^{-4}`,
for which T5d says that the error falls like :math:`K^{-1/2} = 2^{-b/2}`, and not like :math:`2^{-2b}`.
"""

import matplotlib.pyplot as plt
import numpy as np

from fmq_theory.bounds import equal_mass_distortion, equal_mass_from_data, regular_tail_sum
from fmq_theory.checkpoint.audit.tails import spread_of
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import figure_style
from fmq_theory.sources import Empirical

weights = np.random.default_rng(0).standard_t(4.0, 200_000)
source = Empirical(weights)
bits = np.arange(1, 11)
measured = np.array([equal_mass_distortion(source, 2**b) for b in bits])

# %%
# What is predicted uses the data and no knowledge of where they came from. Of n weights the k largest give
# the tail index :math:`1/\xi` and the tail :math:`P({\lvert X\rvert} > x) = (k/n)(x/x_k)^{-1/\xi}`, and T5d
# needs no more. It is a limit: at 10 bits it is a fifth below the error. T5c is for tails lighter than every
# power, and too low by more and more: the tails are heavier.

tail = spread_of(weights).tail
xi, low, high = tail.moments
share = tail.exceedances / weights.size
threshold = np.quantile(np.abs(weights), 1 - share)
levels = 2.0**bits
power_tails = 2 * threshold**2 * (share / 2) ** (2 * xi) * regular_tail_sum(1 / xi) * levels ** (2 * xi - 1)
light_tails = [equal_mass_from_data(source, 2**b).value for b in bits]

with figure_style():
    figure, panel = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    seen = style_of("equal_mass")
    panel.semilogy(bits, measured, seen.marker, color=seen.colour, label=f"{seen.label}: measured")
    panel.semilogy(bits, power_tails, color="black", label="T5d, power tails")
    panel.semilogy(bits, light_tails, color="black", linestyle="--", label="T5c, light tails")
    panel.semilogy(bits, measured[0] * 4.0 ** (1 - bits), color="0.6", linestyle=":", label="a 2^(-2b) law")
    panel.set(xlabel="bits b", ylabel="mean squared error", xticks=bits, ylim=(measured[-1] / 8, None))
    panel.legend()
plt.show()

# %%
# The order is the slope of the logarithm of the error over bits. A few large weights decide it, and the tail
# index as well: another draw moves either by about a tenth.

fitted = -np.polyfit(bits[3:], np.log2(measured[3:]), 1)[0]
print(f"tails: {tail.kind}, index {1 / xi:.2f} (95 %: {1 / high:.2f} to {1 / low:.2f})")
print(f"order from the tail index: {1 - 2 * xi:.2f} (95 %: {1 - 2 * high:.2f} to {1 - 2 * low:.2f})")
print(f"order fitted at 4 to 10 bits: {fitted:.2f}")
