"""The theory as derivations that run: one lemma a file, each with twins that must fail.

``python -m proofs_check`` from a checkout proves all of them.
"""
