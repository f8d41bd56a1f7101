"""What is remembered of a service's latest rollout beside its position: its series over time, and its blast radius.

Neither decides anything, so neither is waited for: both are written as progress is, and what a crash loses of them is seconds. Knows
no store; whoever holds this writes ``kept`` when it is ``due``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from proxy import limits
from proxy.analysis.exposure import Exposure
from proxy.analysis.series import Recording, Rows, Series
from proxy.model.position import RESTING, Position, Record, Verdict
from proxy.telemetry.snapshot import CellDelta

ENDS = ("promoted", "rolled_back", "abandoned", "shadowed")
"""Kinds of record that end a rollout; each has its blast radius, as far as it was counted then."""

Kept = tuple[Series, dict[str, Any]]
"""As the store has it: the series, and the exposure as JSON values."""


class Memory:
    """Of one service. ``sticky``: its requests say whose they are."""

    def __init__(self, position: Position, *, sticky: bool, kept: Kept | None = None, began_s: float | None = None) -> None:
        """``kept`` is what the store has of the position's rollout; ``began_s`` (Unix time) when it began, if it just did."""
        series, exposure = kept or (None, None)
        interval_s = min(position.plan.interval_s, limits.SERIES_STRETCH_S)
        self.recording = Recording(position.rollout, interval_s, series, began_s=began_s)
        told = Exposure.from_json(exposure, goes_on=position.phase not in RESTING) if exposure is not None else None
        self.exposure = told or Exposure(position.rollout, position.candidate, sticky=sticky)
        self._unsaved = False
        self._saved_at_s = 0.0

    @property
    def rollout(self) -> int:
        """The number of the rollout that this is of; 0: there has been none."""
        return self.recording.rollout

    def count(self, cell: CellDelta, position: Position, at_s: float) -> None:
        """Add a worker's cell that it sent at ``at_s`` (Unix time)."""
        if self.exposure.add(cell, at_s):
            self._unsaved = True
        if position.phase not in RESTING and cell.rollout == self.rollout:
            self.recording.count(cell, stable=position.stable, candidate=position.candidate)

    def is_over(self, position: Position, wall: float) -> bool:
        """Whether the present stretch is."""
        return position.phase not in RESTING and self.recording.due(wall)

    def due(self, position: Position, wall: float) -> bool:
        """Whether it is time to write down what has come in; soon after the rollout's end, for then little more comes."""
        apart_s = limits.PROGRESS_S if position.phase in RESTING else limits.EXPOSURE_KEPT_S
        return self._unsaved and not 0.0 <= wall - self._saved_at_s < apart_s

    def note(self, position: Position, rows: Rows, verdict: Verdict | None, wall: float, *, event: str = "") -> None:
        """End the stretch at ``position``: its time is over, or a decision was taken."""
        figures = verdict.figures if verdict is not None else {}
        self.recording.end(wall, position, rows, evidence=evidence_of(figures), checks=checks_of(figures), event=event)
        self._unsaved = True

    def kept(self, *, closed: bool = False) -> Kept:
        """What is to be written. ``closed``: the process ends."""
        return self.recording.series, self.exposure.to_json(closed=closed)

    def saved(self, wall: float) -> None:
        """It is being written."""
        self._unsaved = False
        self._saved_at_s = wall

    def unsaved(self) -> None:
        """It could not be written, and is tried again when its time has come."""
        self._unsaved = True

    def annotated(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """The records, those that end a rollout with its blast radius."""
        return tuple(
            replace(record, figures={**record.figures, "blast_radius": self.exposure.figures()})
            if record.kind in ENDS and record.figures.get("rollout") == self.exposure.rollout
            else record
            for record in records
        )


def evidence_of(figures: Mapping[str, Any]) -> dict[str, float]:
    """The log evidence of each kind of event in a verdict's figures."""
    kinds = figures.get("kinds")
    if isinstance(kinds, Mapping):
        return {str(kind): float(of["log_evidence"]) for kind, of in kinds.items() if "log_evidence" in of}
    return {"failures": float(figures["log_evidence"])} if "log_evidence" in figures else {}


def checks_of(figures: Mapping[str, Any]) -> dict[str, str]:
    """The latest result of each check in a verdict's figures, in a word."""
    return {str(check["name"]): str(check["result"]) for check in figures.get("checks") or ()}
