"""A call to whoever may be out there: it ends in its time, reads no more than it wants, follows nobody, and says what went wrong."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import pytest_asyncio

from proxy import __version__
from proxy.clock import SystemClock
from proxy.control.calling import Answer, CallFailed, WebClient
from tests.kit.certificates import Authority
from tests.kit.processes import ROOT, free_ports
from tests.kit.receiver import HUGE_BYTES, Receiver, receiver

pytestmark = pytest.mark.asyncio

CLOCK = SystemClock()


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest_asyncio.fixture
async def client() -> AsyncIterator[WebClient]:
    made = WebClient()
    yield made
    await made.close()


async def called(client: WebClient, url: str, *, method: str = "GET", timeout_s: float = 5.0, bytes_max: int = 1000) -> Answer:
    return await client.call(method, url, timeout_s=timeout_s, bytes_max=bytes_max)


async def refused(client: WebClient, url: str, timeout_s: float = 5.0) -> str:
    """Why the call failed."""
    with pytest.raises(CallFailed) as failed:
        await called(client, url, timeout_s=timeout_s)
    return str(failed.value)


@asynccontextmanager
async def answering(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """A server that answers whatever is said to it; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def test_status_and_body_come_back(client: WebClient, there: Receiver) -> None:
    there.status, there.body = 418, b"teapot"

    assert Answer(418, b"teapot") == await called(client, there.url)


async def test_what_is_sent_is_what_was_given(client: WebClient, there: Receiver) -> None:
    await client.call("POST", f"{there.url}/hook?a=1", timeout_s=5, bytes_max=10, headers={"X-A": "b"}, body=b'{"a": 1}')
    taken = there.taken[0]

    assert ("POST /hook?a=1", b'{"a": 1}', "b", f"headgate/{__version__}", "identity") == (
        taken.line,
        taken.body,
        taken.headers["x-a"],
        taken.headers["user-agent"],
        taken.headers["accept-encoding"],
    )


async def test_a_query_arrives_as_it_was_written(client: WebClient, there: Receiver) -> None:
    query = 'sum(rate(x{v="a b",w=~"1|2+"}[5m])) / 2 + 1 % 3 # é & ; = ?'
    await called(client, f"{there.url}/api/v1/query?" + urlencode({"query": query}))

    assert [query] == parse_qs(urlsplit(there.lines()[0].partition(" ")[2]).query)["query"]


@pytest.mark.parametrize("mode", ["hang", "drip"])
async def test_a_call_ends_in_its_time(client: WebClient, there: Receiver, mode: str) -> None:
    there.mode = mode
    began = CLOCK.now()

    assert "did not answer within 0.3 s" == await refused(client, there.url, timeout_s=0.3)
    assert 0.3 <= CLOCK.now() - began < 2


async def test_of_a_huge_answer_only_the_start_is_read(client: WebClient, there: Receiver) -> None:
    there.mode = "huge"
    answer = await called(client, there.url)

    assert Answer(200, b"x" * 1000, cut=True) == answer
    assert there.sent_bytes < HUGE_BYTES / 4, "the rest is not even taken from the socket"


async def test_a_redirect_is_not_followed(client: WebClient, there: Receiver) -> None:
    there.status, there.headers = 302, {"Location": f"{there.url}/elsewhere"}

    assert (302, ["GET /"]) == ((await called(client, there.url)).status, there.lines())


async def test_a_packed_answer_is_not_unpacked(client: WebClient, there: Receiver) -> None:
    there.headers, there.body = {"Content-Encoding": "gzip"}, b"\x1f\x8b not gzip at all"

    assert b"\x1f\x8b not gzip at all" == (await called(client, there.url)).body


async def test_no_cookie_is_kept(client: WebClient, there: Receiver) -> None:
    there.headers = {"Set-Cookie": "a=b"}
    await called(client, there.url)
    await called(client, there.url)

    assert [False, False] == ["cookie" in taken.headers for taken in there.taken]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("close", "closed the connection without an answer"),
        ("garbage", "answered in no HTTP that we understand"),
        ("lies", "broke off its answer"),
    ],
)
async def test_a_bad_answer_is_told_in_our_words(client: WebClient, there: Receiver, mode: str, words: str) -> None:
    there.mode = mode

    assert words == await refused(client, there.url)


async def test_nobody_there_is_refused(client: WebClient) -> None:
    assert "refused the connection" == await refused(client, f"http://127.0.0.1:{free_ports(1)[0]}/")


async def test_a_name_that_is_none_is_told(client: WebClient) -> None:
    assert "has a host name that is not known" == await refused(client, "http://no-such-host.invalid/")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "nonsense", "http://ann:s3cret@127.0.0.1:bad/", ""])
async def test_what_is_no_url_is_told_without_it(client: WebClient, url: str) -> None:
    told = await refused(client, url)

    assert told.startswith(("cannot be called", "could not be asked"))
    assert "s3cret" not in told


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(client: WebClient, tmp_path: Path) -> None:
    certificate = Authority(tmp_path).issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    async with answering(context) as port:
        assert "has a certificate that is not valid for it" == await refused(client, f"https://127.0.0.1:{port}/")


async def test_a_plain_server_is_no_tls_server(client: WebClient) -> None:
    async with answering(None) as port:
        assert "does not speak TLS as we do" == await refused(client, f"https://127.0.0.1:{port}/")


CALL = """
import asyncio, sys
from proxy.control.calling import WebClient

async def main():
    client = WebClient()
    print((await client.call("GET", sys.argv[1], timeout_s=5, bytes_max=10)).status)
    await client.close()

asyncio.run(main())
"""


async def test_a_file_of_authorities_in_the_environment_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SSL_CERT_FILE": str(authority.ca)}
    async with answering(context) as port:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CALL, f"https://127.0.0.1:{port}/", env=environment, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()

    assert b"400\n" == said
