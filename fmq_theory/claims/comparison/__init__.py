"""Theory beside measurement for a law, a checkpoint or a flow experiment, and what it comes to in words.

``on_law`` and ``on_checkpoint`` fill what ``rows`` declares; ``verdict``, ``crossover`` and ``flow_verdict``
say it in sentences.
"""
