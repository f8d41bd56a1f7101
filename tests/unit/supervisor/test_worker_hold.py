"""A worker that holds requests for a switch: what ends the hold, and onto which version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from proxy.supervisor import channel as ch
from proxy.supervisor.verdict import STAY, SWITCH, Verdicts
from proxy.telemetry.cutover import Cutover
from tests.kit.pretended_plane import Life, life, prepare

pytestmark = pytest.mark.asyncio

HOLD = ch.Hold(5, 2, 60.0)


def switching(generation: int) -> ch.Prepare:
    return replace(prepare(generation), switching=("shop",))


def verdicts(it: Life) -> Verdicts:
    """As the supervisor and the other workers have them."""
    return Verdicts(it.lock, "mine")


async def time_is_up(it: Life, number: int = 5) -> None:
    """The timer of a hold has fired."""
    handle = it.worker._hold_timer
    assert handle is not None
    handle._run()  # type: ignore[attr-defined]  # the loop's own way
    handle.cancel()
    await it.order()


async def holding(it: Life) -> list[object]:
    await it.serving()
    said = await it.order(switching(2), HOLD)
    it.journal.clear()
    return said


async def test_services_that_switch_are_watched_from_preparation_on_and_held_on_order(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        said = await it.order(switching(2), HOLD)

        assert (["prepare 2", "watch shop", "hold"], [ch.Prepared(2), ch.Held(5)]) == (it.journal, said)


async def test_a_commit_ends_the_hold_and_brings_what_was_seen(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        it.plane.cutovers = (Cutover("shop", held=3),)
        said = await it.order(ch.Commit(2))

        assert ([ch.Committed(2, (Cutover("shop", held=3),))], None) == (said, it.worker._hold_timer)


async def test_a_release_lets_go_and_the_barrier_may_be_raised_again(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        said = await it.order(ch.Release(5), ch.Hold(6, 2, 60.0))

        assert (["let go", "hold"], [ch.Held(6)]) == (it.journal, said)


async def test_a_release_of_another_barrier_means_nothing(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        await it.order(ch.Release(4))

        assert [] == it.journal


async def test_a_worker_that_hears_nothing_in_time_goes_on_as_before_and_no_switch_can_be_agreed_on_any_more(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        await time_is_up(it)

        assert (["let go"], STAY) == (it.journal, verdicts(it).say(5, SWITCH))


async def test_a_worker_whose_time_is_up_after_the_agreement_switches_like_the_others(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        verdicts(it).say(5, SWITCH)
        await time_is_up(it)

        assert ["commit 2"] == it.journal


async def test_the_order_for_what_it_did_by_itself_is_done_already(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        verdicts(it).say(5, SWITCH)
        await time_is_up(it)
        said = await it.order(ch.Commit(2))

        assert (["commit 2"], [ch.Committed(2)]) == (it.journal, said)


async def test_an_order_that_arrived_before_the_time_was_up_is_obeyed_first(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        verdicts(it).say(5, SWITCH)
        it.worker.channel.data_received(ch.frame(ch.Commit(2)))
        await time_is_up(it)

        assert ["commit 2"] == it.journal


@pytest.mark.parametrize(("outcome", "expected"), [(None, "let go"), (STAY, "let go"), (SWITCH, "commit 2")])
async def test_a_worker_that_loses_its_supervisor_while_it_holds_goes_by_the_verdict_at_once(
    tmp_path: Path, outcome: Any, expected: str
) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        if outcome is not None:
            verdicts(it).say(5, outcome)
        it.transport.close()
        await it.order()

        assert ([expected], False) == (it.journal, it.worker.ended.is_set())


async def broken(it: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int, outcome: str) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(it.worker._verdicts, "say", full)


async def test_a_worker_that_cannot_learn_the_verdict_ends_rather_than_serve_the_old_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        await broken(it, monkeypatch)
        await time_is_up(it)

        assert ([], True) == (it.journal, it.worker.ended.is_set())


async def test_without_a_supervisor_there_is_nobody_left_to_agree_so_no_verdict_is_to_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        await broken(it, monkeypatch)
        it.transport.close()
        await it.order()

        assert (["let go"], False) == (it.journal, it.worker.ended.is_set())


async def test_a_worker_that_is_to_drain_lets_go_first(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await holding(it)
        await it.order(ch.Drain(1.0))

        assert ["let go", "drain 1"] == it.journal
