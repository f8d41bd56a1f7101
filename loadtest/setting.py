"""What a scenario wants of every contender beyond its plain configuration, as data. Knows neither scenarios nor contenders."""

from __future__ import annotations

from dataclasses import dataclass

PLAIN_CLIENTS = 1024


@dataclass(frozen=True)
class Setting:
    """The plain one: one worker, plain HTTP, no access log, a random split.

    ``sticky``: users stay with a version by their ``session`` cookie (or by one that the proxy sets, where it cannot hash theirs),
    metrics that a scraper could read. ``log``: a JSON access log in a file. ``clients``: connections that have to fit. ``routes`` and
    ``versions`` are headgate's alone.
    """

    sticky: bool = False
    log: bool = False
    tls: bool = False
    workers: int = 1
    clients: int = PLAIN_CLIENTS
    routes: int = 1
    versions: int = 2

    @property
    def features(self) -> frozenset[str]:
        """What a contender may be without."""
        there = {
            "sticky": self.sticky,
            "log": self.log,
            "tls": self.tls,
            "workers": self.workers > 1,
            "clients": self.clients > PLAIN_CLIENTS,
        }
        return frozenset(name for name, wanted in there.items() if wanted)


PLAIN = Setting()
