"""``headgate shadow``: what it prints and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from proxy.cli import shadow as verb


class Proxy:
    """A running proxy that answers with one report."""

    def __init__(self, word: str | None) -> None:
        report = None if word is None else {"word": word, "reason": "why", "routes": []}
        self.body: dict[str, Any] = {"service": "shop", "shadow": None, "copies": {}, "report": report}
        self.asked: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        return self.body


def ended(monkeypatch: pytest.MonkeyPatch, word: str | None, *args: str) -> tuple[int, str]:
    proxy = Proxy(word)
    monkeypatch.setattr(verb, "connect", lambda *_: proxy)
    result = CliRunner().invoke(verb.shadow, ["a b", *args], standalone_mode=False)
    assert proxy.asked == ["/api/v1/services/a%20b/shadow"]
    return int(result.return_value), result.output


@pytest.mark.parametrize(("word", "plain", "strict"), [("same", 0, 0), ("cannot tell yet", 0, 1), ("different", 1, 1), (None, 0, 1)])
def test_a_pipeline_can_stand_on_its_end(monkeypatch: pytest.MonkeyPatch, word: str | None, plain: int, strict: int) -> None:
    assert (ended(monkeypatch, word)[0], ended(monkeypatch, word, "--require-same")[0]) == (plain, strict)


def test_json_is_the_apis_value(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(ended(monkeypatch, "same", "--output", "json")[1]) == Proxy("same").body


def test_people_get_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "same: why" in ended(monkeypatch, "same")[1]
