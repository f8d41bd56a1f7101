"""curl at listeners that speak TLS, ask for certificates, redirect or expect a PROXY header."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.model.intent import Certificate
from tests.kit.certificates import Authority
from tests.kit.echo import Asked, EchoOrigin
from tests.kit.processes import Headgate, free_ports, program, total
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

RELOADED_S = 15.0  # files are looked at every 2 s
LISTENERS = ("plain", "tls", "modern", "required", "optional", "proxied", "proxied-tls", "replaced")
OK = ("-w", "%{http_code}", "-o", os.devnull)


@dataclass
class Stage:
    """A proxy with a listener for each thing to be tried."""

    origin: EchoOrigin
    proxy: Headgate
    ports: dict[str, int]
    authority: Authority
    client: Certificate
    stranger: Certificate  # of an authority that nobody trusts
    directory: Path

    def command(self, listener: str, *arguments: str) -> list[str]:
        """curl at that listener, whatever name it asks for."""
        to = f"::127.0.0.1:{self.ports[listener]}"
        return [program("curl"), "-sS", "--max-time", "20", "--connect-to", to, "--cacert", str(self.authority.ca), *arguments]

    def curl(self, listener: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """curl to its end."""
        return subprocess.run(self.command(listener, *arguments), capture_output=True, text=True, timeout=60, check=False)

    def ask(self, listener: str, *arguments: str) -> Asked:
        """The request as the origin saw it, once."""
        before = len(self.origin.asked)
        done = self.curl(listener, *arguments)
        assert (0, 1) == (done.returncode, len(self.origin.asked) - before), done
        return self.origin.last

    def refused(self, listener: str, *arguments: str) -> int:
        """How curl fails; nothing has reached the origin and the failed handshake is counted."""
        before, counted = len(self.origin.asked), self.failures(listener)
        done = self.curl(listener, *arguments)
        assert (True, before) == (done.returncode != 0, len(self.origin.asked)), done
        until(lambda: self.failures(listener) == counted + 1, 5, lambda: f"one failed handshake more than {counted}; {done}")
        return done.returncode

    def failures(self, listener: str) -> float:
        return total(self.proxy.metrics(), "headgate_listener_handshakes_failed_total", listener=listener)

    def shown(self, certificate: Certificate) -> tuple[str, ...]:
        """What makes curl show a certificate of its own."""
        return "--cert", certificate.cert, "--key", certificate.key


def listeners(ports: dict[str, int], authority: Authority, replaced: Certificate) -> list[dict[str, Any]]:
    """Their configuration."""

    def tls(*certificates: Certificate, **more: object) -> dict[str, object]:
        return {"certificates": [{"cert": c.cert, "key": c.key} for c in certificates]} | more

    site = authority.issue("shop.test", "a.test", file="site")
    other = authority.issue("b.test", "*.wild.test", file="other")
    own: dict[str, dict[str, Any]] = {
        "plain": {"redirect_to_https": True},
        "tls": {"tls": tls(site, other)},
        "modern": {"tls": tls(site, minimum="TLSv1.3")},
        "required": {"tls": tls(site, client={"ca": str(authority.ca), "mode": "required"})},
        "optional": {"tls": tls(site, client={"ca": str(authority.ca), "mode": "optional"})},
        "proxied": {"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"]},
        "proxied-tls": {"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"], "tls": tls(site)},
        "replaced": {"tls": tls(replaced)},
    }
    return [{"name": name, "address": f"127.0.0.1:{ports[name]}"} | own[name] for name in LISTENERS]


@pytest.fixture(scope="module")
def stage(shared_scene: Scene) -> Iterator[Stage]:
    folder = shared_scene.directory
    authority = Authority(folder)
    client = authority.issue("ada@shop.test", file="client", common_name="Ada")
    stranger = Authority(folder, "unknown").issue("eve@shop.test", file="stranger", common_name="Eve")
    ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
    replaced = Authority(folder, "before").issue("shop.test", file="replaced")
    origin = EchoOrigin()
    try:
        shop = {"shop": {"versions": versions(v1=origin.url), "target": "v1"}}
        proxy = shared_scene.headgate(shop, workers=1, listeners=listeners(ports, authority, replaced))
        yield Stage(origin, proxy, ports, authority, client, stranger, folder)
    finally:
        origin.end()


# ---- names and versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["shop.test", "a.test", "b.test", "any.wild.test"])
def test_curl_is_shown_the_certificate_of_the_name_it_asks_for(stage: Stage, host: str) -> None:
    asked = stage.ask("tls", f"https://{host}/x")

    assert ([host], ["https"]) == (asked.header("Host"), asked.header("X-Forwarded-Proto"))


def test_curl_is_not_shown_a_certificate_of_a_name_that_no_certificate_has(stage: Stage) -> None:
    assert 60 == stage.curl("tls", "https://c.test/").returncode  # CURLE_PEER_FAILED_VERIFICATION


def test_a_host_of_another_certificate_on_the_same_connection_is_421(stage: Stage) -> None:
    assert "421" == stage.curl("tls", *OK, "-H", "Host: c.test", "https://shop.test/").stdout


def test_http_1_1_is_agreed_on_with_a_client_that_would_rather_speak_http_2(stage: Stage) -> None:
    done = stage.curl("tls", "-v", "--http2", *OK, "-w", "%{http_version} %{http_code}", "https://shop.test/")

    assert ("1.1 200", True) == (done.stdout, "ALPN: server accepted http/1.1" in done.stderr), done.stderr


OLD = ("--ciphers", "DEFAULT@SECLEVEL=0", "--tlsv1.0")  # else curl itself would not even offer it


@pytest.mark.parametrize(("listener", "highest"), [("tls", "1.0"), ("tls", "1.1"), ("modern", "1.1"), ("modern", "1.2")])
def test_a_version_below_the_least_is_refused(stage: Stage, listener: str, highest: str) -> None:
    assert 35 == stage.refused(listener, *OLD, "--tls-max", highest, "https://shop.test/")  # CURLE_SSL_CONNECT_ERROR


@pytest.mark.parametrize(("listener", "highest"), [("tls", "1.2"), ("tls", "1.3"), ("modern", "1.3")])
def test_a_version_that_is_allowed_is_spoken(stage: Stage, listener: str, highest: str) -> None:
    done = stage.curl(listener, "-v", *OK, *OLD, "--tls-max", highest, "https://shop.test/")

    assert ("200", True) == (done.stdout, f"SSL connection using TLSv{highest}" in done.stderr), done.stderr


def test_plain_http_at_a_tls_listener_fails(stage: Stage) -> None:
    assert 0 != stage.refused("tls", "http://shop.test/")


@pytest.mark.parametrize("wait", [(), ("-H", "Expect: 100-continue", "--expect100-timeout", "20")])
def test_five_mib_go_up_through_tls(stage: Stage, wait: tuple[str, ...]) -> None:
    body = stage.directory / "body"
    body.write_bytes(os.urandom(5 * 1024 * 1024))
    asked = stage.ask("tls", *wait, "-T", str(body), "https://shop.test/up")

    assert body.read_bytes() == asked.body


# ---- client certificates --------------------------------------------------------------------------------------------------------

FORGED = 'Hash=00;Subject="CN=Root"'


def test_a_client_without_the_certificate_that_is_required_is_turned_away(stage: Stage) -> None:
    assert stage.refused("required", "https://shop.test/") in (35, 52, 56)


@pytest.mark.parametrize("listener", ["required", "optional"])
def test_a_certificate_of_an_authority_unknown_here_is_turned_away(stage: Stage, listener: str) -> None:
    assert stage.refused(listener, *stage.shown(stage.stranger), "https://shop.test/") in (35, 52, 56)


@pytest.mark.parametrize("listener", ["required", "optional"])
@pytest.mark.parametrize("sent", [(), ("-H", f"X-Forwarded-Client-Cert: {FORGED}")])
def test_the_origin_is_told_whose_certificate_it_is_and_nothing_that_was_forged(
    stage: Stage, listener: str, sent: tuple[str, ...]
) -> None:
    asked = stage.ask(listener, *stage.shown(stage.client), *sent, "https://shop.test/")

    said = asked.header("X-Forwarded-Client-Cert")
    assert (1, True, False) == (len(said), "CN=Ada" in said[0], "Root" in said[0]), said


def test_a_client_without_the_certificate_that_is_optional_is_served_without_a_subject(stage: Stage) -> None:
    asked = stage.ask("optional", "-H", f"X-Forwarded-Client-Cert: {FORGED}", "https://shop.test/")

    assert [] == asked.header("X-Forwarded-Client-Cert")


@pytest.mark.parametrize("name", ["x-forwarded-client-cert", "X_Forwarded_Client_Cert"])
def test_no_other_spelling_of_the_subject_s_header_gets_through(stage: Stage, name: str) -> None:
    before = len(stage.origin.asked)
    stage.curl("optional", "-H", f"{name}: {FORGED}", "https://shop.test/")

    arrived = [value for asked in stage.origin.asked[before:] for _, value in asked.headers]
    assert FORGED not in arrived


# ---- redirect -------------------------------------------------------------------------------------------------------------------


def test_curl_follows_the_redirect_from_http_to_https_with_method_and_body(stage: Stage) -> None:
    to = [f"shop.test:{port}:127.0.0.1:{stage.ports[name]}" for name, port in (("plain", 80), ("tls", 443))]
    command = [program("curl"), "-sS", "--max-time", "20", "--cacert", str(stage.authority.ca), "-L", "-d", "a=1"]
    done = subprocess.run(
        [*command, "--connect-to", to[0], "--connect-to", to[1], *OK, "-w", "%{url_effective} %{http_code}", "http://shop.test/p?q=1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "https://shop.test/p?q=1 200" == done.stdout, done
    assert ("POST", "/p?q=1", b"a=1") == (stage.origin.last.method, stage.origin.last.target, stage.origin.last.body)


def test_the_redirect_itself_reaches_nobody(stage: Stage) -> None:
    before = len(stage.origin.asked)
    done = stage.curl("plain", *OK, "-w", "%{http_code} %{redirect_url}", "http://shop.test/p?q=1")

    assert ("308 https://shop.test/p?q=1", before) == (done.stdout, len(stage.origin.asked))


# ---- PROXY header ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("listener", "url"), [("proxied", "http://shop.test/"), ("proxied-tls", "https://shop.test/")])
def test_a_client_that_begins_with_a_proxy_header_is_served_and_named(stage: Stage, listener: str, url: str) -> None:
    asked = stage.ask(listener, "--haproxy-protocol", url)

    assert ["127.0.0.1"] == asked.header("X-Forwarded-For")


@pytest.mark.parametrize(("listener", "url"), [("proxied", "http://shop.test/"), ("proxied-tls", "https://shop.test/")])
def test_a_client_without_the_proxy_header_is_turned_away(stage: Stage, listener: str, url: str) -> None:
    assert stage.refused(listener, url) in (35, 52, 56)


def test_a_proxy_header_where_none_is_expected_is_turned_away(stage: Stage) -> None:
    assert 0 != stage.refused("tls", "--haproxy-protocol", "https://shop.test/")


# ---- replaced files -------------------------------------------------------------------------------------------------------------


def test_a_certificate_that_is_replaced_serves_new_connections_while_curl_keeps_its_own(stage: Stage) -> None:
    """The old one is another authority's: curl fails with either if the listener shows the other."""
    before = ("--cacert", str(stage.directory / "before.pem"))
    command = stage.command("replaced", *before, *OK, "-w", "%{http_code}/%{num_connects} ", "-o", os.devnull)
    with subprocess.Popen(
        [*command, "https://shop.test/held", "https://shop.test/after"], stdout=subprocess.PIPE, text=True
    ) as keeping:
        try:
            assert stage.origin.held.wait(10)
            made = stage.authority.issue("shop.test", file="replacement")
            for new, old in ((made.cert, "replaced.pem"), (made.key, "replaced.key")):
                shutil.move(new, stage.directory / old)
            until(lambda: stage.curl("replaced", *OK, "https://shop.test/").stdout == "200", RELOADED_S, "the new certificate")
            others = stage.curl("replaced", *before, "https://shop.test/").returncode
            assert (None, 60) == (keeping.poll(), others)
            stage.origin.release.set()
            said, _ = keeping.communicate(timeout=20)
        finally:
            stage.origin.release.set()
            keeping.kill()
    assert "200/1 200/0 " == said
