"""The admin API as the story needs it: look again until something holds, and remember every change of weight on the way.

Calls are made in threads, so that the users in the same process keep their pace. Knows nothing of what the clients saw.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from proxy.cli.client import AdminClient, Unreachable
from proxy.cli.demo.stage import Stage
from proxy.errors import OperatorError

LOOK_EVERY_S = 0.05  # a step of the demo lasts 3 s; this is what its moments are known to


class Weight(msgspec.Struct, frozen=True):
    """The candidate's share (percent) from the moment (loop seconds) it was seen first, and the step it belongs to."""

    seen_at: float
    percent: float
    step: int


class Watcher:
    """Looks at one service of one proxy."""

    def __init__(self, client: AdminClient, service: str, stage: Stage) -> None:
        self._client = client
        self._service = service
        self._stage = stage
        self.weights: list[Weight] = []

    async def ready(self, timeout_s: float) -> None:
        """Return once every worker serves; OperatorError with the proxy's log when that takes too long."""
        ends = asyncio.get_running_loop().time() + timeout_s
        while True:
            self._stage.check()
            with contextlib.suppress(Unreachable):
                if (await asyncio.to_thread(self._client.raw, "GET", "/-/ready")).status == 200:
                    return
            if asyncio.get_running_loop().time() > ends:
                tail = self._stage.children[-1].tail()
                raise OperatorError(f"headgate run was not ready within {timeout_s:g} s; its last words:\n{tail}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def view(self) -> Mapping[str, Any]:
        """The service as the API shows it now."""
        found: Mapping[str, Any] = await asyncio.to_thread(self._client.get, f"/api/v1/services/{self._service}")
        return found

    async def until(
        self,
        holds: Callable[[Mapping[str, Any]], bool],
        what: str,
        timeout_s: float,
        seen: Callable[[Mapping[str, Any]], None] = lambda view: None,
    ) -> Mapping[str, Any]:
        """The first view that ``holds``; each view goes to ``seen``. OperatorError names ``what`` did not come in time."""
        now = asyncio.get_running_loop().time
        ends = now() + timeout_s
        while True:
            self._stage.check()
            view = await self.view()
            self._note(view, now())
            seen(view)
            if holds(view):
                return view
            if now() > ends:
                raise OperatorError(f"{what} did not come within {timeout_s:g} s; {_state(view)}")
            await asyncio.sleep(LOOK_EVERY_S)

    def _note(self, view: Mapping[str, Any], moment: float) -> None:
        candidate = str(view.get("candidate") or "")
        percent = float((view.get("weights") or {}).get(candidate, 0.0))
        if not self.weights or self.weights[-1].percent != percent:
            self.weights.append(Weight(moment, percent, int(view.get("step") or 0)))

    async def metrics(self) -> str:
        """What Prometheus would be given now."""
        return (await asyncio.to_thread(self._client.raw, "GET", "/metrics")).body.decode("utf-8", "replace")

    async def history(self) -> list[Mapping[str, Any]]:
        """Every revision, newest first."""
        from proxy.cli.status_view import revisions

        return revisions(await asyncio.to_thread(self._client.get, f"/api/v1/services/{self._service}/history"))

    async def revision(self, number: int) -> Mapping[str, Any]:
        """One revision with every figure it stood on."""
        found: Mapping[str, Any] = await asyncio.to_thread(self._client.get, f"/api/v1/services/{self._service}/history/{number}")
        return found


def _state(view: Mapping[str, Any]) -> str:
    waiting = view.get("waiting_for")
    return f"phase {view.get('phase')}, weights {dict(view.get('weights') or {})}" + (f", waiting for {waiting}" if waiting else "")
