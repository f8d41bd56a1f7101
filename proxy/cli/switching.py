"""``switch``: give a version everything, in all workers at once, and tell how that went. Thin over the admin API."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import click

from proxy.cli.live import connect, connection_options, look, quoted
from proxy.cli.output import counted, output_option, say
from proxy.cli.watching import looks

LOOK_S = 0.1
LOOKS = 5
"""A service with some traffic has its first request by then; one without is not waited for."""


@click.command()
@click.argument("service")
@click.option("--to", "target", metavar="VERSION", required=True, help="The version that gets everything.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it goes into the history.")
@click.option("--force", is_flag=True, help="Although it is frozen, or the version does not run on the present schema; it is recorded.")
@connection_options
@output_option
def switch(service: str, target: str, reason: str, force: bool, output: str, **where: Any) -> None:
    """Cut over to a version now, atomically: once anybody was answered by it, nobody who asks later is answered by another.

    The same back, with the version before. Requests wait for some milliseconds and none is lost.
    """
    body = {"to": target} | ({"reason": reason} if reason else {}) | ({"force": True} if force else {})
    client = connect(**where)
    view = client.post(f"/api/v1/services/{quoted(service)}/switch", body)
    for again in islice(looks(lambda: look(client, service), every_s=LOOK_S), LOOKS):
        seen = again.get("last_switch")
        if not seen or seen["new_first_at_s"] is not None:
            view = again
            break
    say(output, view, told(view, service, target))


def told(view: dict[str, Any], service: str, target: str) -> str:
    """How a switch went, in a line or two."""
    seen = view.get("last_switch")
    if not seen:
        return f"{service}: {target} has everything"
    waited = "no request had to wait"
    if seen["held"]:
        waited = f"{counted(seen['held'], 'request')} waited, {_ms(seen['hold_s_max'])} at most"
    again = f" at try {seen['tries']}" if seen.get("tries", 1) > 1 else ""
    said = f"{service}: {target} has everything; switched in {_ms(seen['took_s'])}{again}, {waited}"
    before, after = seen["old_last_at_s"], seen["new_first_at_s"]
    if before is None and after is None:
        return said
    since = _clock(seen["watched_at_s"])
    last = f"last request to the old version {_clock(before)}" if before else f"no request to the old version since {since}"
    first = f"first to the new one {_clock(after)}" if after else "none to the new one yet"
    return f"{said}\n{last}, {first}"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"


def _clock(at_s: float) -> str:
    """Time of day, to the millisecond."""
    return f"{datetime.fromtimestamp(at_s, UTC):%H:%M:%S.%f}"[:-3] + "Z"
