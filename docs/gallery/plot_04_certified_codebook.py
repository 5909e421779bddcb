r"""
A codebook with proven digits
=============================

The four-level codebook of the Gaussian law, enclosed in ball arithmetic: the radius is part of the
result. A table that someone else printed can be checked against it in the same way.
"""

from fmq_theory.certify import law, optimal_codebook

gaussian = law("gaussian")
best = optimal_codebook(gaussian, 4)
print(f"{best.verdict}: {best.proof}")
for level in best.codebook.levels:
    print("level", level)
print("error", best.codebook.distortion)
