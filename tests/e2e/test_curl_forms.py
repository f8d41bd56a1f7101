"""curl in every method and body form, through the proxy to the standard library's HTTP server: what it sends is what arrives there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.echo import Asked, EchoOrigin
from tests.kit.processes import Headgate, program
from tests.kit.raw import Raw
from tests.kit.scene import Scene, versions

BODY_BYTES = 5 * 1024 * 1024


@dataclass
class Stage:
    """A proxy before an origin that repeats what it was asked."""

    origin: EchoOrigin
    proxy: Headgate
    body: Path  # a file of ``BODY_BYTES``
    digest: str

    def curl(self, *arguments: str, stdin: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        """curl to its end; PROXY in an argument is the proxy's URL."""
        url = f"http://127.0.0.1:{self.proxy.port}"
        command = [program("curl"), "-sS", "--max-time", "30", *(argument.replace("PROXY", url) for argument in arguments)]
        with (stdin or Path(os.devnull)).open("rb") as file:
            return subprocess.run(command, stdin=file, capture_output=True, timeout=60, check=False)

    def ask(self, *arguments: str, stdin: Path | None = None) -> Asked:
        """The request as the origin saw it, once; curl has to have succeeded."""
        before = len(self.origin.asked)
        done = self.curl(*arguments, stdin=stdin)
        assert (0, 1) == (done.returncode, len(self.origin.asked) - before), done
        return self.origin.last


@pytest.fixture(scope="module")
def stage(shared_scene: Scene) -> Iterator[Stage]:
    body = shared_scene.directory / "body"
    body.write_bytes(os.urandom(BODY_BYTES))
    origin = EchoOrigin()
    try:
        proxy = shared_scene.headgate({"shop": {"versions": versions(v1=origin.url), "target": "v1"}}, workers=1)
        yield Stage(origin, proxy, body, hashlib.sha256(body.read_bytes()).hexdigest())
    finally:
        origin.end()


# ---- methods --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_a_method_without_a_body_arrives_without_one(stage: Stage, method: str) -> None:
    asked = stage.ask("-X", method, "PROXY/p?q=1")

    assert (method, "/p?q=1", 0) == (asked.method, asked.target, asked.length)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_method_with_a_body_arrives_with_it_and_the_connection_goes_on(stage: Stage, method: str) -> None:
    done = stage.curl("-X", method, "-d", "a=1&b=2", "PROXY/p", "--next", "-sS", "-w", "%{num_connects}", "PROXY/after")

    first, second = stage.origin.asked[-2:]
    assert (method, b"a=1&b=2", "length", "/after") == (first.method, first.body, first.framing, second.target)
    assert done.stdout.endswith(b"\n0"), done


def test_head_is_asked_as_head_and_the_connection_goes_on(stage: Stage) -> None:
    done = stage.curl("-I", "PROXY/p", "--next", "-sS", "-w", "%{num_connects}", "PROXY/after")

    first, second = stage.origin.asked[-2:]
    assert ("HEAD", "GET", True) == (first.method, second.method, done.stdout.endswith(b"\n0")), done


def test_options_of_the_server_itself_reaches_the_origin_as_an_asterisk(stage: Stage) -> None:
    asked = stage.ask("-X", "OPTIONS", "--request-target", "*", "PROXY/")

    assert ("OPTIONS", "*") == (asked.method, asked.target)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("TRACE", "/", b"405"), ("CONNECT", "shop:443", b"405"), ("X-OWN", "/", b"501"), ("get", "/", b"501")],
)
def test_a_method_that_is_not_served_is_refused_and_reaches_nobody(stage: Stage, method: str, target: str, status: bytes) -> None:
    before = len(stage.origin.asked)
    done = stage.curl("-o", os.devnull, "-w", "%{http_code}", "-X", method, "--request-target", target, "PROXY/")

    assert (status, 0) == (done.stdout, len(stage.origin.asked) - before), done


# ---- bodies ---------------------------------------------------------------------------------------------------------------------

