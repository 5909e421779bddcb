r"""
Quantize a tensor
=================

One call quantizes an array with a codebook for each channel. The error and the bits that a weight really
takes, codebooks counted, come with the result. With 1,024 weights a channel the codebooks are a quarter
of the file at 4 bits, and more at 6: compare schemes at equal *effective* bits.
"""

import matplotlib.pyplot as plt
import numpy as np

import fmq_theory
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import figure_style

weights = np.random.default_rng(0).standard_normal((64, 1024)).astype(np.float32)

with figure_style():
    figure, panel = plt.subplots(figsize=(6.4, 3.6))
    for scheme in ("uniform", "uniform_clipped", "equal_mass", "lloyd_max"):
        found = [fmq_theory.quantize(weights, scheme=scheme, bits=bits) for bits in range(2, 7)]
        rate, error = [q.effective_bits for q in found], [q.mse for q in found]
        panel.semilogy(
            rate,
            error,
            marker=style_of(scheme).marker,
            color=style_of(scheme).colour,
            label=style_of(scheme).label,
        )
    panel.set(xlabel="effective bits a weight", ylabel="mean squared error")
    panel.legend()
    figure.tight_layout()
plt.show()

# %%
# T1 says what the error is: per channel it is the squared Wasserstein distance between weights and
# quantized weights.

quantized = fmq_theory.quantize(weights, bits=4)
distance = np.mean(
    [fmq_theory.w2_squared(a, b) for a, b in zip(weights, quantized.dequantize(), strict=True)]
)
print(f"mean squared error {quantized.mse:.12g}")
print(f"mean W2²           {distance:.12g}")
