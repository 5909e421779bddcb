"""The files of ``torch.save``, read from their words: nothing in them is called or taken on trust.

``archive`` reads the zip, ``program`` the pickle in it, ``rebuild`` what the pickle says of tensors, and
``file`` gives the tensors, whose numbers are read when they are asked for.
"""

from fmq_theory.checkpoint.io.pickled.file import open_pickled
from fmq_theory.checkpoint.io.pickled.program import NeedsCodeError, PickleError

__all__ = ["NeedsCodeError", "PickleError", "open_pickled"]
