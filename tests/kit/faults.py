"""What may go wrong with an exchange, as data: what the origin or the client does, and what must come of it.

``tests/e2e/test_fault_matrix.py`` does each under load and asserts every column; ``python -m tests.kit.faults`` prints the table that
``docs/faults.md`` shows, from the same data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RESPONSE_S = 1.6  # timeouts.connect and .response of the service that suffers; over the grace of a client that stopped sending
IDLE_S = 0.6  # its timeouts.idle
GET = b"GET / HTTP/1.1\r\nHost: frail\r\n\r\n"
OLD_GET = b"GET / HTTP/1.0\r\nHost: frail\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: frail\r\nContent-Length: 4\r\n\r\nbody"
UPLOAD_BYTES = 16 * 1024 * 1024  # more than all buffers on the way have room for
UPLOAD = b"POST / HTTP/1.1\r\nHost: frail\r\nContent-Length: %d\r\n\r\n" % UPLOAD_BYTES
PART_BYTES = 4 * 1024 * 1024  # less than they have room for on both sides of the proxy, more than on the origin's
SLOW_GET = b"GET /slow/700 HTTP/1.1\r\nHost: frail\r\n\r\n"
HALF_HEAD = b"GET / HTTP/1.1\r\nHost: fra"
HALF_BODY = b"PUT / HTTP/1.1\r\nHost: frail\r\nContent-Length: 9\r\n\r\nhalf"
HALF_CHUNKS = b"PUT / HTTP/1.1\r\nHost: frail\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"

COUNTED = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TOO_MUCH = "HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n\r\n"
CHUNKS = ("1\r\nx\r\n",) * 11
ENDLESS = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

WHOLE, CUT, NOTHING = "200, whole", "200, cut short", "-"


@dataclass(frozen=True)
class Fault:
    """One row. ``gets`` is what the client gets: a status, ``WHOLE``, ``CUT`` or ``NOTHING`` (it left)."""

    name: str
    gets: str
    code: int = 0  # in headgate_requests_total, 0 for no request at all
    cause: str = ""  # in headgate_failures_total, empty where nobody failed
    manners: Mapping[str, object] = field(default_factory=dict)
    request: bytes = GET
    upload: int = 0  # bytes of a body that the request has beside
    times: int = 1  # requests, one after another on one connection
    apart: bool = False  # each of them only when the origin has closed the connection of the one before
    retries: int | None = 0  # None where chance decides
    leaves: str = ""  # how the client goes: close, reset, or half (it only says that it will send no more)
    after: bytes = b""  # what it hears before; without it, it goes once its request is under way


def says(*pieces: str, then: str = "stay", gap_s: float = 0.02) -> dict[str, object]:
    """Manners of an origin that answers just so."""
    return {"mode": "say", "pieces": pieces, "then": then, "gap_s": gap_s}


ORIGIN: Sequence[Fault] = (
    Fault("refuses connections", "502", 502, "connect", {"mode": "refuse"}),
    Fault("refuses connections, to a POST", "502", 502, "connect", {"mode": "refuse"}, POST),
    Fault("has no room for a connection", "504", 504, "connect", {"mode": "full"}),
    Fault("resets before the head", "502", 502, "reset", {"mode": "reset"}, retries=1),
    Fault("resets before the head, to a POST", "502", 502, "reset", {"mode": "reset"}, POST),
    Fault("resets in the head", "502", 502, "reset", says("HTTP/1.1 200 OK\r\nContent-Le", then="reset")),
    Fault("closes in the head", "502", 502, "reset", says("HTTP/1.1 200 OK\r\nContent-Le", then="close")),
    Fault("resets in a body with a length", CUT, 200, "reset", says(COUNTED, "half a ", then="reset")),
    Fault("closes in a body with a length", CUT, 200, "reset", says(COUNTED, "half a ", then="close")),
    Fault("resets in a chunked body", CUT, 200, "reset", says(CHUNKED, "5\r\nhalf \r\n", then="reset")),
    Fault("closes in a chunked body", CUT, 200, "reset", says(CHUNKED, "5\r\nhalf \r\n", then="close")),
    Fault("closes in a chunk", CUT, 200, "reset", says(CHUNKED, "5\r\nha", then="close")),
    Fault("closes in a chunked body, HTTP/1.0 client", CUT, 200, "reset", says(CHUNKED, "5\r\nhalf \r\n", then="close"), OLD_GET),
    Fault("resets in a body that ends with the connection", CUT, 200, "reset", says(ENDLESS, "half ", then="reset")),
    Fault("resets in such a body, HTTP/1.0 client", CUT, 200, "reset", says(ENDLESS, "half ", then="reset"), OLD_GET),
    Fault("closes at the end of such a body", WHOLE, 200, "", says(ENDLESS, "all of it", then="close")),
    Fault("resets in an upload", "502", 502, "reset", {"mode": "reset", "early": True}, UPLOAD, UPLOAD_BYTES),
    Fault("stops reading an upload", "504", 504, "timeout", {"mode": "hang", "early": True}, UPLOAD, UPLOAD_BYTES),
    Fault("answers in an upload", "413", 413, "", says(TOO_MUCH) | {"early": True}, UPLOAD, UPLOAD_BYTES),
    Fault("answers in an upload and resets", "413", 413, "", says(TOO_MUCH, then="reset") | {"early": True}, UPLOAD, UPLOAD_BYTES),
    Fault("does not answer", "504", 504, "timeout", {"mode": "hang"}),
    Fault("does not answer a POST", "504", 504, "timeout", {"mode": "hang"}, POST),
    Fault("trickles its head beyond `timeouts.response`", "504", 504, "timeout", says(*"HTTP/1.1 200", gap_s=0.3)),
    Fault(
        "trickles its head within `timeouts.response`",
        WHOLE,
        200,
        "",
        says("HTTP/1.1 2", "00 OK\r\nContent-Length: 0\r\n", "\r\n", gap_s=0.5, then="next"),
    ),
    Fault("stalls in a body with a length", CUT, 200, "timeout", says(COUNTED, "half a ")),
    Fault("stalls in a chunked body", CUT, 200, "timeout", says(CHUNKED, "5\r\nhalf \r\n")),
    Fault("stalls in a chunked body, HTTP/1.0 client", CUT, 200, "timeout", says(CHUNKED, "5\r\nhalf \r\n"), OLD_GET),
    Fault("trickles slower than `timeouts.idle`", CUT, 200, "timeout", says(COUNTED, *"half a body!", gap_s=0.9)),
    Fault("trickles within `timeouts.idle`", WHOLE, 200, "", says(COUNTED, *"half a body!", gap_s=0.15, then="next")),
    Fault(
        "trickles chunks within `timeouts.idle`",
        WHOLE,
        200,
        "",
        says(CHUNKED, *CHUNKS, "0\r\n\r\n", gap_s=0.15, then="next"),
    ),
    Fault("answers what is not HTTP", "502", 502, "protocol", {"mode": "garbage"}),
    Fault("answers a head over 64 KiB", "502", 502, "protocol", says("HTTP/1.1 200 OK\r\n" + "x: 123456789\r\n" * 5000)),
    Fault("answers two lengths", "502", 502, "protocol", says(COUNTED.replace("\r\n\r\n", "\r\nContent-Length: 13\r\n\r\n"))),
    Fault(
        "answers a length and chunks",
        "502",
        502,
        "protocol",
        says(COUNTED.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n")),
    ),
    Fault("answers 100 without end", "502", 502, "protocol", says(*["HTTP/1.1 100 Continue\r\n\r\n"] * 9)),
    Fault("answers 101 unasked", "502", 502, "protocol", says("HTTP/1.1 101 Well\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")),
    Fault("breaks its chunks", CUT, 200, "protocol", says(CHUNKED, "5\r\nhalf \r\n", "five\r\n")),
    Fault("sends more than its length", WHOLE, 200, "", says(COUNTED + "half a body! and more")),
    Fault("answers 500", "500", 500, "status_5xx", {"mode": "status"}),
    Fault("closes idle connections", WHOLE, 200, "", {"idle_close_s": 0.001}, times=100, retries=None),
    Fault("closes idle connections, to POSTs", WHOLE, 200, "", {"idle_close_s": 0.02}, POST, times=5, apart=True),
)

CLIENT: Sequence[Fault] = (
    Fault("leaves in its head", NOTHING, request=HALF_HEAD, leaves="close"),
    Fault("resets in its head", NOTHING, request=HALF_HEAD, leaves="reset"),
    Fault("leaves in its body", NOTHING, 499, request=HALF_BODY, leaves="close"),
    Fault("resets in its body", NOTHING, 499, request=HALF_BODY, leaves="reset"),
    Fault("leaves in its chunked body", NOTHING, 499, request=HALF_CHUNKS, leaves="close"),
    Fault("resets in its chunked body", NOTHING, 499, request=HALF_CHUNKS, leaves="reset"),
    Fault("leaves while the origin is connected to", NOTHING, 499, manners={"mode": "full"}, leaves="close"),
    Fault("resets while the origin is connected to", NOTHING, 499, manners={"mode": "full"}, leaves="reset"),
    Fault("leaves while it waits", NOTHING, 499, manners={"mode": "hang"}, leaves="close"),
    Fault("resets while it waits", NOTHING, 499, manners={"mode": "hang"}, leaves="reset"),
    Fault("leaves while it waits after a POST", NOTHING, 499, manners={"mode": "hang"}, request=POST, leaves="close"),
    Fault("leaves while it waits, its next request sent", NOTHING, 499, manners={"mode": "hang"}, request=GET + GET, leaves="close"),
    Fault("resets while it waits, its next request sent", NOTHING, 499, manners={"mode": "hang"}, request=GET + GET, leaves="reset"),
    Fault(
        "resets while the origin reads no upload",
        NOTHING,
        499,
        manners={"mode": "hang", "early": True},
        request=UPLOAD,
        upload=PART_BYTES,
        leaves="reset",
    ),
    Fault("leaves in a body with a length", NOTHING, 499, "", says(COUNTED, *"half a body!", gap_s=0.2), leaves="close", after=b"ha"),
    Fault("resets in a body with a length", NOTHING, 499, "", says(COUNTED, *"half a body!", gap_s=0.2), leaves="reset", after=b"ha"),
    Fault("leaves in a chunked body", NOTHING, 499, "", says(CHUNKED, *CHUNKS, gap_s=0.2), leaves="close", after=b"\r\nx\r\n"),
    Fault("resets in a chunked body", NOTHING, 499, "", says(CHUNKED, *CHUNKS, gap_s=0.2), leaves="reset", after=b"\r\nx\r\n"),
    Fault("closes its sending side only", WHOLE, 200, request=SLOW_GET, leaves="half"),
)

KILLED = ("A worker is killed", "requests in it: no answer, or cut short", "not counted: its last counts went with it", "nobody")


def row(who: str, fault: Fault) -> tuple[str, str, str, str]:
    """What happens, what the client gets, what is counted, and who is charged with it."""
    counted = "nothing" if not fault.code else f'`code="{fault.code}"`' + (f', `cause="{fault.cause}"`' if fault.cause else "")
    return f"{who} {fault.name}", fault.gets, counted, "the version" if fault.cause else "nobody"


def table() -> str:
    """The matrix as a Markdown table."""
    rows = [
        ("what happens", "the client gets", "counted and logged as", "charged to"),
        ("---", "---", "---", "---"),
        *(row("The origin", fault) for fault in ORIGIN),
        *(row("The client", fault) for fault in CLIENT),
        KILLED,
    ]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


if __name__ == "__main__":
    print(table(), end="")
