"""Whether a process keeps growing: samples against requests, a line through them, a verdict. Knows no process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression, median

WARM_UP = 0.1  # of all requests: tables, pools and the allocator's arenas fill
SLOPE_MAX = 1.0  # MiB in a million requests: a byte lost a request
FDS_MAX = 32  # between the medians of the first and the last third; vanishing clients are always a few
LEAST = 6  # samples after the warm-up; fewer make no line


@dataclass(frozen=True)
class Sample:
    """One look at one process."""

    requests: int
    """Answered since the start of the run."""
    seconds: float
    """Since the start of the run."""
    resident_mib: float
    fds: int


@dataclass(frozen=True)
class Growth:
    """What the samples of one process say."""

    slope: float
    """MiB in a million requests."""
    first_mib: float
    last_mib: float
    fds: int
    """Descriptors gained."""

    @property
    def holds(self) -> bool:
        """Neither memory nor descriptors grow."""
        return self.slope <= SLOPE_MAX and self.fds <= FDS_MAX


def growth(samples: Sequence[Sample]) -> Growth:
    """The least-squares line of memory over requests, and what the descriptors gained; ValueError under ``LEAST`` samples after the
    warm-up, or if they are all of one moment."""
    warm = [each for each in samples if each.requests >= WARM_UP * samples[-1].requests]
    if len(warm) < LEAST:
        raise ValueError(f"{len(warm)} samples after the warm-up, but a line wants {LEAST}: ask for more requests")
    if warm[0].requests == warm[-1].requests:
        raise ValueError("no request was answered after the warm-up")
    slope, _ = linear_regression([each.requests / 1e6 for each in warm], [each.resident_mib for each in warm])
    third = len(warm) // 3
    fds = median(each.fds for each in warm[-third:]) - median(each.fds for each in warm[:third])
    return Growth(slope, warm[0].resident_mib, warm[-1].resident_mib, round(fds))
