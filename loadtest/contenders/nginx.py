"""nginx as a proxy: one worker, kept-alive upstreams, the split by a hash of the request id."""

from __future__ import annotations

from loadtest.contenders.site import Contender, Launch, Site, needs, program
from loadtest.origin import NGINX

BODY = """\
  split_clients $request_id $version {{ 95% a; * b; }}
  upstream a {{ server 127.0.0.1:{a}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 300s; }}
  upstream b {{ server 127.0.0.1:{b}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 300s; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://$version;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header Via "1.1 nginx";
    }}
  }}"""


def launch(site: Site) -> Launch:
    """Write the configuration; ready when the origin answers through it."""
    a, b = site.origins
    conf = site.folder / "nginx.conf"
    conf.write_text(NGINX.format(folder=site.folder, who="nginx", body=BODY.format(port=site.port, a=a, b=b)))
    argv = [program("nginx"), "-e", "stderr", "-p", str(site.folder), "-c", str(conf)]
    return Launch(argv, (site.port, "/echo"))


NGINX_PROXY = Contender("nginx", needs("nginx"), launch, lambda: [program("nginx"), "-v"])
