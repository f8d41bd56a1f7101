"""A source is asked for each check once at a time, told of once when it is down, and forgotten with its rollout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from msgspec.structs import replace

from proxy import limits
from proxy.analysis.checks import Observed
from proxy.clock import ManualClock
from proxy.control.calling import Answer
from proxy.control.events import Fetched
from proxy.control.readings import Reading
from proxy.control.sources import Sources, observed, source
from proxy.model.position import Phase, Position
from proxy.model.rollout import Check, HttpQuery, PrometheusQuery, RolloutPlan
from proxy.tasks import TaskGroup
from tests.kit.outside import PretendedClient, turns

pytestmark = pytest.mark.asyncio

ORDERS = Check("orders", prometheus=PrometheusQuery("http://ann:pw@prom:9090/", 'rate(x{v="{{candidate}}"}[1m]) + 1', timeout_s=4.0))
RATE = Check("rate", http=HttpQuery("http://shop/{{candidate}}/stats", "$.rate", timeout_s=2.0))
UP = Check("up", http=HttpQuery("http://shop/up"))
RUNNING = Position("shop", "v1", Phase.PROGRESSING, "v2", "v2", rollout=3, plan=RolloutPlan(checks=(ORDERS, RATE, UP)))
ONE = Answer(200, b'{"status":"success","data":{"resultType":"scalar","result":[1,"0.5"]}}')
PROM = "http://ann:pw@prom:9090/api/v1/query"


class Bench:
    """Sources, what they told the loop and what they told people."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.client = PretendedClient()
        self.told: list[Fetched] = []
        self.said: list[tuple[str, str, str]] = []
        self.failures: list[BaseException] = []
        self.tasks = TaskGroup(lambda name, error: self.failures.append(error))
        self.sources = Sources(self.client, self.tasks, self.clock, self.told.append, lambda *said: self.said.append(said))

    async def ask(self, *checks: Check, position: Position = RUNNING) -> list[Observed]:
        """Ask for these, and what was told of it."""
        before = len(self.told)
        for check in checks:
            self.sources.ask(position, check)
        await turns()
        return [told.observed for told in self.told[before:]]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.tasks.close()
    assert [] == made.failures


async def test_prometheus_is_asked_an_instant_query_with_the_names_put_in(bench: Bench) -> None:
    bench.client.answers[PROM] = [ONE]
    told = await bench.ask(ORDERS)
    call = bench.client.calls[0]

    assert [0.5] == [seen.value for seen in told]
    assert ("GET", 4.0, ['rate(x{v="v2"}[1m]) + 1']) == (call.method, call.timeout_s, parse_qs(urlsplit(call.url).query)["query"])


async def test_an_http_check_reads_the_number_at_its_path(bench: Bench) -> None:
    bench.client.answers["http://shop/v2/stats"] = [Answer(200, b'{"rate": 7}')]

    assert [7.0] == [seen.value for seen in await bench.ask(RATE)]


async def test_a_reading_says_of_which_rollout_and_check_it_is_and_when_it_came(bench: Bench) -> None:
    await bench.ask(UP)

    assert [Fetched("shop", 3, Observed("up", bench.clock.wall(), 1.0, text="answered 200"))] == bench.told


