"""What is wrong with a file that TLS settings name is told at its place in the configuration, for listeners and services alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from proxy import limits
from proxy.config import ConfigInvalid, load
from tests.kit.certificates import Authority

TEXT = """\
listeners:
  - name: web
    address: 127.0.0.1:8443
    tls:
      certificates:
        - {cert: FOLDER/site.pem, key: FOLDER/site.key}
        - {cert: FOLDER/blog.pem, key: FOLDER/blog.key}
      client: {ca: FOLDER/clients.pem}
services:
  shop:
    versions: {v1: {endpoints: ["https://127.0.0.1:9001"]}}
    target: v1
    tls:
      ca: FOLDER/origins.pem
      cert: FOLDER/us.pem
      key: FOLDER/us.key
routes: [{match: {}, service: shop}]
"""
KEYS = {
    "site.pem": "listeners[0].tls.certificates[0].cert",
    "site.key": "listeners[0].tls.certificates[0].key",
    "blog.key": "listeners[0].tls.certificates[1].key",
    "clients.pem": "listeners[0].tls.client.ca",
    "origins.pem": "services.shop.tls.ca",
    "us.pem": "services.shop.tls.cert",
    "us.key": "services.shop.tls.key",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration whose files are all as they should be."""
    authority = Authority(tmp_path, "origins")
    for name in ("site", "blog", "us"):
        authority.issue(f"{name}.test", file=name)
    Authority(tmp_path, "clients")
    made = tmp_path / "headgate.yaml"
    made.write_text(TEXT.replace("FOLDER", str(tmp_path)))
    return made


def mistakes(file: Path) -> list[tuple[str, str]]:
    """Keys and words."""
    with pytest.raises(ConfigInvalid) as raised:
        load(file, env={}, to_serve=True)
    assert {str(file)} == {str(mistake.file) for mistake in raised.value.mistakes}
    assert all(mistake.line > 1 and mistake.column > 1 for mistake in raised.value.mistakes)
    return [(mistake.key, mistake.text) for mistake in raised.value.mistakes]


def encrypt(key: Path) -> None:
    made = serialization.load_pem_private_key(key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n" * limits.TLS_FILE_BYTES_MAX)


def replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def spoil(path: Path) -> None:
    first, *_, last = path.read_bytes().splitlines()
    path.write_bytes(first + b"\nbm9uc2Vuc2U=\n" + last + b"\n")


def test_files_that_can_be_used_are_no_mistake(file: Path) -> None:
    assert 1 == len(load(file, env={}, to_serve=True).listeners)


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (Path.unlink, "cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(b"\x30\x82 no PEM"), "in PEM form"),
        (spoil, ""),
        (grow, "is over 4194304 bytes"),
        (replace_by_a_pipe, "is no file"),
    ],
    ids=["missing", "not PEM", "spoilt", "large", "a pipe"],
)
def test_a_file_that_is_of_no_use_is_told_where_it_is_named(file: Path, name: str, harm: Callable[[Path], object], words: str) -> None:
    harm(file.parent / name)
    ((key, text),) = mistakes(file)

    assert KEYS[name] == key
    assert str(file.parent / name) in text
    assert words in text


@pytest.mark.parametrize("name", ["site.key", "blog.key", "us.key"])
def test_a_key_with_a_password_is_told_without_asking_for_it(file: Path, name: str) -> None:
    encrypt(file.parent / name)
    ((key, text),) = mistakes(file)

    assert KEYS[name] == key
    assert "is encrypted" in text


@pytest.mark.parametrize(("name", "other"), [("site.key", "blog.key"), ("us.key", "site.key")])
def test_a_key_of_another_certificate_is_told(file: Path, name: str, other: str) -> None:
    (file.parent / name).write_bytes((file.parent / other).read_bytes())
    ((key, text),) = mistakes(file)

    assert KEYS[name] == key
    assert "is not the key of the certificate in" in text


def test_every_bad_file_is_told_at_once(file: Path) -> None:
    for name in KEYS:
        (file.parent / name).unlink()

    assert set(KEYS.values()) == {key for key, _ in mistakes(file)}


def test_who_only_reads_a_configuration_need_not_be_able_to_read_its_keys(file: Path) -> None:
    (file.parent / "site.key").unlink()

    assert 1 == len(load(file, env={}).listeners)


def test_settings_that_were_refused_are_not_held_against_their_files(file: Path) -> None:
    file.write_text(file.read_text().replace("ca: " + str(file.parent / "origins.pem"), "ca: []"))

    assert ["services.shop.tls.ca"] == [key for key, _ in mistakes(file)]
