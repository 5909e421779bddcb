"""Runs whose results this repository shows; each can be repeated by one command."""
