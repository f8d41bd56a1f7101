"""What must not get out: credentials of clients into logs, and anything about the inside into the proxy's own answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from proxy import __version__, limits
from proxy.model.intent import AccessLog
from proxy.model.plan import RoutePlan
from proxy.model.route import Match, RateLimit, Redirect, Route
from tests.kit.conversation import Conversation, plan

OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nSet-Cookie: id=s3cret-answer\r\nServer: s3cret-origin\r\nContent-Length: 2\r\n\r\nok"
SECRET = "s3cret"
HEADERS = (
    "Authorization: Bearer s3cret-1\r\nCookie: session=s3cret-2\r\nProxy-Authorization: Basic s3cret-3\r\nX-Api-Key: s3cret-4\r\n"
    "X-Auth-Token: s3cret-5\r\nReferer: http://a/?token=s3cret-6\r\nUser-Agent: s3cret-7\r\n"
)
ASKED = f"GET /path?token=s3cret-8 HTTP/1.1\r\nHost: shop.example\r\n{HEADERS}\r\n".encode()

pytestmark = pytest.mark.asyncio


async def _good(talk: Conversation) -> None:
    await talk.client.says(ASKED)
    await talk.origin_says(OK)


async def _refused(talk: Conversation) -> None:
    talk.loop.refuse = lambda host, port: ConnectionRefusedError()
    await talk.client.says(ASKED)


async def _garbage(talk: Conversation) -> None:
    await talk.client.says(ASKED)
    await talk.origin_says(b"s3cret-garbage\r\n\r\n")


async def _gone(talk: Conversation) -> None:
    await talk.client.says(ASKED)
    await talk.client.leaves()


async def _malformed(talk: Conversation) -> None:
    await talk.client.says(ASKED[:-2] + b"s3cret : x\r\n\r\n")


@pytest.mark.parametrize("case", [_good, _refused, _garbage, _gone, _malformed], ids=lambda case: case.__name__.strip("_"))
async def test_no_header_value_and_no_query_reaches_a_log(
    case: Callable[[Conversation], Awaitable[None]], tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The request's id and Host alone are written: people ask for a request by them."""
    file = tmp_path / "access.log"
    talk = Conversation(msgspec.structs.replace(plan(), access_log=AccessLog(str(file))))
    await case(talk)
    await talk.end()
    lines = file.read_text()
    out, err = capfd.readouterr()

    assert SECRET not in lines + out + err + caplog.text
    unread = case is _malformed  # nothing of what could not be read is written
    assert lines == "" or (("", "") if unread else ("shop.example", "/path")) == (json.loads(lines)["host"], json.loads(lines)["path"])


def routed(*routes: Route) -> RoutePlan:
    return msgspec.structs.replace(plan(), routes=(*routes, Route(Match(host="shop.example"), "shop")))


async def own_answer(status: int) -> bytes:
    """What a client hears when the proxy itself answers with ``status``."""
    talk = Conversation(
        routed(
            Route(Match(host="shop.example", path="/old"), redirect=Redirect(path="/new", status=301)),
            Route(Match(host="shop.example", path="/rare"), "shop", rate_limit=RateLimit(1, 60.0, 1), body_limit=1),
        )
    )
    says = {
        301: b"GET /old HTTP/1.1\r\nHost: shop.example\r\n\r\n",
        400: b"GET / HTTP/1.1\r\n\r\n",
        404: b"GET / HTTP/1.1\r\nHost: other\r\n\r\n",
        405: b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
        408: b"GET / HT",
        413: b"POST /rare HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\n\r\nab",
        414: b"GET /" + b"a" * limits.TARGET_BYTES_MAX + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        417: b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: tea\r\n\r\n",
        429: b"GET /rare HTTP/1.1\r\nHost: shop.example\r\n\r\n" * 2,
        431: b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * limits.HEAD_BYTES_MAX,
        501: b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
        505: b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        508: b"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 " + talk.plane.pseudonym + b"\r\n\r\n",
    }.get(status, b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
    if status == 502:
        talk.loop.refuse = lambda host, port: ConnectionRefusedError(111, f"Connect call failed ('{host}', {port})")
    await talk.client.says(says)
    if status == 429:
        await talk.origin_says(OK)
        talk.client.transport.written[: len(OK)] = b""
    elif status in (408, 504):
        await talk.pass_time(limits.RESPONSE_TIMEOUT_S + 1)
    heard = talk.client.heard()
    await talk.end()
    return heard


@pytest.mark.parametrize("status", [301, 400, 404, 405, 408, 413, 414, 417, 429, 431, 501, 502, 504, 505, 508])
async def test_an_own_answer_says_nothing_of_the_inside(status: int) -> None:
    """No Server, no address of an origin, no name or version of this program, nothing of Python."""
    heard = await own_answer(status)
    lower = heard.lower()

    assert heard.startswith(b"HTTP/1.1 %d " % status)
    leaks = (b"server:", b"via:", b"127.0.0.1", b"9001", b"192.0.2", b"headgate", b"python", b"traceback", b"errno", b"connect call")
    assert [] == [leak for leak in leaks if leak in lower]
    assert __version__.encode() not in heard.replace(b"HTTP/1.1", b"")
