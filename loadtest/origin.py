"""The origin: one nginx worker with a server on each of two ports, which answer the scenarios and say what reached them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loadtest.processes import Child, Children, Cores, await_ready, free_port
from loadtest.scenarios import SCENARIOS, Scenario

NAMES = ("a", "b")

ECHO = (
    "origin={name}\\nhost=$http_host\\nfor=$http_x_forwarded_for\\nproto=$http_x_forwarded_proto\\n"
    "forwarded-host=$http_x_forwarded_host\\nrequest-id=$http_x_request_id\\nvia=$http_via\\nnth=$connection_requests\\n"
)
"""One line for everything a proxy must add or keep; ``nth`` is how many requests its connection has carried."""

NGINX = """\
worker_processes {workers};
daemon off;
pid {folder}/{who}.pid;
error_log stderr crit;
events {{ worker_connections {connections}; }}
http {{
  {log}
  default_type text/plain;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  sendfile on;
  open_file_cache max=64 inactive=1h;
  open_file_cache_valid 1h;
  client_body_buffer_size 64k;
  client_body_temp_path {folder}/{who}-body;
  proxy_temp_path {folder}/{who}-proxy;
  fastcgi_temp_path {folder}/{who}-fastcgi;
  uwsgi_temp_path {folder}/{who}-uwsgi;
  scgi_temp_path {folder}/{who}-scgi;
{body}
}}
"""
"""What the origin and the nginx contender have in common."""


@dataclass(frozen=True)
class Origin:
    """Where the two versions listen."""

    ports: tuple[int, int]
    child: Child


def server(name: str, port: int, folder: Path) -> str:
    """One version's server block."""
    locations = "\n".join(location(scenario, port, folder) for scenario in SCENARIOS.values())
    return f"""\
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    add_header X-Origin {name};
    location = /echo {{ return 200 "{ECHO.format(name=name)}"; }}
    location = /answer {{ return 200 "ok"; }}
{locations}
  }}"""


def location(scenario: Scenario, port: int, folder: Path) -> str:
    """Where one scenario is answered."""
    if scenario.request_bytes:
        # `return` would answer before the body has come; handing it to ourselves reads it whole first.
        return (
            f"    location = {scenario.path} {{ proxy_pass http://answers_{port}/small-get; proxy_method GET;"
            ' proxy_pass_request_body off; proxy_set_header Content-Length "";'
            ' proxy_http_version 1.1; proxy_set_header Connection ""; }'
        )
    if scenario.chunk_bytes:
        # Server-side includes of a file with none in it: its length is unknown before, so each buffer goes out as a chunk.
        return (
            f"    location = {scenario.path} {{ root {folder}/files; ssi on; ssi_types *; sendfile off;"
            f" output_buffers 2 {scenario.chunk_bytes}; postpone_output 0; }}"
        )
    if scenario.answer_bytes > 1024:
        return f"    location = {scenario.path} {{ root {folder}/files; }}"
    return f'    location = {scenario.path} {{ return 200 "{scenario.answer.decode()}"; }}'


def upstream(port: int) -> str:
    """The server as its own upstream, for scenarios with a body."""
    return f"  upstream answers_{port} {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 1000000000; }}"


def start(children: Children, nginx: str, folder: Path, core: Cores) -> Origin:
    """Write the files and the configuration, start it, and wait until both ports answer."""
    (folder / "files").mkdir()
    for scenario in SCENARIOS.values():
        (folder / "files" / scenario.name).write_bytes(scenario.answer)
    ports = (free_port(), free_port())
    body = "\n".join(
        [*(upstream(port) for port in ports), *(server(name, port, folder) for name, port in zip(NAMES, ports, strict=True))]
    )
    conf = folder / "origin.conf"
    conf.write_text(NGINX.format(folder=folder, who="origin", workers=1, connections=16384, log="access_log off;", body=body))
    child = children.start("origin", [nginx, "-e", "stderr", "-p", str(folder), "-c", str(conf)], core=core)
    for port in ports:
        await_ready(child, port, "/answer")
    return Origin(ports, child)
