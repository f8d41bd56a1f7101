"""nginx as a proxy: one worker, kept-alive upstreams, the split by a hash of the request id, or of the session."""

from __future__ import annotations

from loadtest.contenders.site import Contender, Launch, Site, needs, program
from loadtest.origin import NGINX

BODY = """\
  map $http_upgrade $hop {{ default upgrade; "" ""; }}
  split_clients {split} $version {{ {share} a; * b; }}
  upstream a {{ server 127.0.0.1:{a}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 300s; }}
  upstream b {{ server 127.0.0.1:{b}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 300s; }}
{log}
{metrics}
  server {{
    listen 127.0.0.1:{port} {tls} {reuse} backlog=1024;
{extra}
    location / {{
      {mirror}
      proxy_pass http://$version;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $hop;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header Via "1.1 nginx";
    }}
  }}"""

LOG = """\
  log_format json escape=json '{{"at":"$time_iso8601","client":"$remote_addr","method":"$request_method","host":"$http_host",'
    '"path":"$uri","code":$status,"seconds":$request_time,"version":"$version","request_id":"$request_id"}}';
  access_log {path} json;"""

METRICS = """\
  server {{ listen 127.0.0.1:{admin}; location = /metrics {{ stub_status; }} }}"""

COPIES = """\
    location = /copy-of-a-request {
      internal;
      proxy_pass http://b$request_uri;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }"""


def configuration(site: Site, *, mirror: bool = False, share: str = "95%") -> str:
    """The file; with ``mirror`` every request is copied to the second origin."""
    setting = site.setting
    a, b = site.origins
    body = BODY.format(
        port=site.port,
        a=a,
        b=b,
        share=share,
        split="$cookie_session" if setting.sticky else "$request_id",
        log=LOG.format(path=site.log) if setting.log else "",
        metrics=METRICS.format(admin=site.admin_port) if setting.sticky else "",
        tls="ssl" if setting.tls else "",
        extra="\n".join(
            (
                f"ssl_certificate {site.certificate}; ssl_certificate_key {site.key};" if setting.tls else "",
                COPIES if mirror else "",
            )
        ),
        reuse="reuseport" if setting.workers > 1 else "",  # else one worker may take nearly every connection
        mirror="mirror /copy-of-a-request;" if mirror else "",
    )
    return NGINX.format(
        folder=site.folder,
        who="nginx",
        workers=setting.workers,
        connections=max(4096, 2 * setting.clients),
        log="" if setting.log else "access_log off;",
        body=body,
    )


def launch(site: Site) -> Launch:
    """Write the configuration; ready when the origin answers through it."""
    return launch_file(site, configuration(site))


def launch_file(site: Site, text: str) -> Launch:
    """With that configuration."""
    conf = site.folder / "nginx.conf"
    conf.write_text(text)
    argv = [program("nginx"), "-e", "stderr", "-p", str(site.folder), "-c", str(conf)]
    return Launch(argv, (site.port, "/echo"))


NGINX_PROXY = Contender("nginx", needs("nginx"), launch, lambda: [program("nginx"), "-v"])
