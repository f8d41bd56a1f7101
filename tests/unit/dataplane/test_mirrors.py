"""All mirrors of a worker."""

from __future__ import annotations

import pytest

from proxy.errors import PlanRefused
from proxy.model.service import Endpoint, Shadow, Version
from tests.kit.conversation import Conversation, plan

pytestmark = pytest.mark.asyncio

V1, V2 = (Version(f"v{i}", (Endpoint("127.0.0.1", 9000 + i),)) for i in (1, 2))


@pytest.mark.parametrize("shadow", [Shadow("v9"), Shadow("v2", noise="v9")])
async def test_a_plan_whose_shadow_does_not_exist_is_refused(shadow: Shadow) -> None:
    with pytest.raises(PlanRefused, match="service shop: shadow names the version 'v9', which does not exist"):
        Conversation(plan(versions=(V1, V2), weights=(1.0, 0.0), shadow=shadow))


async def test_a_share_of_nothing_is_no_mirror() -> None:
    talk = Conversation(plan(versions=(V1, V2), weights=(1.0, 0.0), shadow=Shadow("v2", percent_bp=0)))

    assert [leg.mirror for leg in talk.plane.table.splits["shop"].legs] == [None, None]
    await talk.end()


async def test_only_the_legs_whose_requests_are_copied_have_a_mirror() -> None:
    talk = Conversation(plan(versions=(V1, V2), weights=(1.0, 0.0), shadow=Shadow("v2")))

    assert [leg.mirror is not None for leg in talk.plane.table.splits["shop"].legs] == [True, False]
    await talk.end()


async def test_a_plan_that_is_not_served_makes_no_connection_and_leaves_none() -> None:
    talk = Conversation(plan(versions=(V1, V2), weights=(1.0, 0.0)))
    talk.plane.prepare(plan(versions=(V1, V2), weights=(1.0, 0.0), shadow=Shadow("v2")))
    talk.plane.abandon(1)

    assert talk.plane.snapshot().shadows == []
    await talk.end()
