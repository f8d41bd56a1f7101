"""What the drivers make of bytes; they are run whole by every measurement."""

from __future__ import annotations

import pytest

from loadtest.drivers.open_loop import complete
from loadtest.drivers.websocket_client import SENT, WANTED
from loadtest.drivers.websocket_origin import accept, echo

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"


@pytest.mark.parametrize(("heard", "whole"), [(HEAD[:-1], False), (HEAD + b"ab", False), (HEAD + b"abc", True)])
def test_an_answer_is_whole_with_its_last_byte(heard: bytes, whole: bool) -> None:
    assert whole == complete(heard)


def test_an_error_ends_the_driver() -> None:
    with pytest.raises(SystemExit, match="503"):
        complete(b"HTTP/1.1 503 No\r\n\r\n")


def test_the_key_of_the_standard_is_accepted_as_it_says() -> None:
    """RFC 6455 1.3 has this pair."""
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" == accept(b" dGhlIHNhbXBsZSBub25jZQ==")


def test_what_the_client_sends_comes_back_as_it_wants_it() -> None:
    assert (WANTED * 2, SENT[:50], False) == echo(SENT * 2 + SENT[:50])


def test_a_masked_frame_is_unmasked() -> None:
    masked = bytes((0x81, 0x85)) + bytes.fromhex("37fa213d") + bytes.fromhex("7f9f4d5158")  # RFC 6455 5.7: "Hello"

    assert (b"\x81\x05Hello", b"", False) == echo(masked)


def test_a_close_is_answered_and_ends() -> None:
    assert (b"\x88\x00", b"", True) == echo(b"\x88\x80\0\0\0\0")


def test_a_frame_without_a_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="not masked"):
        echo(b"\x82\x00rest")
