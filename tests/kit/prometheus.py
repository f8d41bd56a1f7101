"""A real Prometheus server that scrapes a proxy every second, and its verdict on an exposition."""

from __future__ import annotations

import http.client
import json
import subprocess
import urllib.parse
from pathlib import Path
from typing import Any

from tests.kit.processes import START_S, Child, free_ports, program
from tests.kit.waiting import until

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: headgate
    static_configs: [{{targets: ["127.0.0.1:{admin}"]}}]
"""


class Prometheus:
    """The server; ready when its constructor returns. ``end`` and ``start`` again: an outage."""

    def __init__(self, directory: Path, admin_port: int) -> None:
        self._path = program("prometheus")
        self.port = free_ports(1)[0]
        self._home = directory / "prometheus"
        self._home.mkdir()
        (self._home / "prometheus.yml").write_text(CONFIG.format(admin=admin_port))
        self.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, with what it has stored."""
        command = [
            self._path,
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self._child = Child(command, self._home, "prometheus")
        until(lambda: self._ask("/-/ready")[0] == 200, START_S, self._child.tail)

    def _ask(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            assert self._child.running, self._child.tail()
            return 0, ""
        finally:
            connection.close()

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """An instant vector: labels, sorted -> value."""
        status, text = self._ask("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        assert status == 200, text
        result: list[dict[str, Any]] = json.loads(text)["data"]["result"]
        return {tuple(sorted(sample["metric"].items())): float(sample["value"][1]) for sample in result}

    def end(self) -> None:
        """Stop it."""
        self._child.end()


def promtool(exposition: str) -> tuple[int, str]:
    """Exit code and words of ``promtool check metrics``."""
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=exposition, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout + done.stderr
