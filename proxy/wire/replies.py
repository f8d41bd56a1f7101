"""Answers the proxy makes itself: plain text, or problem JSON (RFC 9457) for a client that accepts JSON.

They say which of the two sides failed, the client or the service, and never an address, a header or a version of ours.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final

from proxy.wire.headers import find
from proxy.wire.request import Request

_TITLES: Final[dict[int, str]] = {
    301: "This has moved for good",
    302: "This is elsewhere for now",
    307: "This is elsewhere for now",
    308: "This has moved for good",
    400: "The request is malformed",
    404: "No route matches this request",
    405: "This method is not allowed here",
    408: "The request took too long to arrive",
    413: "The request body is too large",
    414: "The request target is too long",
    417: "The expectation cannot be met",
    421: "This connection is not for that host",
    429: "Too many requests",
    431: "The request header is too large",
    500: "The proxy failed",
    501: "The request uses something that is not implemented",
    502: "The service behind the proxy failed",
    503: "The service behind the proxy is not available",
    504: "The service behind the proxy took too long",
    505: "This HTTP version is not supported",
    508: "The request came back to where it had been",
}

RETRY_AFTER_S: Final = 1


def status_line(status: int) -> bytes:
    """The line with the registered reason phrase."""
    return b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode())


def wants_json(accept: bytes | None) -> bool:
    """Whether an Accept value asks for JSON by name; ``*/*`` does not."""
    return accept is not None and (b"application/json" in accept or b"application/problem+json" in accept)


def own_reply(
    status: int, reason: str, *, json_wanted: bool, head_request: bool, close: bool, request_id: bytes = b"", extra: bytes = b""
) -> bytes:
    """A whole answer. ``reason`` is one of our own sentences, never bytes of a peer. ``extra`` is one more field line, or empty."""
    title = _TITLES.get(status, HTTPStatus(status).phrase)
    if json_wanted:
        problem = {"type": "about:blank", "title": title, "status": status}
        if reason:
            problem["detail"] = reason
        body, kind = json.dumps(problem).encode() + b"\n", b"application/problem+json"
    else:
        body, kind = f"{status} {title}{': ' + reason if reason else ''}\n".encode(), b"text/plain; charset=utf-8"
    lines = [
        status_line(status),
        b"Content-Type: " + kind,
        b"Content-Length: %d" % len(body),
    ]
    if status >= 400:
        lines.append(b"Cache-Control: no-store")
    if extra:
        lines.append(extra)
    if status == 503:
        lines.append(b"Retry-After: %d" % RETRY_AFTER_S)
    if request_id:
        lines.append(b"X-Request-Id: " + request_id)
    if close:
        lines.append(b"Connection: close")
    return b"\r\n".join([*lines, b"", b"" if head_request else body])


def reply_to(request: Request, status: int, reason: str, *, close: bool, extra: bytes = b"") -> bytes:
    """``own_reply`` in the form that a request asks for."""
    json_wanted = wants_json(find(request.lines, b"accept"))
    return own_reply(status, reason, json_wanted=json_wanted, head_request=request.method == b"HEAD", close=close, extra=extra)


def reply_to_unread(began: bytes | bytearray, status: int, reason: str) -> bytes:
    """``own_reply`` to what ``began`` so and cannot be read as a request: plain text, and nothing is read after it.

    Who asked by HEAD, whatever else was wrong, would take a body for something else (RFC 9110 section 9.3.2).
    """
    return own_reply(status, reason, json_wanted=False, head_request=began.lstrip(b"\r\n").startswith(b"HEAD "), close=True)
