"""Which proxy is meant, and with what right."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy import limits
from proxy.cli.address import Address, find, of_admin, parse, read_token
from proxy.errors import OperatorError
from proxy.model.intent import Admin


def nothing() -> None:
    """There is no configuration."""


def never() -> tuple[Admin, str]:
    """For cases that must not read the configuration."""
    raise AssertionError("the configuration was read although something before it answers")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:9900", "http://127.0.0.1:9900"),
        ("127.0.0.1:9900", "http://127.0.0.1:9900"),
        ("http://proxy.example/", "http://proxy.example:80"),
        ("http://[::1]:9900", "http://[::1]:9900"),
        ("unix:/run/headgate.sock", "unix:/run/headgate.sock"),
    ],
)
def test_an_address_is_read(text: str, expected: str) -> None:
    assert expected == str(parse(text, why="--admin"))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("https://127.0.0.1:9900", "plain http"),
        ("http://127.0.0.1:99000", "not an address"),
        ("http://127.0.0.1:9900/api", "not an address"),
        ("http://user:secret@127.0.0.1:9900", "not an address"),
        ("unix:", "names no socket"),
        ("", "not an address"),
    ],
)
def test_what_is_not_an_address_is_refused_with_what_is_allowed(text: str, wrong: str) -> None:
    with pytest.raises(OperatorError, match=f"--admin: .*{wrong}.*allowed|--admin: .*plain http; allowed"):
        parse(text, why="--admin")


def test_the_option_comes_before_the_environment() -> None:
    found = find("http://a:1", None, env={"HEADGATE_ADMIN": "http://b:2"}, configured=never)

    assert "http://a:1" == str(found.address)


def test_the_environment_comes_before_the_configuration() -> None:
    found = find(None, None, env={"HEADGATE_ADMIN": "http://b:2"}, configured=never)

    assert "http://b:2" == str(found.address)


def test_the_configuration_comes_before_the_default() -> None:
    found = find(None, None, env={}, configured=lambda: (Admin(port=9911), "admin of headgate.yaml"))

    assert ("http://127.0.0.1:9911", "admin of headgate.yaml") == (str(found.address), found.address.why)


def test_the_default_is_port_9900_of_this_machine() -> None:
    found = find(None, None, env={}, configured=nothing)

    assert "http://127.0.0.1:9900" == str(found.address)


@pytest.mark.parametrize(("host", "reached"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.7", "10.0.0.7")])
def test_a_wildcard_admin_is_reached_over_loopback(host: str, reached: str) -> None:
    assert reached == of_admin(Admin(host=host), why="").host


def test_a_unix_admin_is_reached_by_its_path() -> None:
    assert Address(unix="/run/h.sock", why="x") == of_admin(Admin(unix="/run/h.sock"), why="x")


def test_the_token_file_comes_before_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")

    found = find("http://a:1", str(tmp_path / "token"), env={"HEADGATE_TOKEN": "from-env"}, configured=never)

    assert "from-file" == found.token


def test_the_token_of_the_environment_is_used() -> None:
    assert "from-env" == find("http://a:1", None, env={"HEADGATE_TOKEN": "from-env"}, configured=never).token


def test_the_configured_token_file_goes_with_the_configured_address(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("configured")
    admin = Admin(token_file=str(tmp_path / "token"))

    assert "configured" == find(None, None, env={}, configured=lambda: (admin, "admin of f")).token


def test_no_token_is_sent_to_an_address_that_was_named() -> None:
    assert "" == find("http://elsewhere:1", None, env={}, configured=never).token


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"--token-file: .*gone: No such file"):
        read_token(tmp_path / "gone", why="--token-file")


@pytest.mark.parametrize("content", ["", " \n", "two words", "a\nb: injected"])
def test_a_file_without_one_word_is_not_a_token(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)

    with pytest.raises(OperatorError, match="one word of printable ASCII"):
        read_token(tmp_path / "token", why="--token-file")


def test_a_token_file_is_not_read_beyond_its_bound(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x" * (limits.TOKEN_BYTES_MAX + 1))

    with pytest.raises(OperatorError, match="holds one token"):
        read_token(tmp_path / "token", why="--token-file")
