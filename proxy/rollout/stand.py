"""Where a rollout stands when it enters a step: the answer of every strategy to "what comes next"."""

from __future__ import annotations

import msgspec

from proxy.model.position import Phase


class Stand(msgspec.Struct, frozen=True):
    """Step number (from 0), the phase it is spent in, and the candidate's weight there in basis points."""

    step: int
    phase: Phase
    weight_bp: int