BODIES = {
    "data-binary": ("POST", "length", ("--data-binary", "@BODY")),
    "upload of a file": ("PUT", "length", ("-T", "BODY")),
    "upload in chunks": ("PUT", "chunked", ("-H", "Transfer-Encoding: chunked", "-T", "BODY")),
    "upload of what a pipe gives": ("PUT", "chunked", ("-T", "-")),
    "post in chunks": ("POST", "chunked", ("-H", "Transfer-Encoding: chunked", "--data-binary", "@BODY")),
    "upload without expecting 100": ("PUT", "length", ("-H", "Expect:", "-T", "BODY")),
    "upload of HTTP/1.0": ("PUT", "length", ("--http1.0", "-T", "BODY")),
}


@pytest.mark.parametrize("form", BODIES)
def test_five_mib_arrive_byte_for_byte(stage: Stage, form: str) -> None:
    method, framing, arguments = BODIES[form]
    asked = stage.ask(*(word.replace("BODY", str(stage.body)) for word in arguments), "PROXY/up", stdin=stage.body)

    assert (method, framing, BODY_BYTES, stage.digest) == (asked.method, asked.framing, asked.length, asked.digest)


def test_a_form_with_a_file_arrives_in_its_parts(stage: Stage) -> None:
    asked = stage.ask("-F", "name=Ada", "-F", f"file=@{stage.body};type=application/x-thing", "PROXY/form")

    boundary = re.fullmatch(r"multipart/form-data; boundary=(\S+)", asked.header("Content-Type")[0])
    assert boundary is not None
    parts = asked.body.split(b"--" + boundary[1].encode())
    name, file = (part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts[1:3])
    assert (4, b"Ada", stage.digest) == (len(parts), name, hashlib.sha256(file).hexdigest())


def test_an_empty_post_says_that_it_has_no_body(stage: Stage) -> None:
    asked = stage.ask("-d", "", "PROXY/p")

    assert (["0"], 0) == (asked.header("Content-Length"), asked.length)


# ---- Expect: 100-continue -------------------------------------------------------------------------------------------------------

EXPECT = ("-H", "Expect: 100-continue", "--expect100-timeout", "20")


def test_the_origin_s_100_lets_the_body_go(stage: Stage) -> None:
    done = stage.curl("-v", *EXPECT, "-T", str(stage.body), "-w", "%{time_total}", "-o", os.devnull, "PROXY/up")

    assert (b"< HTTP/1.1 100 Continue" in done.stderr, stage.digest) == (True, stage.origin.last.digest), done.stderr[-2000:]
    assert float(done.stdout) < 10  # else curl has waited for a 100 that did not come


def test_an_origin_that_refuses_at_once_is_heard_and_no_body_is_sent(stage: Stage) -> None:
    done = stage.curl(*EXPECT, "-T", str(stage.body), "-w", " %{http_code} %{size_upload} %{time_total}", "PROXY/refuse")

    body, status, sent, seconds = done.stdout.split()
    assert (b"no", b"403", b"0", "unread") == (body, status, sent, stage.origin.last.framing), done
    assert float(seconds) < 10


def test_a_client_that_is_tired_of_waiting_for_100_is_served_all_the_same(stage: Stage) -> None:
    asked = stage.ask("-H", "Expect: 100-continue", "--expect100-timeout", "0.2", "-T", str(stage.body), "PROXY/late")

    assert stage.digest == asked.digest


def test_another_expectation_is_417(stage: Stage) -> None:
    assert b"417" == stage.curl("-H", "Expect: miracles", "-w", "%{http_code}", "-o", os.devnull, "-d", "x", "PROXY/").stdout


# ---- connections ----------------------------------------------------------------------------------------------------------------


def test_twenty_urls_share_one_connection(stage: Stage) -> None:
    done = stage.curl("-o", os.devnull, "-w", "%{http_code} %{num_connects}\n", *("-o", os.devnull) * 19, "PROXY/n/[1-20]")

    assert ["200 1", *["200 0"] * 19] == done.stdout.decode().splitlines(), done


