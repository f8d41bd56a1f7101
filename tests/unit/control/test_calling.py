"""What people may see of an answer, secrets read when they are needed, and errors in our words."""

from __future__ import annotations

import os
from pathlib import Path

import aiohttp
import pytest

from proxy.control.calling import Answer, CallFailed, WebClient, bearer, one_line, secret, why


def test_what_somebody_sent_becomes_one_printable_line() -> None:
    assert "tests failed: 3 [31mred" == one_line(b"tests\r\n failed:\t3 \x1b[31mred\x00\xff"[:-1], 100)


def test_a_long_answer_is_cut() -> None:
    assert "x" * 512 == one_line("x" * 10_000, 512)


@pytest.mark.parametrize(("status", "good"), [(199, False), (200, True), (204, True), (299, True), (301, False), (503, False)])
def test_only_2xx_is_good(status: int, good: bool) -> None:
    assert good is Answer(status).good


@pytest.mark.asyncio
async def test_a_secret_is_what_is_in_the_file_without_white_space(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" s3cret\n")

    assert b"s3cret" == await secret(str(tmp_path / "key"))


@pytest.mark.asyncio
async def test_a_token_is_sent_as_bearer_and_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    first = await bearer(str(file))
    file.write_text("two\n")

    assert [{"Authorization": "Bearer one"}, {"Authorization": "Bearer two"}] == [first, await bearer(str(file))]


@pytest.mark.asyncio
async def test_without_a_token_file_nothing_is_sent() -> None:
    assert {} == await bearer("")


@pytest.mark.asyncio
@pytest.mark.parametrize("content", [b"", b" \n", b"one\ntwo", b"a b", b"\xff\xfe", None])
async def test_what_is_no_token_is_said_without_its_content(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(CallFailed, match=r"^was not called, for token (is empty|cannot be read|holds no token)"):
        await bearer(str(file))


@pytest.mark.asyncio
async def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")

    with pytest.raises(CallFailed, match="is no regular file"):
        await bearer(str(tmp_path / "token"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (aiohttp.InvalidURL("http://ann:s3cret@:99999/"), "cannot be called: its URL"),
        (ValueError("s3cret"), "cannot be called: its URL"),
        (aiohttp.ServerDisconnectedError(), "closed the connection"),
        (ConnectionResetError(), "closed the connection"),
        (aiohttp.ClientPayloadError("s3cret"), "broke off"),
        (OSError(113, "s3cret"), "cannot be reached (No route to host)"),
        (aiohttp.ClientError("s3cret"), "could not be asked (ClientError)"),
    ],
)
def test_an_error_is_told_in_our_words(error: Exception, words: str) -> None:
    told = why(error)

    assert told.startswith(words)
    assert "s3cret" not in told


@pytest.mark.asyncio
async def test_a_client_that_was_never_used_has_nothing_to_close() -> None:
    await WebClient().close()
