r"""
From weights to samples: a ladder of bounds
===========================================

A flow from noise to a Gaussian law has its velocity in closed form, so every constant of the bounds is
proven. All its parameters are quantized to 4 bits; the black line is the error of the samples over time.
Each rung uses more of the flow than the one before: the global Lipschitz constant of the paper's Lemma 1
(g0), the constant at each time (g1), the logarithmic norm (g2), the steps of the sampler (g4).
"""

import matplotlib.pyplot as plt
import torch

from fmq_theory.flow import quantize_field
from fmq_theory.flow.closed_forms import GaussianField
from fmq_theory.flow.ladder import Effort, ladder
from fmq_theory.report.base.scheme_styles import RUNG_STYLES
from fmq_theory.report.base.style import figure_style

generator = torch.Generator().manual_seed(0)
mean = torch.randn(8, generator=generator, dtype=torch.float64)
factor = torch.randn(8, 8, generator=generator, dtype=torch.float64) / 8**0.5
noise = torch.randn(16, 8, generator=generator, dtype=torch.float64)
field = GaussianField(mean, factor, 0.05)
quantized = quantize_field(field, "equal_mass", 4, "tensor", include=lambda _name, _weights: True)
found = ladder(field, quantized.field, noise, 20, "midpoint", Effort(pieces=8))


def rms(values: torch.Tensor) -> torch.Tensor:
    """Over the samples, at each time."""
    return values.square().mean(dim=1).sqrt()


with figure_style():
    figure, panel = plt.subplots(figsize=(6.4, 3.6))
    for rung in ("g0", "g1", "g2", "g4"):
        seen = RUNG_STYLES[rung]
        panel.plot(
            found.times[1:],
            rms(found.bounds[rung])[1:],
            color=seen.colour,
            linestyle=(0, seen.dashes) if seen.dashes else "-",
            label=seen.label,
        )
    panel.plot(found.times[1:], rms(found.error)[1:], color="black", linewidth=2, label="measured")
    panel.set_yscale("log")
    panel.set(xlabel="t", ylabel="error of the samples, rms", ylim=(5e-4, 5e2))
    panel.legend(ncols=2)
    figure.tight_layout()
plt.show()

# %%
# Bound over error at the end of time. No rung may fall below 1.

for rung in ("g0", "g1", "g2", "g4"):
    print(f"{rung}: {found.summary()['tightness'][rung]:.3g}")
