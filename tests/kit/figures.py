"""What the guard promises, for those who hold it to that: by itself, and in the simulation."""

from __future__ import annotations

PUBLISHED = [
    (100, 1000, 1.0, 0.001, 0.45, 0.8),
    (1000, 500, 0.05, 0.001, 1.5, 3.7),
    (100, 500, 0.05, 0.005, 32.0, 65.0),
]
"""Requests/s, the candidate's share in basis points, the failure rates of candidate and stable, and the median and p90 to a rollback in
seconds, at alpha 0.001 and ratio 1.5."""
