"""The admin API over real HTTP: what is answered, what is refused, and who the history names."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec.structs import replace

from proxy import limits
from proxy.admin.access import Gate, Token
from proxy.admin.app import build
from proxy.config import effective
from proxy.model.intent import Admin
from tests.kit.control_bench import Bench, bench, intent, service, version

pytestmark = pytest.mark.asyncio

Client = TestClient[web.Request, web.Application]
BASE = "/api/v1/services/shop"
ME = f"user {pwd.getpwuid(os.getuid()).pw_name}"


@asynccontextmanager
async def api(b: Bench, admin: Admin | None = None, token: Token | None = None) -> AsyncIterator[Client]:
    """A client of the API over that bench's loop."""
    async with TestClient(TestServer(build(b.control, Gate(admin or Admin(), token)))) as client:
        yield client


async def ask(client: Client, method: str, path: str, **more: Any) -> tuple[int, Any]:
    async with client.request(method, path, **more) as response:
        body = await response.text()
        if response.content_type.endswith("json"):
            return response.status, await response.json(content_type=None)
        return response.status, body


async def test_it_is_healthy_while_it_is_not_ready() -> None:
    async with bench(up=False) as b, api(b) as client:
        assert (200, 503) == ((await ask(client, "GET", "/-/healthy"))[0], (await ask(client, "GET", "/-/ready"))[0])


async def test_it_is_ready_with_its_workers_and_not_while_draining() -> None:
    async with bench() as b, api(b) as client:
        ready = await ask(client, "GET", "/-/ready")
        b.control.draining = True

        assert ((200, "ready\n"), (503, "draining\n")) == (ready, await ask(client, "GET", "/-/ready"))


async def test_a_rollout_is_operated_and_the_history_names_who() -> None:
    async with bench() as b, api(b) as client:
        steps = [
            await ask(client, "POST", f"{BASE}/rollout/start", json={"to": "v2"}),
            await ask(client, "POST", f"{BASE}/rollout/pause", json={}),
            await ask(client, "POST", f"{BASE}/rollout/resume"),
            await ask(client, "POST", f"{BASE}/rollout/promote", json={}),
            await ask(client, "POST", f"{BASE}/rollout/abort", json={"reason": "nerves"}, headers={"X-Headgate-User": "ada"}),
            await ask(client, "POST", f"{BASE}/rollout/retry", json={}),
            await ask(client, "POST", f"{BASE}/rollout/promote", json={"full": True}),
        ]
        _, history = await ask(client, "GET", f"{BASE}/history")
        by = {line["by"] for line in history["revisions"]}

        assert [200] * 7 == [status for status, _ in steps]
        assert ["progressing", "paused", "progressing", "progressing", "rolled_back", "progressing", "stable"] == [
            view["phase"] for _, view in steps
        ]
        assert ("v2", {ME, f"{ME} (claimed: ada)"}) == (steps[-1][1]["stable"], by - {"headgate", "configuration"})


async def test_a_decision_is_shown_with_its_figures() -> None:
    async with bench() as b, api(b) as client:
        await b.target("v2")
        await b.report(b.cell("v2", bad=20), b.cell("v1", ok=100))
        status, shown = await ask(client, "GET", f"{BASE}/history/3")

        assert (200, 3, 20) == (status, shown["revision"], shown["figures"]["candidate_failures"])


async def test_status_config_and_description_are_answered() -> None:
    async with bench() as b, api(b) as client:
        answers = [await ask(client, "GET", path) for path in ("/api/v1/status", "/api/v1/config", "/openapi.json", BASE)]

        assert [200] * 4 == [status for status, _ in answers]
        assert ("v1", "shop") == (answers[1][1]["services"]["shop"]["target"], answers[3][1]["service"])


async def test_a_scrape_is_prometheus_text_and_asks_workers_first() -> None:
    async with bench() as b, api(b) as client:
        asked = []

        async def collect(timeout_s: float) -> bool:
            asked.append(timeout_s)
            return True

        b.workers.collect = collect  # type: ignore[method-assign]  # to see that it is asked
        async with client.get("/metrics") as response:
            kind, text = response.headers["Content-Type"], await response.text()

        assert ([limits.COLLECT_TIMEOUT_S], True, True) == (
            asked,
            kind.startswith("text/plain; version="),
            "headgate_build_info{" in text,
        )


