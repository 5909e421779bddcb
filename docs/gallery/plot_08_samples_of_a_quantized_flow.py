r"""
Samples of a quantized flow
===========================

The bundled model draws digits; its weights are quantized to 3 bits, a codebook a channel, and it draws them
again from the same noise. What differs is due to the weights alone.
"""

import matplotlib.pyplot as plt
import torch

from fmq_theory.flow import load_digits, quantize_field, sample
from fmq_theory.flow.fidelity import psnr
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import figure_style

model, generator = load_digits(), torch.Generator().manual_seed(1)
field = model.field(10, generator)
noise = torch.randn(10, *model.sample_shape, generator=generator)
own = sample(field, noise, 10, "midpoint").end
rows = [("full precision", "black", own)]
for scheme in ("uniform", "uniform_clipped", "equal_mass", "lloyd_max"):
    quantized = quantize_field(field, scheme, 3)
    end = sample(quantized.field, noise, 10, "midpoint").end
    rows.append((style_of(scheme).label, style_of(scheme).colour, end))
    similar = float(psnr(end, own, model.data_range).mean())
    print(f"{scheme:16} {quantized.effective_bits:.2f} effective bits, PSNR {similar:.1f} dB")

with figure_style():
    figure, panels = plt.subplots(len(rows), 1, figsize=(6.4, 3.6))
    for panel, (label, colour, images) in zip(panels, rows, strict=True):
        panel.imshow(torch.cat(list(images[:, 0]), dim=1), cmap="gray", vmin=-1, vmax=1)
        panel.set_axis_off()
        panel.text(-1.5, 3.5, label, ha="right", va="center", color=colour)
    figure.tight_layout()
plt.show()
