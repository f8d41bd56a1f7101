"""What becomes of an operator's word: looked up, guarded, decided, recorded."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from proxy.errors import OperatorError
from proxy.model.intent import Intent
from proxy.model.position import Phase
from proxy.model.rollout import FreezeWindow
from tests.kit.control_bench import PLAN, Bench, bench, intent, service, version


def shop(schema: int = 13, **more: object) -> Intent:
    """v1 runs on 12 and 13, v2 on 14 only."""
    versions = (replace(version("v1"), runs_on=(12, 13)), replace(version("v2"), runs_on=(14,)))
    return intent(replace(service(), versions=versions, schema=schema), **more)


def test_a_version_that_does_not_run_on_the_schema_is_not_started() -> None:
    async def story() -> None:
        async with bench(shop()) as b:
            with pytest.raises(
                OperatorError, match="shop: cannot start: v2 runs on schema 14, and shop is at schema 13; expand"
            ) as refused:
                await b.control.command("shop", "start", by="token", to="v2")

            assert "--force does it all the same" in str(refused.value)
            assert Phase.STABLE is b.position().phase
            assert [] == b.journal

    asyncio.run(story())


def test_by_force_it_is_started_and_the_history_says_so() -> None:
    async def story() -> None:
        async with bench(shop()) as b:
            await b.control.command("shop", "start", by="token", to="v2", force=True)
            last = b.store.history("shop", 1)[0]

            assert ("started", "token", "v2 runs on schema 14, and shop is at schema 13") == (
                last.kind,
                last.by,
                last.figures["forced"],
            )
            assert last.reason.endswith("; forced: v2 runs on schema 14, and shop is at schema 13")
            assert Phase.PROGRESSING is b.position().phase

    asyncio.run(story())


@pytest.mark.parametrize("verb", ["promote", "retry"])
def test_every_verb_that_makes_it_live_is_refused(verb: str) -> None:
    async def story() -> None:
        async with bench(shop()) as b:
            await b.control.command("shop", "start", by="token", to="v2", force=True)
            if verb == "retry":
                await b.control.command("shop", "abort", by="token", reason="x")
            before = b.position()
            with pytest.raises(OperatorError, match=f"shop: cannot {verb}: v2 runs on schema 14"):
                await b.control.command("shop", verb, by="token")

            assert before == b.position()

    asyncio.run(story())


def test_what_the_machine_refuses_is_refused_for_its_reason_not_the_schemas() -> None:
    async def story() -> None:
        async with bench(shop()) as b:
            with pytest.raises(OperatorError, match="cannot retry while it is stable"):
                await b.control.command("shop", "retry", by="token")

    asyncio.run(story())


def test_force_that_nothing_needed_is_not_in_the_history() -> None:
    async def story() -> None:
        async with bench(shop(schema=14)) as b:
            await b.control.command("shop", "start", by="token", to="v2", force=True)

            assert "forced" not in b.store.history("shop", 1)[0].figures

    asyncio.run(story())


def test_a_freeze_that_was_overruled_is_in_the_history_too() -> None:
    async def story() -> None:
        always = FreezeWindow(0, 7 * 24 * 60 - 1)
        async with bench(intent(service(rollout=replace(PLAN, freeze=(always,))))) as b:
            await b.control.command("shop", "start", by="token", to="v2", force=True)

            assert b.store.history("shop", 1)[0].figures["forced"].startswith("frozen until ")

    asyncio.run(story())


def test_a_reload_that_changes_the_schema_under_a_rollout_changes_nothing() -> None:
    async def story() -> None:
        async with bench(shop(schema=14)) as b:
            await b.control.command("shop", "start", by="token", to="v2")
            b.file = shop(schema=15, digest="d2")
            result = await b.control.reload(source="test", by="test")

            assert ("refused", "d1") == (result.outcome, b.control.intent.digest)
            assert result.message.startswith(
                "services.shop.schema: 14 would become 15 while its rollout to v2 is progressing; let it end"
            )

    asyncio.run(story())


def test_start_needs_a_version() -> None:
    async def story() -> None:
        async with bench() as b:
            with pytest.raises(OperatorError, match="start needs the version: to"):
                await b.control.command("shop", "start", by="token")

    asyncio.run(story())


def test_undo_where_nothing_was_before_says_so() -> None:
    async def story() -> None:
        async with bench() as b:
            with pytest.raises(OperatorError, match="shop: nothing to undo"):
                await b.control.command("shop", "undo", by="token")

    asyncio.run(story())


@pytest.mark.asyncio
async def test_no_request_is_switched_between_versions_on_the_same_addresses() -> None:
    first = intent(replace(service(), versions=(version("v1", 9001), version("v2", 9001))))
    async with bench(first) as b:
        with pytest.raises(OperatorError, match="v2 has addresses of v1"):
            await b.control.command("shop", "switch", by="token", to="v2")


async def _promoted(b: Bench) -> None:
    await b.control.command("shop", "start", by="token", to="v2")
    await b.control.command("shop", "promote", by="token", full=True)


def test_an_undo_soon_after_a_promotion_is_a_switch_back_to_the_version_before() -> None:
    async def story() -> None:
        async with bench() as b:
            await _promoted(b)
            await b.control.command("shop", "undo", by="user ada")
            switching = b.store.history("shop", 2)[1]

            assert ("v1", Phase.STABLE, {"v1": 10_000}) == (b.position().stable, b.position().phase, b.weights())
            assert ("switching", "user ada") == (switching.kind, switching.by)

    asyncio.run(story())


def test_an_undo_long_after_it_goes_by_steps() -> None:
    async def story() -> None:
        async with bench(intent(service(rollout=replace(PLAN, undo_window_s=60.0)))) as b:
            await _promoted(b)
            b.clock.advance(61.0)
            await b.control.command("shop", "undo", by="user ada")

            assert (Phase.PROGRESSING, "v1", {"v2": 9000, "v1": 1000}) == (b.position().phase, b.position().candidate, b.weights())

    asyncio.run(story())


@pytest.mark.parametrize("to", ["1", "v1"])
def test_an_undo_to_a_revision_or_a_version_goes_to_what_it_means(to: str) -> None:
    async def story() -> None:
        async with bench() as b:
            await _promoted(b)
            await b.control.command("shop", "undo", by="user ada", to=to)

            assert "v1" in (b.position().stable, b.position().candidate)
            assert "v1" == b.position().target

    asyncio.run(story())


def test_an_undo_to_what_is_stable_already_is_refused() -> None:
    async def story() -> None:
        async with bench() as b:
            await _promoted(b)
            with pytest.raises(OperatorError, match="v2 is stable"):
                await b.control.command("shop", "undo", by="user ada", to="v2")

    asyncio.run(story())


def test_after_a_contraction_the_undo_that_would_break_is_refused() -> None:
    async def story() -> None:
        versions = (replace(version("v1"), runs_on=(12,)), replace(version("v2"), runs_on=(12, 13)))
        async with bench(intent(replace(service(), versions=versions, schema=12))) as b:
            await _promoted(b)
            b.file = intent(replace(service("v2"), versions=versions, schema=13), digest="d2")
            reloaded = await b.control.reload(source="test", by="test")
            with pytest.raises(OperatorError, match="shop: cannot undo: v1 runs on schema 12, and shop is at schema 13"):
                await b.control.command("shop", "undo", by="user ada")

            assert ("applied", "v2") == (reloaded.outcome, b.position().stable)

    asyncio.run(story())
