"""Every claim: ``paper_*`` hold the paper's statements, ``corrected_*`` what is true in their place.

``register`` lists them all in the order in which a reader meets them.
"""
