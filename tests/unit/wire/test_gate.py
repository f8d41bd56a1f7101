"""The second reader: what llhttp lets through and refuses, as our rules count on it."""

from __future__ import annotations

import pytest

from proxy.wire import gate


@pytest.mark.parametrize("line", [b"X: a", b"X:", b"X: a\tb", b"X: \x80\xff", b"X:a", b"Host: a"])
def test_a_well_formed_line_passes(line: bytes) -> None:
    assert gate.line_passes(line)


@pytest.mark.parametrize("line", [b"X", b"X : a", b"X Y: a", b": a", b"X: a\x00b", b"X: a\rb", b"X\x00: a", b"(X): a"])
def test_a_malformed_line_does_not_pass(line: bytes) -> None:
    """Rules 8, 10 and 11."""
    assert not gate.line_passes(line)


@pytest.mark.parametrize(
    "line", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: upgrade", b"Upgrade: h2c"]
)
def test_a_line_that_announces_something_leaves_nothing_behind(line: bytes) -> None:
    """The next line is judged as if it were the first."""
    for _ in range(3):
        assert gate.line_passes(line)
        assert gate.line_passes(b"X: a")
        assert not gate.line_passes(b"X : a")


def test_a_refused_line_leaves_nothing_behind() -> None:
    assert not gate.line_passes(b"X : a")
    assert gate.line_passes(b"X: a")


def test_an_upgrade_is_not_a_fault() -> None:
    """llhttp stops where another protocol may begin; ours never lets one begin there."""
    assert gate.line_passes(b"Connection: upgrade\r\nUpgrade: h2c")
    assert "" == gate.start_line_fault(b"CONNECT a:1 HTTP/1.1")


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"POST /a?b HTTP/1.0", b"OPTIONS * HTTP/1.1", b"GET http://a/ HTTP/1.1"])
def test_a_request_line_has_no_fault(line: bytes) -> None:
    assert "" == gate.start_line_fault(line)


@pytest.mark.parametrize("line", [b"FOO / HTTP/1.1", b"get / HTTP/1.1", b"GETX / HTTP/1.1"])
def test_a_method_llhttp_does_not_know_is_told_apart(line: bytes) -> None:
    """Rule 1: it is answered 501."""
    assert "method" == gate.start_line_fault(line)


@pytest.mark.parametrize("line", [b"GET /\x00 HTTP/1.1", b"GET / HTTP/9.9", b"GET / FTP/1.1", b"GET / "])
def test_a_malformed_request_line_has_a_fault(line: bytes) -> None:
    assert gate.start_line_fault(line) not in ("", "method")


@pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK", b"HTTP/1.0 404", b"HTTP/1.1 204 ", b"HTTP/1.1 101 Switching Protocols"])
def test_a_status_line_passes(line: bytes) -> None:
    assert gate.status_line_passes(line)


@pytest.mark.parametrize("line", [b"HTTP/1.1 2x0 OK", b"HTTP/9.1 200 OK", b"ICY 200 OK", b"200 OK", b"HTTP/1.1 20 OK"])
def test_a_malformed_status_line_does_not_pass(line: bytes) -> None:
    assert not gate.status_line_passes(line)