async def test_a_reload_answers_both_digests() -> None:
    async with bench() as b, api(b) as client:
        status, body = await ask(client, "POST", "/-/reload", json={})

        assert (200, "unchanged", "d1", "d1") == (status, body["outcome"], body["old_digest"], body["new_digest"])


async def test_a_refused_reload_is_a_problem_with_its_mistakes() -> None:
    from proxy.config import ConfigInvalid, Mistake

    async with bench() as b, api(b) as client:
        b.file = ConfigInvalid((Mistake("c.yaml", 3, 5, "services.shop.target", "v9 is no version"),))
        status, body = await ask(client, "POST", "/-/reload")
        mistake = {"file": "c.yaml", "line": 3, "column": 5, "key": "services.shop.target", "text": "v9 is no version"}

        assert (422, [mistake], "d1") == (status, body["mistakes"], body["old_digest"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/nowhere", None, 404, "/openapi.json lists"),
        ("GET", "/api/v1/services/nosuch", None, 404, "there is shop"),
        ("GET", f"{BASE}/history/99", None, 404, "no revision 99"),
        ("GET", f"{BASE}/history/x", None, 400, "revision is a number"),
        ("GET", f"{BASE}/history?limit=0", None, 400, "limit is a number"),
        ("POST", f"{BASE}/rollout/start", b"{}", 400, "to"),
        ("POST", f"{BASE}/rollout/start", b'{"to":"v9"}', 404, "it has v1, v2"),
        ("POST", f"{BASE}/rollout/start", b'{"to":"v2","now":true}', 400, "allowed: to"),
        ("POST", f"{BASE}/rollout/start", b'{"to":2}', 400, "Expected `str`"),
        ("POST", f"{BASE}/rollout/start", b"[", 400, "the body is not what"),
        ("POST", f"{BASE}/rollout/pause", b"{}", 409, "possible now: start"),
        ("POST", f"{BASE}/rollout/dance", b"{}", 404, "nothing is at"),
        ("POST", f"{BASE}/rollout/abort", b'{"reason":"' + b"x" * 2000 + b'"}', 400, "at most 1000"),
        ("POST", "/-/reload", b'{"force":true}', 400, "allowed: {}"),
        ("POST", "/-/reload", b" " * 100_000, 413, "exceeded"),
    ],
)
async def test_what_cannot_be_done_is_a_problem_that_says_so(
    method: str, path: str, body: bytes | None, status: int, text: str
) -> None:
    async with bench() as b, api(b) as client:
        got, problem = await ask(client, method, path, data=body)

        assert (status, status, True) == (got, problem["status"], text in problem["detail"]), problem


async def test_a_wrong_method_is_told_the_right_one() -> None:
    async with bench() as b, api(b) as client, client.get("/-/reload") as response:
        assert (405, "POST", "application/problem+json") == (response.status, response.headers["Allow"], response.content_type)


async def test_a_token_is_asked_for_everywhere_but_at_the_probes(tmp_path: Any) -> None:
    (tmp_path / "token").write_text("secret")
    async with bench() as b, api(b, token=Token(tmp_path / "token")) as client:
        paths = ("/-/healthy", "/-/ready", "/metrics", "/openapi.json", "/api/v1/status", "/api/v1/config")
        without = [(await ask(client, "GET", path))[0] for path in paths]
        wrong = (await ask(client, "GET", "/metrics", headers={"Authorization": "Bearer wrong"}))[0]
        right = (await ask(client, "GET", "/metrics", headers={"Authorization": "bearer secret"}))[0]
        write = (await ask(client, "POST", "/-/reload"))[0]

        assert ([200, 200, 401, 401, 401, 401], 401, 200, 401) == (without, wrong, right, write)


async def test_the_history_names_the_token_by_its_file(tmp_path: Any) -> None:
    (tmp_path / "deploy-bot").write_text("secret")
    async with bench() as b, api(b, token=Token(tmp_path / "deploy-bot")) as client:
        headers = {"Authorization": "Bearer secret", "X-Headgate-User": "ada"}
        await ask(client, "POST", f"{BASE}/rollout/start", json={"to": "v2"}, headers=headers)

        assert "token deploy-bot (claimed: ada)" == b.store.history("shop", 1)[0].by


