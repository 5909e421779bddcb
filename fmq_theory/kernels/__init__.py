"""Compiled inner loops: arrays and scalars in and out; no classes, no random numbers, no raising."""
