"""Verbs to a running proxy, against a pretended admin on a real socket: exit codes, output, what was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import switching, watching
from proxy.cli.main import main
from tests.kit.pretended_admin import PretendedAdmin, pretended_admin

PROBLEM = "application/problem+json"
SHOP = {
    "service": "shop",
    "stable": "v1",
    "candidate": "v2",
    "phase": "progressing",
    "step": 0,
    "weights": {"v1": 95.0, "v2": 5.0},
    "observed": {},
    "waiting_for": "12 of 20 requests",
}
MORE = SHOP | {"step": 1, "weights": {"v1": 50.0, "v2": 50.0}}
PROMOTED = SHOP | {"stable": "v2", "candidate": "", "phase": "stable", "weights": {"v2": 100.0}, "waiting_for": ""}
ROLLED_BACK = SHOP | {"phase": "rolled_back", "weights": {"v1": 100.0}, "waiting_for": ""}


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedAdmin]:
    """A pretended admin that the environment names."""
    with pretended_admin() as running:
        monkeypatch.setenv("HEADGATE_ADMIN", running.url)
        monkeypatch.delenv("HEADGATE_TOKEN", raising=False)
        yield running


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as ended:
        main.main(list(args))
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


def test_reload_prints_the_old_and_the_new_digest(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says("POST /-/reload", {"old_digest": "a" * 64, "new_digest": "b" * 64})

    assert (0, f"reloaded: digest {'a' * 12} -> {'b' * 12}\n", "") == call(capsys, "reload")


def test_reload_prints_every_mistake(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    mistakes = [{"file": "h.yaml", "line": 3, "column": 5, "key": "services.shop", "text": "wrong"}]
    admin.says("POST /-/reload", {"title": "Invalid", "detail": "1 mistake", "mistakes": mistakes}, status=422, media=PROBLEM)

    code, out, _ = call(capsys, "reload")

    assert (1, "h.yaml:3:5: services.shop: wrong") == (code, out.splitlines()[0])


def test_status_shows_every_service(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says("GET /api/v1/status", {"services": [SHOP]})

    code, out, _ = call(capsys, "status")

    assert (0, True) == (code, "waits for: 12 of 20 requests" in out)


def test_status_as_json_is_the_admin_s_own_word(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says("GET /api/v1/services/shop", SHOP)

    code, out, _ = call(capsys, "status", "shop", "--output", "json")

    assert (0, SHOP) == (code, json.loads(out))


def test_a_service_s_name_is_one_path_segment(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "status", "a/../b")

    assert "GET /api/v1/services/a%2F..%2Fb" == admin.asked[0][0]


def test_an_unknown_service_is_one_line_and_exit_1(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says("GET /api/v1/services/x", {"detail": "no service x; there are: shop"}, status=404, media=PROBLEM)

    assert (1, "", "headgate: no service x; there are: shop\n") == call(capsys, "status", "x")


def test_a_watch_appends_when_it_is_not_on_a_terminal(
    admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.says("GET /api/v1/services/shop", [SHOP, SHOP | {"waiting_for": "13 of 20 requests"}, MORE])
    naps = iter([None, None])

    def nap(_: float) -> None:
        try:
            next(naps)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(watching.time, "sleep", nap)

    code, out, _ = call(capsys, "status", "shop", "--watch", "--output", "json")

    assert (130, [SHOP, MORE]) == (code, [json.loads(line) for line in out.splitlines()])


def test_a_ready_proxy_is_healthy(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says("GET /-/ready", b"ready\n", media="text/plain")

    assert (0, "ready\n", "") == call(capsys, "healthcheck")


def test_a_proxy_that_is_not_ready_is_exit_1(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says("GET /-/ready", {"detail": "1 of 2 workers"}, status=503, media=PROBLEM)

    code, out, _ = call(capsys, "healthcheck")

    assert (1, True) == (code, "1 of 2 workers" in out)


def test_the_live_check_asks_another_question(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says("GET /-/healthy", b"ok", media="text/plain")

    assert (0, "GET /-/healthy") == (call(capsys, "healthcheck", "--live")[0], admin.asked[0][0])


@pytest.mark.parametrize(
    ("args", "line", "body"),
    [
        (["start", "shop", "--to", "v2"], "start", {"to": "v2"}),
        (["promote", "shop"], "promote", {}),
        (["promote", "shop", "--full"], "promote", {"full": True}),
        (["pause", "shop"], "pause", {}),
        (["pause", "shop", "--reason", "lunch"], "pause", {"reason": "lunch"}),
        (["resume", "shop"], "resume", {}),
        (["abort", "shop", "--reason", "slow"], "abort", {"reason": "slow"}),
        (["retry", "shop"], "retry", {}),
        (["retry", "shop", "--force"], "retry", {"force": True}),
        (["start", "shop", "--to", "v2", "--force"], "start", {"to": "v2", "force": True}),
        (["promote", "shop", "--full", "--force"], "promote", {"full": True, "force": True}),
        (["undo", "shop"], "undo", {}),
        (["undo", "shop", "--to", "12", "--force"], "undo", {"to": "12", "force": True}),
    ],
)
def test_a_rollout_verb_is_one_call(
    admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], args: list[str], line: str, body: dict[str, Any]
) -> None:
    admin.says(f"POST /api/v1/services/shop/rollout/{line}", SHOP)

    code, _, _ = call(capsys, "rollout", *args)

    assert (0, [(f"POST /api/v1/services/shop/rollout/{line}", body, None)]) == (code, admin.asked)


def test_what_cannot_be_done_now_is_said_in_the_proxy_s_words(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says("POST /api/v1/services/shop/rollout/promote", {"detail": "nothing is running"}, status=409, media=PROBLEM)

    assert (1, "", "headgate: nothing is running\n") == call(capsys, "rollout", "promote", "shop")


@pytest.mark.parametrize(("last", "expected"), [(PROMOTED, 0), (ROLLED_BACK, 1)])
def test_a_watch_ends_as_the_rollout_does(
    admin: PretendedAdmin,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    last: dict[str, Any],
    expected: int,
) -> None:
    monkeypatch.setattr(watching.time, "sleep", lambda _: None)
    admin.says("GET /api/v1/services/shop", [SHOP, SHOP, last])

    assert expected == call(capsys, "rollout", "watch", "shop")[0]


def test_start_can_wait_for_the_end(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching.time, "sleep", lambda _: None)
    admin.says("POST /api/v1/services/shop/rollout/start", SHOP)
    admin.says("GET /api/v1/services/shop", [SHOP, ROLLED_BACK])

    assert 1 == call(capsys, "rollout", "start", "shop", "--to", "v2", "--wait")[0]


def test_history_shows_every_decision(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    revisions = [{"revision": 2, "kind": "rolled_back", "reason": "5 failures", "at": 1.7e9}, {"revision": 1, "kind": "started"}]
    admin.says("GET /api/v1/services/shop/history", {"revisions": revisions})

    code, out, _ = call(capsys, "rollout", "history", "shop")

    assert (0, ["2", "5", "1"]) == (code, [line.split()[0] for line in out.splitlines() if line.strip()])


def test_a_configuration_with_mistakes_still_says_where_its_proxy_is(
    admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HEADGATE_ADMIN")
    address = admin.url.removeprefix("http://")
    (tmp_path / "broken.yaml").write_text(f"admin: {{address: '{address}'}}\nlisteners: 3\n")
    admin.says("POST /-/reload", {"old_digest": "a", "new_digest": "a"})

    assert 0 == call(capsys, "reload", "--config", str(tmp_path / "broken.yaml"))[0]


def test_a_named_configuration_that_is_missing_is_not_passed_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HEADGATE_ADMIN", raising=False)

    code, _, err = call(capsys, "status", "--config", str(tmp_path / "gone.yaml"))

    assert (1, True) == (code, "gone.yaml" in err)


def test_switch_says_where_to_and_why_and_tells_how_it_went(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says("POST /api/v1/services/shop/switch", PROMOTED | {"last_switch": None})
    admin.says("GET /api/v1/services/shop", PROMOTED | {"last_switch": None})
    code, out, _ = call(capsys, "switch", "shop", "--to", "v2", "--reason", "release night", "--force")

    assert (0, "shop: v2 has everything\n") == (code, out)
    assert {"to": "v2", "reason": "release night", "force": True} == admin.asked[0][1]


def test_switch_waits_a_moment_for_the_first_request_to_the_new_version(
    admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "LOOK_S", 0.001)
    seen = {"took_s": 0.01, "held": 0, "hold_s_max": 0.0, "watched_at_s": 0.0, "old_last_at_s": 1.0, "new_first_at_s": None}
    admin.says("POST /api/v1/services/shop/switch", PROMOTED | {"last_switch": seen})
    looks = [PROMOTED | {"last_switch": seen}, PROMOTED | {"last_switch": seen | {"new_first_at_s": 1.25}}]
    admin.says("GET /api/v1/services/shop", looks)

    assert "first to the new one 00:00:01.250Z" in call(capsys, "switch", "shop", "--to", "v2")[1]


def test_a_switch_that_is_refused_says_so_and_ends_with_1(admin: PretendedAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.says("POST /api/v1/services/shop/switch", {"title": "No", "detail": "v2 is stable already"}, status=409, media=PROBLEM)
    code, _, error = call(capsys, "switch", "shop", "--to", "v2")

    assert (1, True) == (code, "v2 is stable already" in error)


@pytest.mark.parametrize("verb", ["retry", "undo"])
def test_whatever_begins_a_rollout_can_wait_for_its_end(
    admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(watching.time, "sleep", lambda _: None)
    admin.says(f"POST /api/v1/services/shop/rollout/{verb}", SHOP)
    admin.says("GET /api/v1/services/shop", [SHOP, ROLLED_BACK])

    assert 1 == call(capsys, "rollout", verb, "shop", "--wait")[0]


def test_an_undo_that_was_done_at_once_is_done(
    admin: PretendedAdmin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching.time, "sleep", lambda _: None)
    admin.says("POST /api/v1/services/shop/rollout/undo", PROMOTED)
    admin.says("GET /api/v1/services/shop", PROMOTED)

    assert 0 == call(capsys, "rollout", "undo", "shop", "--wait")[0]
