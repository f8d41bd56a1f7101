"""Who may: tokens that rotate, pages that may not write, and names for the history."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.admin.access import Token, check_origin, host_name, is_loopback
from proxy.admin.problems import Problem
from proxy.errors import OperatorError


def test_a_token_matches_itself_only(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    token = Token(tmp_path / "token")

    assert [True, False, False, False] == [token.matches(given) for given in ("secret", "secre", "", "sécret")]


def test_a_rotated_token_is_in_force_at_once(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    token = Token(path)
    (tmp_path / "new").write_text("new")
    os.replace(tmp_path / "new", path)

    assert (True, False) == (token.matches("new"), token.matches("old"))


@pytest.mark.parametrize("wreck", [lambda path: path.unlink(), lambda path: path.write_text("")])
def test_a_token_file_that_goes_away_or_is_emptied_opens_nothing(tmp_path: Path, wreck: object) -> None:
    path = tmp_path / "token"
    path.write_text("secret")
    token = Token(path)
    wreck(path)  # type: ignore[operator]  # one of the two above

    assert (True, False) == (token.matches("secret"), token.matches(""))


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_token_file_without_a_token_is_an_error_at_start(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "token").write_text(text)
    with pytest.raises(OperatorError, match=r"admin\.token_file"):
        Token(tmp_path / "token")


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        ("http://evil.example", None),
        ("null", None),
        ("http://localhost:9901", None),
        (None, "cross-site"),
        (None, "same-site"),
        ("http://localhost:9900", "cross-site"),
    ],
)
def test_a_page_of_another_site_may_not_write(origin: str | None, site: str | None) -> None:
    with pytest.raises(Problem, match="another site"):
        check_origin(origin, site, "localhost:9900")


@pytest.mark.parametrize(
    ("origin", "site"),
    [(None, None), ("http://localhost:9900", "same-origin"), ("http://LOCALHOST:9900", None), (None, "none")],
)
def test_our_own_page_and_a_command_line_may_write(origin: str | None, site: str | None) -> None:
    check_origin(origin, site, "localhost:9900")


@pytest.mark.parametrize(
    ("host", "name"), [("localhost:9900", "localhost"), ("[::1]:9900", "::1"), ("Example.COM", "example.com"), ("", "")]
)
def test_the_name_of_a_host_header_has_no_port(host: str, name: str) -> None:
    assert name == host_name(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, expected: bool) -> None:
    assert expected == is_loopback(host)


def test_a_token_is_compared_in_constant_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its bytes could be guessed one after another."""
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr("hmac.compare_digest", lambda one, other: bool(compared.append((one, other))) or one == other)
    file = tmp_path / "token"
    file.write_text("right\n")

    assert [False, True] == [Token(file).matches("wrong"), Token(file).matches("right")]
    assert [(b"wrong", b"right"), (b"right", b"right")] == compared
