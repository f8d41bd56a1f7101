"""The comparison report as the API shows it."""

from __future__ import annotations

import asyncio
import json

from proxy.admin.shadow_view import shadow_view
from proxy.model.service import Shadow
from proxy.telemetry.snapshot import ShadowDelta
from tests.kit.control_bench import bench, intent, service


def test_without_copies_there_is_nothing_to_see() -> None:
    async def story() -> None:
        async with bench() as b:
            shown = await shadow_view(b.control, b.control.intent.services[0])

            assert {"service": "shop", "shadow": None, "copies": {}, "report": None} == shown

    asyncio.run(story())


def test_where_copies_go_is_shown_in_percent() -> None:
    async def story() -> None:
        async with bench(intent(service(shadow=Shadow("v2", percent_bp=1250)))) as b:
            await b.report(shadows=[ShadowDelta("shop", "v2", 2, {"match": 1}, {"original": 1})])
            shown = json.loads(json.dumps(await shadow_view(b.control, b.control.intent.services[0])))

            assert ("v2", 12.5) == (shown["shadow"]["version"], shown["shadow"]["percent"])
            assert {"v2": {"sampled": 2, "results": {"match": 1}, "dropped": {"original": 1}, "in_flight": 0}} == shown["copies"]

    asyncio.run(story())