def test_requests_of_different_kinds_share_one_connection_in_order(stage: Stage) -> None:
    again = ("--next", "-sS", "-o", os.devnull, "-w", "%{http_code}/%{num_connects} ")
    done = stage.curl(
        *("-o", os.devnull, "-w", "%{http_code}/%{num_connects} ", "-T", str(stage.body), "PROXY/1"),
        *(*again, "-I", "PROXY/2"),
        *(*again, "-d", "x", "PROXY/moved"),
        *(*again, "-X", "DELETE", "PROXY/4"),
        *(*again, "PROXY/trailers"),
        *(*again, "PROXY/6"),
    )

    assert b"200/1 200/0 302/0 200/0 200/0 200/0 " == done.stdout, done
    assert ["/1", "/2", "/moved", "/4", "/trailers", "/6"] == [asked.target for asked in stage.origin.asked[-6:]]


def test_connections_in_parallel_are_each_answered_with_what_they_asked(stage: Stage, tmp_path: Path) -> None:
    done = stage.curl("--no-progress-meter", "-Z", "--parallel-max", "10", "-o", str(tmp_path / "#1"), "PROXY/n/[1-40]")

    got = {path.name: json.loads(path.read_text())["target"] for path in tmp_path.iterdir()}
    assert (0, {str(number): f"/n/{number}" for number in range(1, 41)}) == (done.returncode, got), done


def test_http_1_0_is_answered_whole_and_not_in_chunks(stage: Stage) -> None:
    done = stage.curl("--http1.0", "-i", "PROXY/trailers")

    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert (0, b"abcdef", False) == (done.returncode, body, b"chunked" in head.lower()), done


def test_http_1_0_with_keep_alive_is_answered(stage: Stage) -> None:
    done = stage.curl("--http1.0", "-H", "Connection: keep-alive", "-w", "%{http_code}\n", "-o", os.devnull, "PROXY/1", "PROXY/2")

    assert (0, True) == (done.returncode, done.stdout.startswith(b"200\n")), done


@pytest.mark.parametrize("wish", ["--http2", "--http1.1"])
def test_a_client_that_offers_http_2_is_answered_in_http_1_1(stage: Stage, wish: str) -> None:
    done = stage.curl(wish, "-w", "%{http_version} %{http_code}", "-o", os.devnull, "PROXY/")

    assert b"1.1 200" == done.stdout, done
    assert ([], []) == (stage.origin.last.header("Upgrade"), stage.origin.last.header("HTTP2-Settings"))


def test_a_client_that_speaks_http_2_unasked_fails_and_reaches_nobody(stage: Stage) -> None:
    before = len(stage.origin.asked)
    done = stage.curl("--http2-prior-knowledge", "PROXY/")

    assert (True, 0) == (done.returncode != 0, len(stage.origin.asked) - before), done


def test_a_client_that_takes_it_for_its_forward_proxy_is_routed_by_the_url_it_asks_for(stage: Stage) -> None:
    asked = stage.ask("-x", "PROXY", "http://shop.test/p?q=1")

    assert ("/p?q=1", ["shop.test"], []) == (asked.target, asked.header("Host"), asked.header("Proxy-Connection"))


# ---- answers --------------------------------------------------------------------------------------------------------------------


def test_a_compressed_answer_passes_as_it_is_and_curl_unpacks_it(stage: Stage) -> None:
    done = stage.curl("--compressed", "PROXY/zipped")

    assert (b"packed " * 10_000, True) == (done.stdout, "gzip" in stage.origin.last.header("Accept-Encoding")[0]), done.stderr


def test_a_redirect_of_the_origin_is_followed_with_get(stage: Stage) -> None:
    done = stage.curl("-L", "-d", "x", "-w", "%{num_redirects} %{num_connects}", "-o", os.devnull, "PROXY/moved")

    assert (b"1 1", "GET", "/there?a=1") == (done.stdout, stage.origin.last.method, stage.origin.last.target), done


def test_a_redirect_that_keeps_the_method_is_followed_with_the_body(stage: Stage) -> None:
    done = stage.curl("-L", "--data-binary", f"@{stage.body}", "-w", "%{num_redirects}", "-o", os.devnull, "PROXY/moved-as-it-is")

    assert (b"1", "POST", stage.digest) == (done.stdout, stage.origin.last.method, stage.origin.last.digest), done


