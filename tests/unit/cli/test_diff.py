"""What ``diff`` asks and how it ends, against a client that answers from memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import diff
from proxy.cli.address import Found
from proxy.cli.main import main

TEXT = """\
listeners: [{name: web, address: "127.0.0.1:8080"}]
services: {shop: {versions: {v1: {endpoints: ["127.0.0.1:9001"]}}, target: v1}}
routes: [{match: {}, service: shop}]
"""
FOUND = {"same": False, "refused": [], "routes": [], "services": [], "rollouts": [], "other": [], "old_digest": "a"}


class Client:
    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.where = ""
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def at(self, found: Found) -> Client:
        """The one there is, wherever it was looked for."""
        self.where = str(found.address)
        return self

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((path, body))
        return self.answer


def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *args: str, text: str = TEXT, **found: Any) -> tuple[int, Client]:
    file = tmp_path / "h.yaml"
    file.write_text(text)
    client = Client(FOUND | found)
    monkeypatch.delenv("HEADGATE_ADMIN", raising=False)
    monkeypatch.delenv("HEADGATE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(diff, "AdminClient", lambda found, timeout_s: client.at(found))
    with pytest.raises(SystemExit) as ended:
        main.main(["diff", *(str(file) if arg == "FILE" else arg for arg in args)])
    assert isinstance(ended.value.code, int)
    return ended.value.code, client


def test_the_file_is_read_here_and_sent_with_its_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, client = call(monkeypatch, tmp_path, "FILE")

    assert (0, "/api/v1/config/diff", ["web"]) == (code, client.asked[0][0], [x["name"] for x in client.asked[0][1]["listeners"]])


@pytest.mark.parametrize(
    ("found", "args", "code"),
    [
        ({}, (), 0),
        ({"same": True}, ("--exit-code",), 0),
        ({}, ("--exit-code",), 1),
        ({"refused": ["workers: changed"]}, (), 1),
    ],
)
def test_it_ends_with_one_only_where_it_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: dict[str, Any], args: tuple[str, ...], code: int
) -> None:
    assert code == call(monkeypatch, tmp_path, "FILE", *args, **found)[0]


def test_an_invalid_file_is_not_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, client = call(monkeypatch, tmp_path, "FILE", text=TEXT.replace("target: v1", "target: v9"))

    assert (1, []) == (code, client.asked)
    assert "services.shop.target: 'v9' is no version of shop" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "port"), [(("FILE",), 9901), (("FILE", "--config", "running.yaml"), 9902), (("FILE", "--admin", "127.0.0.1:9903"), 9903)]
)
def test_a_file_that_is_only_looked_at_says_last_where_the_proxy_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, args: tuple[str, ...], port: int
) -> None:
    (tmp_path / "running.yaml").write_text(TEXT + "admin: {address: 127.0.0.1:9902}\n")

    _, client = call(monkeypatch, tmp_path, *args, text=TEXT + "admin: {address: 127.0.0.1:9901}\n")

    assert f"http://127.0.0.1:{port}" == client.where


def test_json_has_the_file_and_its_own_digest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, tmp_path, "FILE", "--output", "json")
    shown = json.loads(capsys.readouterr().out)

    assert (str(tmp_path / "h.yaml"), 64, "a") == (shown["file"], len(shown["new_digest"]), shown["old_digest"])
