"""Judging a candidate: the formulas (``statistics``) and the guard built on them. Knows nothing of steps, stores or workers."""
