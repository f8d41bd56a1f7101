"""HAProxy: one thread, connections to the origins shared by all clients, the split by a random number."""

from __future__ import annotations

from loadtest.contenders.site import Contender, Launch, Site, needs, program

CONFIG = """\
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 1s
  timeout client 300s
  timeout server 30s
  timeout http-keep-alive 300s
  option http-keep-alive
  http-reuse always
frontend web
  bind 127.0.0.1:{port} backlog 1024
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Via "1.1 haproxy"
  use_backend b if {{ rand(100) lt 5 }}
  default_backend a
backend a
  server a 127.0.0.1:{a}
backend b
  server b 127.0.0.1:{b}
"""


def launch(site: Site) -> Launch:
    """Write the configuration; ready when the origin answers through it."""
    a, b = site.origins
    conf = site.folder / "haproxy.cfg"
    conf.write_text(CONFIG.format(port=site.port, a=a, b=b))
    return Launch([program("haproxy"), "-db", "-f", str(conf)], (site.port, "/echo"))


HAPROXY = Contender("haproxy", needs("haproxy"), launch, lambda: [program("haproxy"), "-v"])
