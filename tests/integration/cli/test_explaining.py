"""``rollout explain`` against a pretended admin."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from proxy.cli.main import main
from tests.kit.pretended_admin import PretendedAdmin, pretended_admin

HISTORY = "/api/v1/services/shop/history"
TOLD = {"service": "shop", "revision": 9, "rollout": 3, "outcome": "promoted", "summary": ["All went well."], "story": []}


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedAdmin]:
    with pretended_admin() as running:
        monkeypatch.setenv("HEADGATE_ADMIN", running.url)
        yield running


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["rollout", "explain", *args])
    out, err = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, out, err


def test_a_revision_is_explained(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says(f"GET {HISTORY}/9/explanation", TOLD)
    code, out, _ = call(capsys, "shop", "9")

    assert (0, True) == (code, "  All went well." in out)


def test_without_one_the_latest_is(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says(f"GET {HISTORY}?limit=1", {"revisions": [{"revision": 12}]})
    admin.says(f"GET {HISTORY}/12/explanation", TOLD)
    code, out, _ = call(capsys, "shop", "--output", "json")

    assert (0, TOLD) == (code, json.loads(out))


def test_where_nothing_was_decided_there_is_nothing_to_explain(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says(f"GET {HISTORY}?limit=1", {"revisions": []})

    assert (1, "", "headgate: shop: nothing has been decided yet, so there is nothing to explain\n") == call(capsys, "shop")


@pytest.mark.parametrize("revision", ["0", "-1", "last"])
def test_what_is_no_revision_is_wrong_usage(capsys: pytest.CaptureFixture[str], revision: str) -> None:
    assert 2 == call(capsys, "shop", revision)[0]
