"""What a run keeps on disk so that a later one can go on: below every room that has something to keep."""

__all__: list[str] = []
