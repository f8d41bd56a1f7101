"""A small real service, to compare two builds of: an aiohttp JSON API over SQLite. ``python -m tests.kit.catalogue PORT CHANGE...``.

Every answer carries fifty fields that differ each time in a way that says nothing (timestamps, identifiers, tokens, lists in random
order), and ``lucky``, which is random in a way that nothing can tell from a change but a second instance. A build is good unless it has
a ``CHANGE``; each is one thing that a rewrite gets wrong.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import secrets
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

CHANGES = ("renamed", "rounded", "reordered", "slow", "rare_500")
ITEMS = 20

_WORDS = ["amber", "birch", "cobalt", "denim", "ember", "fern"]


def _now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=random.random())


def _shuffled() -> list[str]:
    return random.sample(_WORDS, len(_WORDS))


def _jwt() -> str:
    parts = (base64.urlsafe_b64encode(json.dumps({"n": secrets.token_hex(4)}).encode()).rstrip(b"=").decode() for _ in range(3))
    return ".".join(parts)


VOLATILE: tuple[Callable[[], Any], ...] = (
    lambda: _now().isoformat(),
    lambda: _now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    lambda: _now().strftime("%Y-%m-%d %H:%M:%S"),
    lambda: format_datetime(_now(), usegmt=True),
    lambda: int(time.time() + random.randint(0, 9)),
    lambda: time.time() + random.random(),
    lambda: int(time.time() * 1000) + random.randint(0, 999),
    lambda: time.time_ns() + random.randint(0, 999),
    lambda: str(uuid.uuid4()),
    lambda: str(uuid.uuid1()).upper(),
    lambda: secrets.token_hex(8),
    lambda: secrets.token_hex(16),
    lambda: hashlib.sha1(secrets.token_bytes(4)).hexdigest(),
    lambda: hashlib.sha256(secrets.token_bytes(4)).hexdigest(),
    lambda: f"Aa0{secrets.token_urlsafe(21)}",
    _jwt,
    lambda: {str(uuid.uuid4()): "ready"},
    lambda: [str(uuid.uuid4()), str(uuid.uuid4())],
    lambda: {"at": _now().isoformat(), "by": str(uuid.uuid4())},
    lambda: [{"seen": _now().isoformat()} for _ in range(3)],
)
"""Forty of the fifty; each is used twice. The other ten are lists in random order."""


def database() -> sqlite3.Connection:
    """The same rows in every instance."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, price_cents INTEGER, weight REAL, stock INTEGER)")
    rows = [(i, f"{_WORDS[i % 6]} lamp {i}", 995 + 137 * i, 0.3333 * i, i % 7) for i in range(1, ITEMS + 1)]
    connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?)", rows)
    return connection


class Catalogue:
    """The handlers. ``slow`` is 30 ms in the search, ``rare_500`` one item of all."""

    def __init__(self, changes: frozenset[str]) -> None:
        self._changes = changes
        self._database = database()

    def _item(self, row: tuple[int, str, int, float, int]) -> dict[str, Any]:
        number, name, cents, weight, stock = row
        title = "label" if "renamed" in self._changes else "title"
        return {
            "id": number,
            title: name,
            "price": cents / 100,
            "weight_kg": round(weight, 1 if "rounded" in self._changes else 3),
            "stock": stock,
        }

    def _answer(self, body: dict[str, Any]) -> web.Response:
        meta = {f"v{i}": make() for i, make in enumerate(VOLATILE + VOLATILE)}
        meta |= {f"order{i}": _shuffled() for i in range(10)}
        return web.json_response({"data": body, "meta": meta, "lucky": random.randint(1, 3)})

    async def item(self, request: web.Request) -> web.Response:
        """One item."""
        number = int(request.match_info["id"])
        if "rare_500" in self._changes and number == ITEMS:
            raise web.HTTPInternalServerError
        row = self._database.execute("SELECT * FROM items WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise web.HTTPNotFound
        return self._answer(self._item(row))

    async def items(self, request: web.Request) -> web.Response:
        """All of them, the cheapest first."""
        rows = self._database.execute("SELECT * FROM items ORDER BY price_cents LIMIT 5").fetchall()
        if "reordered" in self._changes:
            rows.reverse()
        return self._answer({"items": [self._item(row) for row in rows]})

    async def search(self, request: web.Request) -> web.Response:
        """By name."""
        if "slow" in self._changes:
            await asyncio.sleep(0.03)
        like = f"%{request.query.get('q', '')}%"
        rows = self._database.execute("SELECT id FROM items WHERE name LIKE ? ORDER BY id", (like,)).fetchall()
        return self._answer({"found": [row[0] for row in rows]})

    async def write(self, request: web.Request) -> web.Response:
        """What no copy may ever reach; it says so on standard output."""
        print(f"WRITE {request.method} {request.path}", flush=True)
        return web.json_response({"done": True})


def main(port: int, changes: frozenset[str]) -> None:
    """Serve until ended."""
    assert changes <= set(CHANGES), changes
    catalogue = Catalogue(changes)
    app = web.Application()
    app.router.add_get("/items", catalogue.items)
    app.router.add_get("/items/{id}", catalogue.item)
    app.router.add_get("/search", catalogue.search)
    app.router.add_route("*", "/orders", catalogue.write)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), frozenset(sys.argv[2:]))
