"""One call to the admin API, bounded in time and size, and every way it can go wrong said in a line with the remedy.

Knows HTTP as far as ``http.client`` does, over TCP or a unix socket. Knows nothing of what the answers mean.
"""

from __future__ import annotations

import http.client
import json
import os
import pwd
import re
import socket
from typing import Any

import msgspec

from proxy import limits
from proxy.cli.address import Address, Found
from proxy.clock import SystemClock
from proxy.errors import OperatorError

_CLOCK = SystemClock()
_UNPRINTED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_READ_BYTES = 64 * limits.KiB


class Unreachable(OperatorError):
    """Nothing usable answered at the address. Whether the call had an effect is not known."""


class Refused(OperatorError):
    """The proxy answered that it will not. ``status`` is its code, ``problem`` the RFC 9457 object (empty when it sent none)."""

    def __init__(self, text: str, status: int, problem: dict[str, Any]) -> None:
        super().__init__(text)
        self.status = status
        self.problem = problem


class Answer(msgspec.Struct, frozen=True):
    """A whole answer. ``media`` is the media type without parameters."""

    status: int
    media: str
    body: bytes


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket; ``host`` is only the Host header."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class AdminClient:
    """Calls to one proxy; a connection per call, so it survives restarts of the proxy between calls."""

    def __init__(self, found: Found, *, timeout_s: float = limits.ADMIN_CALL_TIMEOUT_S) -> None:
        self.found = found
        self.address = found.address
        self._timeout_s = timeout_s

    def within(self, timeout_s: float) -> AdminClient:
        """A client of the same proxy whose calls take that long at most."""
        return AdminClient(self.found, timeout_s=min(timeout_s, self._timeout_s))

    def get(self, path: str) -> Any:
        """The JSON value at ``path``. Raises Unreachable or Refused."""
        return self._value(self.raw("GET", path), path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON value that answers ``body``. Raises Unreachable or Refused."""
        return self._value(self.raw("POST", path, body), path)

    def raw(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Any whole answer, whatever its status. Raises Unreachable."""
        headers = {"Accept": "application/json, application/problem+json"}
        payload = None
        if body is not None:
            payload = _json(body)
            headers["Content-Type"] = "application/json"
            headers["X-Headgate-User"] = _user()
        if self.found.token:
            headers["Authorization"] = f"Bearer {self.found.token}"
        connection = self._connection()
        try:
            connection.request(method, path, body=payload, headers=headers)
            return self._read(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(_lost(self.address, error, self._timeout_s)) from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.address.unix:
            return _UnixConnection(self.address.unix, self._timeout_s)
        return http.client.HTTPConnection(self.address.host, self.address.port, timeout=self._timeout_s)

    def _read(self, response: http.client.HTTPResponse) -> Answer:
        ends = _CLOCK.now() + self._timeout_s
        chunks, size = [], 0
        while chunk := response.read1(_READ_BYTES):
            size += len(chunk)
            if size > limits.ADMIN_ANSWER_BYTES_MAX:
                raise Unreachable(f"{self.address} answers with more than {limits.ADMIN_ANSWER_BYTES_MAX} bytes; is it headgate?")
            if _CLOCK.now() > ends:
                raise TimeoutError
            chunks.append(chunk)
        if response.length:  # read1 takes an early end for the end
            raise ConnectionError(f"{response.length} bytes of the answer are missing")
        media = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        return Answer(response.status, media, b"".join(chunks))

    def _value(self, answer: Answer, path: str) -> Any:
        value: Any = None
        if answer.media == "application/json" or answer.media.endswith("+json"):
            try:
                value = json.loads(answer.body)
            except ValueError:
                raise _stranger(self.address, answer, path) from None
        problem = value if isinstance(value, dict) else {}
        if answer.status in (401, 403):
            raise Refused(_unauthorised(self.address, had_token=bool(self.found.token)), answer.status, problem)
        if answer.status >= 400 and problem:
            text = str(problem.get("detail") or problem.get("title") or f"status {answer.status}")
            raise Refused(text, answer.status, problem)
        if value is None or not 200 <= answer.status < 300:
            raise _stranger(self.address, answer, path)
        return value


def _user() -> str:
    """Whom the history names beside what the proxy itself can tell; printable ASCII, as a header must be."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return name if name.isascii() and name.isprintable() else str(os.getuid())


def _json(body: dict[str, Any]) -> bytes:
    """JSON that YAML reads alike: astral characters as they are (YAML knows no surrogates), what YAML does not print escaped."""
    text = json.dumps(body, ensure_ascii=False)
    return _UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode("utf-8", "surrogatepass")


def _stranger(address: Address, answer: Answer, path: str) -> Unreachable:
    said = answer.media or "no content type"
    return Unreachable(
        f"{address} (from {address.why}) does not answer like headgate's admin: {path} gave {answer.status} with {said}; "
        "name the right address with --admin"
    )


def _unauthorised(address: Address, *, had_token: bool) -> str:
    remedy = "check it against admin.token_file" if had_token else "give one with --token-file FILE or $HEADGATE_TOKEN"
    return f"{address} refused {'the token' if had_token else 'a call without a token'}; {remedy}"


def _lost(address: Address, error: Exception, timeout_s: float) -> str:
    """Why no answer came, and what to do about it."""
    where = f"{address} (from {address.why})"
    remedy = "start it with `headgate run`, or name the running one with --admin or $HEADGATE_ADMIN"
    if isinstance(error, TimeoutError):
        return f"no answer from {where} within {timeout_s:.3g} s: look at the proxy's log, or name another address with --admin"
    if isinstance(error, (ConnectionRefusedError, FileNotFoundError)):
        return f"nothing listens at {where}: {remedy}"
    if isinstance(error, PermissionError):
        return f"no right to connect to {where}: run as the socket's owner or in its group"
    if isinstance(error, socket.gaierror):
        return f"{where}: no such host: correct the address"
    if isinstance(error, http.client.HTTPException) and not isinstance(error, http.client.RemoteDisconnected):
        return f"{where} does not speak HTTP ({type(error).__name__}): name the admin address, not another port, with --admin"
    return f"{where} broke the connection ({error}): {remedy}"
