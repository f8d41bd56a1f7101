"""What a story is set up with, and what is gone when it is over: origins, a proxy before them, a Prometheus beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kit.nginx import Nginx
from tests.kit.origins import OriginProcess
from tests.kit.processes import Headgate, Settings
from tests.kit.prometheus import Prometheus


class Scene:
    """Everything that was started, ended in the opposite order by ``close``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._endings: list[Callable[[], None]] = []

    def origin(self, version: str, port: int = 0) -> OriginProcess:
        """An origin that behaves as told, on a port of its own or on the one given."""
        origin = OriginProcess(version, self.directory, port)
        self._endings.append(origin.end)
        return origin

    def nginx(self, version: str) -> Nginx:
        """A real one; skips the test where nginx is not installed."""
        nginx = Nginx(version, self.directory)
        self._endings.append(nginx.end)
        return nginx

    def headgate(self, services: Settings, *, start: bool = True, **settings: Any) -> Headgate:
        """A proxy that is ready."""
        home = self.directory / f"headgate-{len(self._endings)}"
        home.mkdir()
        headgate = Headgate(home, services, **settings)
        self._endings.append(headgate.end)
        if start:
            headgate.start()
        return headgate

    def prometheus(self, headgate: Headgate) -> Prometheus:
        """A server that scrapes the proxy; skips the test where Prometheus is not installed."""
        prometheus = Prometheus(self.directory, headgate.admin_port)
        self._endings.append(prometheus.end)
        return prometheus

    def close(self) -> None:
        """End everything, whatever fails on the way."""
        problems = []
        while self._endings:
            try:
                self._endings.pop()()
            except Exception as error:  # the others must be ended all the same
                problems.append(error)
        if problems:
            raise problems[0]


def versions(**urls: str) -> dict[str, dict[str, list[str]]]:
    """The ``versions`` of a service with one endpoint each."""
    return {name: {"endpoints": [url]} for name, url in urls.items()}
