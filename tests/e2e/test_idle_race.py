"""Origins that close connections when nobody expects it: a request that may be sent again is, and no client notices (rule 38)."""

from __future__ import annotations

import pytest

from tests.kit.clients import Load, get
from tests.kit.processes import total
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

REQUESTS = 10_000


@pytest.mark.parametrize(
    "manners",
    [{"idle_close_s": 0.002}, {"answers_per_connection": 1}, {"answers_per_connection": 7}],
    ids=["after-2-ms-idle", "after-each-answer", "after-seven-answers"],
)
def test_no_get_fails_while_the_origin_closes_its_connections_unannounced(
    scene: Scene, manners: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    origin = scene.origin("v1")
    origin.behave(**manners)
    proxy = scene.headgate({"shop": {"versions": versions(v1=origin.url), "target": "v1"}})
    with Load(proxy.port, [get()], connections=16, pause_s=0.001).running() as outcome:
        until(lambda: len(outcome.answers) > REQUESTS, 60, lambda: f"{REQUESTS} answers: {outcome.counts()}")

    figures = proxy.metrics()
    retries = total(figures, "headgate_retries_total")
    with capsys.disabled():
        print(f"\n    {manners}: {len(outcome.answers)} requests over {origin.seen().connections} connections, {retries:g} sent again")
    assert ([], [], 0.0) == (outcome.failures, outcome.bad, total(figures, "headgate_failures_total"))
    assert origin.seen().connections > 100, "the test had nothing to be wrong about"
