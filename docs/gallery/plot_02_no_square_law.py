r"""
Equal mass has no 2^(-2b) law
=============================

If an error fell as :math:`2^{-2b}`, the product :math:`K^2 D` with :math:`K = 2^b` would tend to a
constant. For the W2 optimum it does, and the constant is Panter and Dite's. For equal mass no constant
bounds it on any unbounded support (T4), and on laws like these it grows with every bit. For the uniform
law it is constant.
"""

import matplotlib.pyplot as plt

from fmq_theory.bounds import equal_mass_distortion
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import get_scheme
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import figure_style
from fmq_theory.sources import make

bits = list(range(1, 9))
laws = {
    "Student-t, ν = 4": make("student-t", df=4.0),
    "Laplace": make("laplace"),
    "Gaussian": make("gaussian"),
    "uniform": make("uniform"),
}

with figure_style():
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.4), sharey=True)
    optimum = get_scheme("lloyd_max")
    for name, law in laws.items():
        unit = law.standard_deviation_one()
        products = {
            "equal_mass": [4**b * equal_mass_distortion(unit, 2**b) for b in bits],
            "lloyd_max": [4**b * distortion(optimum.design(unit, 2**b), unit) for b in bits],
        }
        for panel, (scheme, values) in zip((left, right), products.items(), strict=True):
            panel.semilogy(bits, values, marker=style_of(scheme).marker, color=style_of(scheme).colour)
            panel.annotate(name, (8.4, values[-1]), va="center", annotation_clip=False)
            panel.set_title(style_of(scheme).label, loc="left", color=style_of(scheme).colour)
            panel.set(xlabel="bits b", xlim=(0.8, 11.2), xticks=bits)
    left.set_ylabel("K² D, variance 1")
    figure.tight_layout()
plt.show()