@pytest.mark.parametrize(
    ("to", "text"),
    [
        ("v9", "service shop has no version 'v9'; it has v1, v2, and its history has revisions 1 to 1"),
        ("7", "service shop has no revision 7; its history has revisions 1 to 1, and its versions are v1, v2"),
        (7, "service shop has no revision 7; its history has revisions 1 to 1, and its versions are v1, v2"),
    ],
)
async def test_an_undo_to_what_there_is_not_says_what_there_is(to: str | int, text: str) -> None:
    async with bench() as b, api(b) as client:
        status, problem = await ask(client, "POST", f"{BASE}/rollout/undo", json={"to": to})

        assert (404, text) == (status, problem["detail"])


async def test_a_version_that_does_not_run_on_the_schema_needs_force() -> None:
    versions = (version("v1"), replace(version("v2"), runs_on=(12,)))
    async with bench(intent(replace(service(), versions=versions, schema=13))) as b, api(b) as client:
        refused = await ask(client, "POST", f"{BASE}/rollout/start", json={"to": "v2"})
        forced = await ask(client, "POST", f"{BASE}/rollout/start", json={"to": "v2", "force": True})

        assert (409, 200) == (refused[0], forced[0])
        assert refused[1]["detail"].startswith("shop: cannot start: v2 runs on schema 12, and shop is at schema 13; ")
        assert "v2 runs on schema 12, and shop is at schema 13" == b.store.history("shop", 1)[0].figures["forced"]


async def test_a_missing_token_is_asked_for_by_its_scheme(tmp_path: Any) -> None:
    (tmp_path / "token").write_text("secret")
    async with bench() as b, api(b, token=Token(tmp_path / "token")) as client, client.get("/metrics") as response:
        assert "Bearer" == response.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:9900", "Origin": "http://evil.example:9900"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_page_of_another_site_or_name_cannot_write(headers: dict[str, str]) -> None:
    async with bench() as b, api(b) as client:
        status, _ = await ask(client, "POST", f"{BASE}/rollout/start", json={"to": "v2"}, headers=headers)

        assert (403, "") == (status, b.position().candidate)


async def test_a_rebound_name_cannot_read_the_configuration() -> None:
    async with bench() as b, api(b) as client:
        assert 403 == (await ask(client, "GET", "/api/v1/config", headers={"Host": "evil.example"}))[0]


async def test_a_command_that_takes_too_long_is_told_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADMIN_COMMAND_TIMEOUT_S", 0.05)
    async with bench() as b, api(b) as client:
        stuck = asyncio.Event()

        async def prepare(*_: object) -> object:
            await stuck.wait()
            raise AssertionError("not reached")

        b.workers.prepare = prepare  # type: ignore[method-assign,assignment]  # workers that hang
        status, problem = await ask(client, "POST", f"{BASE}/rollout/start", json={"to": "v2"})

        assert (503, True) == (status, "/api/v1/status" in problem["detail"])


async def test_a_configuration_is_compared_with_what_runs_and_changes_nothing() -> None:
    async with bench() as b, api(b) as client:
        shown = effective(b.control.intent)
        shown["services"]["shop"]["target"] = "v2"
        before = b.control.generation
        status, found = await ask(client, "POST", "/api/v1/config/diff", json=shown)
        _, same = await ask(client, "POST", "/api/v1/config/diff", json=effective(b.control.intent))

        assert (200, ["started"], True, before) == (
            status,
            [record["kind"] for record in found["rollouts"][0]["records"]],
            same["same"],
            b.control.generation,
        )


async def test_a_configuration_with_mistakes_is_not_compared() -> None:
    async with bench() as b, api(b) as client:
        status, found = await ask(client, "POST", "/api/v1/config/diff", data=b"listeners: 1\n")

        assert (422, "body", 1) == (status, found["mistakes"][0]["file"], found["mistakes"][0]["line"])


async def test_a_configuration_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONFIG_BYTES_MAX", 100)
    async with bench() as b, api(b) as client:
        assert 413 == (await ask(client, "POST", "/api/v1/config/diff", data=b"#" * 101))[0]


async def test_a_configuration_may_be_larger_than_a_command() -> None:
    async with bench() as b, api(b) as client:
        padded = json.dumps(effective(b.control.intent)) + " " * limits.ADMIN_BODY_BYTES_MAX

        assert 200 == (await ask(client, "POST", "/api/v1/config/diff", data=padded.encode()))[0]