async def test_a_token_is_sent(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    check = Check("up", http=HttpQuery("http://shop/up", token_file=str(tmp_path / "token")))
    bench.sources.ask(RUNNING, check)
    while not bench.told:
        await turns()

    assert "Bearer t0ken" == bench.client.calls[0].headers["Authorization"]


async def test_an_unreadable_token_is_an_error_and_nothing_is_asked(bench: Bench, tmp_path: Path) -> None:
    bench.sources.ask(RUNNING, Check("up", http=HttpQuery("http://shop/up", token_file=str(tmp_path / "token"))))
    while not bench.told:
        await turns()

    assert ("http://shop/up was not called, for token cannot be read (No such file or directory)", []) == (
        bench.told[0].observed.error,
        bench.client.calls,
    )


async def test_an_error_names_the_source_without_its_secrets(bench: Bench) -> None:
    bench.client.answers[PROM] = ["refused the connection"]

    assert ["Prometheus at http://prom:9090/ refused the connection"] == [seen.error for seen in await bench.ask(ORDERS)]


async def test_checks_are_asked_at_the_same_time(bench: Bench) -> None:
    bench.client.answers |= {PROM: [None], "http://shop/up": [None]}
    await bench.ask(ORDERS, UP)

    assert 2 == bench.client.hanging


async def test_a_check_that_has_not_been_answered_is_not_asked_again(bench: Bench) -> None:
    bench.client.answers["http://shop/up"] = [None]
    await bench.ask(UP)
    await bench.ask(UP)

    assert 1 == bench.client.hanging


async def test_a_source_that_is_down_is_told_of_once_and_again_when_it_is_back(bench: Bench) -> None:
    bench.client.answers[PROM] = [*(["did not answer within 4 s"] * 6), ONE]
    for _ in range(8):
        await bench.ask(ORDERS)
        bench.clock.advance(10)

    assert [
        (
            "source_down",
            "shop",
            "check orders: Prometheus at http://prom:9090/ did not answer within 4 s; nothing is decided on it until it can be read",
        ),
        ("source_back", "shop", "check orders: Prometheus at http://prom:9090/ can be read again after 1m0s"),
    ] == bench.said


async def test_no_data_is_not_down(bench: Bench) -> None:
    bench.client.answers["http://shop/v2/stats"] = [Answer(200, b"{}")]
    await bench.ask(RATE)

    assert [] == bench.said


@pytest.mark.parametrize(
    "after", [replace(RUNNING, rollout=4), replace(RUNNING, phase=Phase.ROLLED_BACK)], ids=["another rollout", "none"]
)
async def test_what_is_asked_for_an_old_rollout_is_given_up(bench: Bench, after: Position) -> None:
    bench.client.answers["http://shop/up"] = [None]
    await bench.ask(UP)
    bench.sources.follow(after)
    await turns()

    assert (0, 0) == (bench.client.hanging, len(bench.tasks))


async def test_the_next_rollout_is_asked_for_while_the_old_answer_is_not_there(bench: Bench) -> None:
    bench.client.answers["http://shop/up"] = [None, Answer(200)]
    await bench.ask(UP)
    await bench.ask(UP, position=replace(RUNNING, rollout=4))

    assert [4] == [told.rollout for told in bench.told]


async def test_a_service_that_is_gone_is_asked_for_no_more(bench: Bench) -> None:
    bench.client.answers["http://shop/up"] = [None]
    await bench.ask(UP)
    bench.sources.keep({"cart"})
    await turns()

    assert 0 == bench.client.hanging


async def test_no_more_queries_are_under_way_than_allowed(bench: Bench) -> None:
    bench.client.answers["http://shop/up"] = [None]
    for number in range(limits.CALLS_IN_FLIGHT_MAX + 5):
        bench.sources.ask(replace(RUNNING, service=f"s{number}"), UP)
    await turns()

    assert limits.CALLS_IN_FLIGHT_MAX == bench.client.hanging


async def test_a_query_that_finds_no_room_is_an_error(bench: Bench) -> None:
    bench.client.answers["http://shop/up"] = [None]
    for number in range(limits.CALLS_IN_FLIGHT_MAX):
        bench.sources.ask(replace(RUNNING, service=f"s{number}"), UP)
    await turns()
    impatient = Check("late", http=HttpQuery("http://shop/late", timeout_s=0.0))

    assert "was not asked: 64 others have not answered yet" in (await bench.ask(impatient))[0].error


@pytest.mark.parametrize(("check", "name"), [(ORDERS, "Prometheus at http://prom:9090/"), (UP, "http://shop/up")])
async def test_a_source_has_a_name_for_people(check: Check, name: str) -> None:
    assert name == source(check)


@pytest.mark.parametrize(
    ("reading", "seen"),
    [
        (Reading("value", 0.5, "a warning"), Observed("up", 7.0, 0.5, text="a warning")),
        (Reading("yes", text="answered 204"), Observed("up", 7.0, 1.0, text="answered 204")),
        (Reading("no", text="answered 503"), Observed("up", 7.0, 0.0, text="answered 503")),
        (Reading("no_data", text="NaN"), Observed("up", 7.0, None, text="NaN")),
        (Reading("error", text="refused"), Observed("up", 7.0, error="refused")),
    ],
)
async def test_the_judge_gets_a_value_nothing_or_an_error(reading: Reading, seen: Observed) -> None:
    assert seen == observed("up", 7.0, reading)
