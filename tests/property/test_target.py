"""Paths: one normal form, reached at once, without a dot segment or an escape that could be read in two ways."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import DownstreamError
from proxy.wire.request import Start
from proxy.wire.target import LEGAL, normalise

parts = st.sampled_from(
    [b"/", b"//", b".", b"..", b"%2e", b"%2E", b"%2f", b"%5c", b"%25", b"%41", b"%7e", b"%c3%a9", b";", b"a", b"b=1", b"*", b"~", b"%2"]
)
paths = st.one_of(
    st.lists(parts, max_size=10).map(lambda chosen: b"/" + b"".join(chosen)),
    st.lists(st.sampled_from(LEGAL), max_size=20).map(lambda octets: b"/" + bytes(octets)),
)


def normal(path: bytes) -> bytes | None:
    with suppress(DownstreamError):
        return normalise(path)
    return None


@given(paths)
def test_a_normal_form_is_its_own(path: bytes) -> None:
    """Rule 42: an origin that normalises as we do sees what was routed."""
    form = normal(path)
    if form is not None:
        assert form == normalise(form)


@given(paths)
def test_no_dot_segment_is_left(path: bytes) -> None:
    """Rule 42: spelled out or escaped, one level deep."""
    form = normal(path)
    if form is not None:
        segments = [unquote_to_bytes(segment) for segment in form.split(b"/")]

        assert form.startswith(b"/")
        assert not {b".", b".."} & set(segments)
        assert set() == set(form) - set(LEGAL)


@given(paths)
def test_every_escape_that_is_left_is_needed_and_in_capitals(path: bytes) -> None:
    """Rule 42."""
    form = normal(path)
    if form is not None:
        left = re.findall(rb"%(..?)?", form)

        assert left == [digits for digits in left if re.fullmatch(rb"[0-9A-F]{2}", digits)]
        assert [] == [octet for octet in (int(digits, 16) for digits in left) if chr(octet).isascii() and chr(octet).isalnum()]


@given(paths, st.sampled_from([b"", b"?", b"?a=%2e%2E/../b", b"??"]))
def test_what_is_routed_on_is_what_is_forwarded(path: bytes, query: bytes) -> None:
    """Rule 42; the query goes on untouched."""
    path = path.replace(b"?", b"")
    with suppress(DownstreamError):
        start = Start(b"GET " + path + query + b" HTTP/1.1")

        assert b"GET " + start.path + query + b" HTTP/1.1" == start.line
