"""The second reader: llhttp, through httptools, asked only whether a start line or a field line is well formed.

It has no callbacks and sees each start line, each field name and each line that matters once, when our own reader learns it; what
either refuses is refused. Two parsers that must agree leave less room for a smuggled message than one, and what comes again costs
nothing. (With a Python callback per header, twelve browser headers cost 3.3 us a request; a whole head without callbacks 0.75 us.)

What lines mean together (two lengths, a length beside chunked) is not asked here: ``request`` and ``response`` refuse every conflict.
"""

from __future__ import annotations

import httptools


class _Silent:
    """A protocol object without callbacks."""


_SILENT = _Silent()
_PAUSED = "Pause on CONNECT/Upgrade"  # how llhttp calls a response after which another protocol begins
_parser = httptools.HttpRequestParser(_SILENT)  # a GET without a body leaves it ready for the next


def _feed(head: bytes) -> str:
    """The reason llhttp gives against a whole body-less head, or an empty string."""
    global _parser
    try:
        _parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # not an error: llhttp stops where another protocol may begin, and we never let one begin there
    except httptools.HttpParserInvalidMethodError:
        _parser = httptools.HttpRequestParser(_SILENT)
        return "method"
    except httptools.HttpParserError as error:
        _parser = httptools.HttpRequestParser(_SILENT)
        return str(error)
    else:
        return ""
    _parser = httptools.HttpRequestParser(_SILENT)
    return ""


def line_passes(line: bytes) -> bool:
    """Whether llhttp takes a field line (without CRLF) as the only one of a request."""
    passes = not _feed(b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n")
    _renew()  # the line may have announced a body, an upgrade or a close, and llhttp would wait for it
    return passes


def start_line_fault(line: bytes) -> str:
    """What llhttp has against a request line: ``method`` when it does not know the method, other words otherwise, empty for nothing."""
    fault = _feed(line + b"\r\nHost: a\r\n\r\n")
    if not line.endswith(b"1"):
        _renew()  # after HTTP/1.0 llhttp takes no second message
    return fault


def status_line_passes(line: bytes) -> bool:
    """Whether llhttp takes a status line."""
    try:
        httptools.HttpResponseParser(_SILENT).feed_data(line + b"\r\n\r\n")
    except httptools.HttpParserError as error:
        return str(error) == _PAUSED  # at 101: the line is well formed, and it is not asked here whether one is welcome
    return True


def _renew() -> None:
    global _parser
    _parser = httptools.HttpRequestParser(_SILENT)
