"""Files of checkpoints, whoever wrote them: safetensors, shards, pickles, and those of ``fmq quantize``.

Bytes are checked before they are believed, and nothing in a file is run. ``files.open_checkpoint`` opens any
of them, ``naming.classify`` says which tensors are the model's weights, ``reader`` gives their numbers.
"""
