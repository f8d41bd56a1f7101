"""The users of the demo: each a keep-alive connection and a cookie of its own, at a steady rate, writing down what it got.

The records are the story's only source for what clients saw: which version answered (by the body, checked against
``X-Headgate-Version``), when the request was sent and when the answer was whole. Knows nothing of rollouts.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, deque
from collections.abc import Iterator

import msgspec

from proxy.tasks import TaskGroup

RECORDS_MAX = 200_000  # ten minutes at 300 requests/s; older ones are forgotten
ANSWER_TIMEOUT_S = 5.0  # the origins answer in milliseconds
_BODY_BYTES_MAX = 64 * 1024
_RECONNECT_S = 0.05


class Record(msgspec.Struct, frozen=True):
    """One request. Times are monotonic seconds; ``status`` 0: no whole answer.

    ``version`` is the body's word, ``header`` the proxy's (``X-Headgate-Version``).
    """

    user: int
    sent_at: float
    done_at: float
    status: int
    version: str = ""
    header: str = ""

    @property
    def bad(self) -> bool:
        return self.status == 0 or self.status >= 500


class Ledger:
    """What all users saw, in order of completion, bounded."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=RECORDS_MAX)
        self.total = 0

    def add(self, record: Record) -> None:
        self._records.append(record)
        self.total += 1

    def since(self, moment: float, until: float = float("inf")) -> Iterator[Record]:
        """Records of requests sent in [moment, until)."""
        return (r for r in self._records if moment <= r.sent_at < until)

    def split(self, moment: float, until: float = float("inf")) -> Counter[str]:
        """Whole answers by version in that time."""
        return Counter(r.version for r in self.since(moment, until) if r.status)

    def disagreements(self) -> int:
        """Answers whose body and ``X-Headgate-Version`` name different versions."""
        return sum(1 for r in self._records if r.status and r.version != r.header)

    def last_versions(self) -> dict[int, str]:
        """By user, the version of the latest whole answer."""
        return {r.user: r.version for r in self._records if r.status}


class Crowd:
    """``users`` clients that together send ``rate`` requests a second to 127.0.0.1:``port``."""

    def __init__(self, port: int, users: int, rate: float, ledger: Ledger) -> None:
        self._port = port
        self._users = users
        self.rate = rate
        self._ledger = ledger
        self._go = asyncio.Event()
        self._go.set()
        self._in_flight = 0
        self._idle = asyncio.Event()

    async def rest(self) -> None:
        """Send nothing more; returns when every answer is in."""
        self._go.clear()
        if self._in_flight:
            self._idle.clear()
            await self._idle.wait()

    def resume(self) -> None:
        """Go on after ``rest``."""
        self._go.set()

    def start(self, group: TaskGroup) -> None:
        """Start every user as a task of ``group``; they end when it is closed."""
        for user in range(self._users):
            group.spawn(self._live(user), name=f"user {user}")

    async def _live(self, user: int) -> None:
        """Send at this user's share of the rate, never two at once; a lost connection is a failed request and a new connection."""
        chance = random.Random(user)
        await asyncio.sleep(chance.random() * self._users / self.rate)
        link: _Link | None = None
        now = asyncio.get_running_loop().time
        try:
            while True:
                await self._go.wait()
                began = now()
                self._in_flight += 1
                try:
                    async with asyncio.timeout(ANSWER_TIMEOUT_S):  # wait_for of 3.11 may lose a cancellation
                        link = link or await _Link.open(self._port)
                        status, version, header = await link.ask(user)
                except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError):
                    if link is not None:
                        link.close()
                    link = None
                    self._ledger.add(Record(user, began, now(), 0))
                    await asyncio.sleep(_RECONNECT_S)
                else:
                    self._ledger.add(Record(user, began, now(), status, version, header))
                finally:
                    self._in_flight -= 1
                    if not self._in_flight:
                        self._idle.set()
                period = self._users / self.rate * chance.uniform(0.8, 1.2)
                await asyncio.sleep(max(0.0, began + period - now()))
        finally:
            if link is not None:
                link.close()


class _Link:
    """A keep-alive connection that asks one question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> _Link:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, user: int) -> tuple[int, str, str]:
        """Status, version by the body, version by the header. ValueError: not an answer we understand."""
        self._writer.write(f"GET /cart HTTP/1.1\r\nhost: shop.example\r\ncookie: session=user-{user}\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = int(fields["content-length"]) if "content-length" in fields else -1
        if not 0 <= length <= _BODY_BYTES_MAX:
            raise ValueError(f"content-length {length}")
        body = await self._reader.readexactly(length)
        return int(head[0].split(" ")[1]), _version(body), fields.get("x-headgate-version", "")

    def close(self) -> None:
        self._writer.close()


def _version(body: bytes) -> str:
    """The version an origin's body names; empty when the answer is not an origin's."""
    try:
        value = json.loads(body)
    except ValueError:
        return ""
    return str(value.get("version", "")) if isinstance(value, dict) else ""