def test_a_redirect_in_circles_ends_where_curl_ends_it(stage: Stage) -> None:
    done = stage.curl("-L", "--max-redirs", "3", "-w", "%{num_redirects}", "PROXY/in-circles")

    assert (47, b"3") == (done.returncode, done.stdout), done


def test_trailers_are_given_to_who_asks_for_them(stage: Stage) -> None:
    asked = stage.curl("-H", "TE: trailers", "-H", "Connection: TE", "-D", "-", "PROXY/trailers").stdout.lower()
    not_asked = stage.curl("-D", "-", "PROXY/trailers").stdout.lower()

    assert (True, False, True, True) == (
        b"x-sum: 42" in asked,
        b"x-sum: 42" in not_asked,
        b"abcdef" in asked,
        not_asked.endswith(b"abcdef"),
    ), (asked, not_asked)


def test_early_hints_are_relayed_before_the_answer(stage: Stage) -> None:
    said = stage.curl("-v", "-o", os.devnull, "PROXY/hints").stderr

    assert re.search(rb"< HTTP/1.1 103 .*?< link: </a.css>.*?< HTTP/1.1 200 ", said, re.DOTALL | re.IGNORECASE), said


def test_an_answer_of_http_0_9_is_502(stage: Stage) -> None:
    done = stage.curl("--http0.9", "-o", os.devnull, "-w", "%{http_code} %{http_version}", "PROXY/nine")

    assert b"502 1.1" == done.stdout, done


def test_a_request_of_http_0_9_is_refused_and_reaches_nobody(stage: Stage) -> None:
    before = len(stage.origin.asked)
    with Raw(stage.proxy.port) as raw:
        answer = raw.says(b"GET /\r\n\r\n").hears()

    assert (b"HTTP/1.1 400 ", 0) == (answer[:13], len(stage.origin.asked) - before), answer


def test_an_answer_that_breaks_off_fails_in_curl_too(stage: Stage) -> None:
    done = stage.curl("PROXY/short")

    assert 56 == done.returncode, done  # CURLE_RECV_ERROR: reset, even where the missing length would tell


# ---- targets and headers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/a/%2e%2e/b", "/b"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/a//b", "/a//b"),
        ("/a/..;/b", "/a/..;/b"),
        ("/a?x=../y", "/a?x=../y"),
    ],
)
def test_a_path_as_it_is_reaches_the_origin_without_dot_segments_or_not_at_all(stage: Stage, path: str, arrives: str) -> None:
    before = len(stage.origin.asked)
    done = stage.curl("--path-as-is", "-o", os.devnull, "-w", "%{http_code}", f"PROXY{path}")

    came = [asked.target for asked in stage.origin.asked[before:]]
    assert (b"200", [arrives]) == (done.stdout, came) or (b"400", []) == (done.stdout, came), (done, came)


def test_credentials_and_cookies_pass_as_they_are(stage: Stage) -> None:
    asked = stage.ask("-u", "ada:secret", "-b", "a=1; b=2", "PROXY/")

    assert (["Basic YWRhOnNlY3JldA=="], ["a=1; b=2"]) == (asked.header("Authorization"), asked.header("Cookie"))


def test_a_header_twice_arrives_twice_and_an_empty_one_empty(stage: Stage) -> None:
    asked = stage.ask("-H", "X-Twice: 1", "-H", "X-Twice: 2", "-H", "X-Empty;", "PROXY/")

    assert (["1", "2"], [""]) == (asked.header("X-Twice"), asked.header("X-Empty"))


def test_more_header_than_is_allowed_is_431(stage: Stage) -> None:
    assert b"431" == stage.curl("-H", "X-Long: " + "x" * 100_000, "-o", os.devnull, "-w", "%{http_code}", "PROXY/").stdout


def test_a_long_target_within_the_bounds_arrives_whole(stage: Stage) -> None:
    target = "/long?" + "x" * 7000

    assert target == stage.ask(f"PROXY{target}").target
