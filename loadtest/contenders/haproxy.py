"""HAProxy: one thread, connections to the origins shared by all clients, the split by a random number, or by a hash of the session."""

from __future__ import annotations

from loadtest.contenders.site import Contender, Launch, Site, needs, program

CONFIG = """\
global
  nbthread {threads}
  maxconn {clients}
  no strict-limits
defaults
  mode http
  timeout connect 1s
  timeout client 300s
  timeout server 30s
  timeout tunnel 300s
  timeout http-keep-alive 300s
  option http-keep-alive
  http-reuse always
frontend web
  bind 127.0.0.1:{port} backlog 1024{tls}
{log}
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto {scheme}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Via "1.1 haproxy"
  use_backend b if {{ {split} lt 5 }}
  default_backend a
backend a
  server a 127.0.0.1:{a}
backend b
  server b 127.0.0.1:{b}
"""

LOG = """\
  log stdout format raw local0
  http-request set-var(txn.h) req.hdr(host)
  log-format '{"id":"%ID","client":"%ci","as":"%HM","host":"%[var(txn.h)]","path":"%HPO","code":%ST,"ms":%Ta,"v":"%b","at":"%tr"}'"""

METRICS = """\
frontend metrics
  bind 127.0.0.1:{admin}
  http-request use-service prometheus-exporter if {{ path /metrics }}
  http-request deny
"""


def configuration(site: Site) -> str:
    """The file. Its log goes to standard output, which the rig keeps in a file."""
    setting = site.setting
    a, b = site.origins
    text = CONFIG.format(
        port=site.port,
        a=a,
        b=b,
        threads=setting.workers,
        clients=max(8192, setting.clients + 1000),
        scheme="https" if setting.tls else "http",
        tls=f" ssl crt {site.folder}/site.pem" if setting.tls else "",
        split="req.cook(session),crc32(1),mod(100)" if setting.sticky else "rand(100)",
        log=LOG if setting.log else "",
    )
    return text + METRICS.format(admin=site.admin_port) if setting.sticky else text


def launch(site: Site) -> Launch:
    """Write the configuration; ready when the origin answers through it."""
    conf = site.folder / "haproxy.cfg"
    conf.write_text(configuration(site))
    if site.setting.tls:
        (site.folder / "site.pem").write_bytes(site.certificate.read_bytes() + site.key.read_bytes())
    return Launch([program("haproxy"), "-db", "-f", str(conf)], (site.port, "/echo"))


HAPROXY = Contender("haproxy", needs("haproxy"), launch, lambda: [program("haproxy"), "-v"])
