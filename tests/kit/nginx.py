"""A real nginx as an origin, for what no pretended one would do: files, methods of WebDAV, its own ideas of HTTP."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.kit.processes import START_S, Child, free_ports, program
from tests.kit.waiting import until

NGINX = """\
{user}daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; default_type application/octet-stream; keepalive_requests 1000000; client_max_body_size 0;
  client_body_temp_path bodies; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root files;
    location = / {{ return 200 "{version}\\n"; }}
    location /say {{ return 200 "$request_method $request_uri $content_length|$http_x_forwarded_for|$http_via\\n"; }}
    location /files/ {{ alias files/; dav_methods PUT DELETE; create_full_put_path on; }}
  }}
}}
"""


class Nginx:
    """A real nginx: ``/`` answers its version's name, ``/say`` what it was asked, ``/files/`` keeps what is PUT there."""

    def __init__(self, version: str, directory: Path) -> None:
        path = program("nginx")
        self.version = version
        self.home = directory / f"nginx-{version}"
        self.files = self.home / "files"
        self.files.mkdir(parents=True)
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        user = "user root; " if os.geteuid() == 0 else ""  # else its worker is nobody, who may not read the directories of tests
        (self.home / "nginx.conf").write_text(NGINX.format(port=self.port, version=version, user=user))
        self._child = Child([path, "-p", str(self.home), "-c", "nginx.conf", "-e", "stderr"], self.home, f"nginx-{version}")
        until(self._accepts, START_S, self._child.tail)

    def _accepts(self) -> bool:
        assert self._child.running, self._child.tail()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self) -> None:
        """Stop it."""
        self._child.end()
