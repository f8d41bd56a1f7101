"""Rules 3, 4 and 42: what may stand in a target, and its one normalised form."""

from __future__ import annotations

import pytest

from proxy.errors import DownstreamError
from proxy.wire.target import LEGAL, normalise, split_absolute


def test_legal_bytes_are_visible_ascii_without_the_fragment_mark() -> None:
    """Rule 3."""
    assert set(range(0x21, 0x7F)) - {ord("#")} == set(LEGAL)


@pytest.mark.parametrize("path", [b"/", b"/a/b", b"//", b"/a//b/", b"/a;b/..;/c", b"/...", b"/.a", b"/a.", b"/%2F", b"/a%5Cb", b"/%25"])
def test_a_path_in_normal_form_stays(path: bytes) -> None:
    """Rule 42."""
    assert path == normalise(path)


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        (b"/%61%2d%2E%5f%7e", b"/a-._~"),
        (b"/%2f%5c%c3%a9", b"/%2F%5C%C3%A9"),
        (b"/%252e%252e/", b"/%252e%252e/"),
        (b"/a/./b", b"/a/b"),
        (b"/a/../b", b"/b"),
        (b"/a/b/..", b"/a/"),
        (b"/a/b/.", b"/a/b/"),
        (b"/..", b"/"),
        (b"/.", b"/"),
        (b"/../../a", b"/a"),
        (b"/a/%2e%2E/b", b"/b"),
        (b"/a/.%2e/b", b"/b"),
        (b"/a//../b", b"/a/b"),
        (b"/%2e%2e%2fetc", b"/..%2Fetc"),
    ],
)
def test_a_path_is_normalised(path: bytes, normal: bytes) -> None:
    """Rule 42."""
    assert normal == normalise(path)


@pytest.mark.parametrize("path", [b"/%", b"/%4", b"/%zz", b"/%4g", b"/a%", b"/%%41", b"/%u0041"])
def test_a_broken_escape_is_refused(path: bytes) -> None:
    """Rule 42."""
    with pytest.raises(DownstreamError, match="broken percent-escape"):
        normalise(path)


def test_an_encoded_nul_is_refused() -> None:
    """Rule 42."""
    with pytest.raises(DownstreamError, match="encoded NUL"):
        normalise(b"/a%00b")


def test_a_backslash_is_refused() -> None:
    """Rule 42: some origins read it as a slash."""
    with pytest.raises(DownstreamError, match="backslash"):
        normalise(b"/a\\..\\b")


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        (b"http://a", (b"a", b"/")),
        (b"http://a/", (b"a", b"/")),
        (b"HTTP://a:80/b?c", (b"a:80", b"/b?c")),
        (b"https://a?b/c", (b"a", b"/?b/c")),
        (b"http://a//b", (b"a", b"//b")),
        (b"http://[::1]:8/b", (b"[::1]:8", b"/b")),
    ],
)
def test_an_absolute_target_is_split(target: bytes, parts: tuple[bytes, bytes]) -> None:
    """Rule 4."""
    assert parts == split_absolute(target)


@pytest.mark.parametrize("target", [b"a", b"a:80", b"ftp://a/", b"http:/a", b"://a", b"http:///a", b"http://?a"])
def test_a_target_of_another_form_is_refused(target: bytes) -> None:
    """Rule 4."""
    with pytest.raises(DownstreamError) as caught:
        split_absolute(target)

    assert 400 == caught.value.status
