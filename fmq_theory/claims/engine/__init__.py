"""How a claim becomes a verdict, whatever it claims.

``claim`` says what a claim is, ``relations`` how its two sides must relate, ``mutations`` how a prediction
can be a little wrong, ``resolution`` the smallest such error that the measurements notice, ``policy`` how
sure the intervals are, and ``judge`` puts them together.
"""
