"""The guides: ``python -m experiments.guide`` runs what they show and writes what it printed.

A page is Markdown. In a ``console`` block each line that begins with ``$ `` is a command, and what follows
it is its output; a ``python`` block is run too, and the ``text`` block right behind it holds what it printed.
All blocks of a page run in order in one empty folder that has the published checkpoints under
``checkpoints/``. A comment in the line before a block says what is special about it:

* ``<!-- as printed -->``: versions and paths of one machine; written, but not compared;
* ``<!-- slow -->``: compared by ``--check`` and by the deep tests alone;
* ``<!-- not run -->``: left as it is, because it needs what is not here;
* ``<!-- file NAME -->``: the block is not run but saved under that name, for the commands after it.

``experiments.guide.environments`` runs them in a narrow pipe, without colour, in ASCII.
"""
