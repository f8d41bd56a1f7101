"""``rollout explain`` against a pretended admin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

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


POINT = {
    "at_s": 10.0,
    "phase": "progressing",
    "step": 0,
    "weight_bp": 500,
    "rows": {"500": {"candidate_requests": 9}},
    "stretch": {"seconds": 10.0},
}
RECORDED = TOLD | {
    "from": "v1",
    "to": "v2",
    "outcome": "rolled_back",
    "started_at": 0.0,
    "ended_at": 10.0,
    "plan": {"steps": [{"type": "weight", "weight_bp": 500}]},
    "recorded": {"interval_s": 10.0, "points": [POINT]},
}
OTHER = """
listeners: [{name: web, address: "127.0.0.1:8080"}]
services:
  shop:
    versions: {v1: {endpoints: ["http://127.0.0.1:1"]}, v2: {endpoints: ["http://127.0.0.1:2"]}}
    target: v1
    rollout: {steps: [{weight: 5, for: 5s}]}
routes: [{match: {path_prefix: /}, service: shop}]
"""


@pytest.fixture
def other(tmp_path: Path) -> str:
    path = tmp_path / "other.yaml"
    path.write_text(OTHER, encoding="utf-8")
    return str(path)


def test_another_plan_is_played_on_the_same_figures(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], other: str) -> None:
    admin.says(f"GET {HISTORY}/9/explanation", RECORDED)
    code, out, _ = call(capsys, "shop", "9", "--with", other)

    assert (0, True, True) == (code, "recorded:  rolled back  +10.0 s" in out, f"with {other}:  promoted  +10.0 s" in out), out


def test_as_json_both_ends_are_there(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], other: str) -> None:
    admin.says(f"GET {HISTORY}/9/explanation", RECORDED)
    said = json.loads(call(capsys, "shop", "9", "--with", other, "--output", "json")[1])

    assert ("rolled_back", "promoted", other) == (said["recorded"]["outcome"], said["with"]["end"], said["with"]["configuration"])


def test_a_configuration_without_the_service_is_refused(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], other: str) -> None:
    admin.says("GET /api/v1/services/cart/history/9/explanation", RECORDED)

    assert (1, "", f"headgate: {other} has no service 'cart', so there is no plan to play\n") == call(
        capsys, "cart", "9", "--with", other
    )


def test_where_nothing_was_kept_nothing_can_be_played(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], other: str) -> None:
    admin.says(f"GET {HISTORY}/9/explanation", RECORDED | {"recorded": None})
    code, _, err = call(capsys, "shop", "9", "--with", other)

    assert (1, "headgate: nothing is kept of how rollout 3 went, so no other plan can be played on it\n") == (code, err)


def test_a_configuration_with_mistakes_is_told_with_all_of_them(
    admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text("listenerz: []\n", encoding="utf-8")
    admin.says(f"GET {HISTORY}/9/explanation", RECORDED)
    code, _, err = call(capsys, "shop", "9", "--with", str(tmp_path / "bad.yaml"))

    assert (1, True) == (code, "listenerz" in err)
