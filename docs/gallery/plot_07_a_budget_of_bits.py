r"""
A budget of bits
================

How to spend 3.5 bits a weight on the bundled model: one scheme, bit-width and granularity for all tensors,
or a choice of its own for each. The planner minimizes the squared error of the weights; the plan comes with
a proven distance from the best one. Codebooks and scales are counted in the bits. Filled marks: a codebook a
channel; open ones: a codebook a tensor.
"""

import matplotlib.pyplot as plt

from fmq_theory.checkpoint.audit import audit
from fmq_theory.checkpoint.plan.budget import plan_from_options
from fmq_theory.checkpoint.plan.options import build_options
from fmq_theory.flow.digits import DIGITS_FILE
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import figure_style

options = build_options(DIGITS_FILE)
plans = [plan_from_options(options, budget) for budget in (2.5, 3.0, 3.5, 4.0, 5.0, 6.0)]

with figure_style():
    figure, panel = plt.subplots(figsize=(6.4, 3.6))
    for granularity, face in (("channel", None), ("tensor", "white")):
        cells = audit(DIGITS_FILE, bits=range(2, 6), granularity=granularity).totals.cells
        for scheme in ("uniform", "uniform_clipped", "equal_mass", "lloyd_max"):
            seen, own = style_of(scheme), [cell for cell in cells if cell.scheme == scheme]
            panel.plot(
                [cell.effective_bits for cell in own],
                [cell.mse for cell in own],
                color=seen.colour,
                marker=seen.marker,
                markerfacecolor=face or seen.colour,
                linewidth=0.6,
                label=seen.label if granularity == "channel" else None,
            )
    panel.plot(
        [plan.effective_bits for plan in plans],
        [plan.mse for plan in plans],
        "k.-",
        linewidth=2,
        label="plan",
    )
    panel.set_yscale("log")
    panel.set(xlabel="effective bits a weight", ylabel="mean squared error", xlim=(1.9, 6.6))
    panel.legend(loc="lower left")
    figure.tight_layout()
plt.show()

# %%
# What the plan of 3.5 bits chose:

plan = plans[2]
print(f"{plan.effective_bits:.3f} bits a weight, at most {plan.optimality_gap:.1e} from the best plan")
for tensor in plan.tensors[:6]:
    print(f"{tensor.name:32} {tensor.scheme} {tensor.bits} bits, {tensor.granularity}")
