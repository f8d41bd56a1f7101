"""What is remembered, asked for."""

from __future__ import annotations

import asyncio

import pytest

from proxy.control.events import UnknownName
from tests.kit.control_bench import bench


def test_what_is_not_there_is_answered_with_what_is() -> None:
    async def story() -> None:
        async with bench() as b:
            with pytest.raises(UnknownName, match="no service 'cart'; there is shop"):
                await b.control.recall.history("cart", 5)
            with pytest.raises(UnknownName, match="no revision 9 of service 'shop'; it has 1 to 1"):
                await b.control.recall.explanation("shop", 9)

    asyncio.run(story())


def test_a_running_rollout_is_explained_with_what_is_not_written_yet() -> None:
    async def story() -> None:
        async with bench() as b:
            await b.control.command("shop", "start", by="local", to="v2")
            await b.report(b.cell("v2", ok=7))
            told = await b.control.recall.explanation("shop", 2)

            assert ("under way", 7) == (told["outcome"], told["blast_radius"]["requests"])

    asyncio.run(story())


def test_one_that_is_over_is_explained_from_the_store() -> None:
    async def story() -> None:
        async with bench() as b:
            await b.control.command("shop", "start", by="local", to="v2")
            await b.report(b.cell("v2", ok=7))
            await b.control.command("shop", "abort", by="local", reason="x")
            await b.control.command("shop", "retry", by="local")
            told = await b.control.recall.explanation("shop", 3)

            assert ("rolled_back", 1, 7) == (told["outcome"], told["rollout"], told["blast_radius"]["requests"])
            assert ["rolling_back", "rolled_back"] == [point["event"] for point in told["series"]["points"]][-2:]

    asyncio.run(story())


def test_one_whose_series_is_gone_is_explained_from_the_history() -> None:
    async def story() -> None:
        async with bench() as b:
            await b.control.command("shop", "start", by="local", to="v2")
            await b.control.command("shop", "abort", by="local", reason="x")
            await b.control.command("shop", "retry", by="local")
            b.store.kept_series.clear()
            told = await b.control.recall.explanation("shop", 3)

            assert (None, "rolled_back", 0) == (told["series"], told["outcome"], told["blast_radius"]["requests"])

    asyncio.run(story())
