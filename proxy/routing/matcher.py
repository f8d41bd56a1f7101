"""One match, compiled: the conditions beyond host and path, which the table looks up by key.

Knows nothing of precedence (``table``). Values are bytes; query values are compared percent-decoded.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from proxy.errors import PlanRefused
from proxy.model.route import Match
from proxy.wire.headers import find_all
from proxy.wire.request import Request


class Matcher:
    """Conditions on method, headers and query, and a path regex or (for overrides) a host and path. All must hold."""

    __slots__ = ("_headers", "_host", "_methods", "_path", "_prefix", "_query", "_regex", "_suffix", "always")

    def __init__(self, match: Match, *, keyed: bool) -> None:
        """``keyed``: host, path and prefix were looked up already and need no test. Raises PlanRefused."""
        self._methods = frozenset(m.encode() for m in match.methods)
        self._headers = tuple((name.lower().encode(), value.encode()) for name, value in match.headers)
        self._query = tuple((name.encode(), value.encode()) for name, value in match.query)
        try:
            self._regex = re.compile(match.path_regex.encode()) if match.path_regex else None
        except re.error as error:
            raise PlanRefused(f"path_regex {match.path_regex!r}: {error}") from None
        self._host = self._suffix = self._path = self._prefix = b""
        if not keyed:
            if match.host.startswith("*."):
                self._suffix = match.host[1:].encode()
            else:
                self._host = match.host.encode()
            self._path = match.path.encode()
            self._prefix = match.path_prefix.encode().rstrip(b"/")
        self.always = not (
            self._methods or self._headers or self._query or self._regex or self._host or self._suffix or self._path or self._prefix
        )

    def holds(self, request: Request) -> bool:
        """Whether every condition holds for this request."""
        if self._methods and request.method not in self._methods:
            return False
        if self._regex is not None and self._regex.fullmatch(request.path) is None:
            return False
        return (
            self._place_holds(request)
            and all(value in find_all(request.lines, name) for name, value in self._headers)
            and self._query_holds(request.query)
        )

    def _place_holds(self, request: Request) -> bool:
        path = request.path
        return (
            (not self._host or request.host == self._host)
            and (not self._suffix or request.host.endswith(self._suffix))
            and (not self._path or path == self._path)
            and (not self._prefix or path == self._prefix or path.startswith(self._prefix + b"/"))
        )

    def _query_holds(self, query: bytes) -> bool:
        if not self._query:
            return True
        pairs = set()
        for part in query.split(b"&"):
            name, _, value = part.partition(b"=")
            pairs.add((_decode(name), _decode(value)))
        return all(pair in pairs for pair in self._query)


def _decode(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
