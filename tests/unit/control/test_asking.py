"""Hooks are called in order and within bounds, gates until they open, and nothing is asked that nobody waits for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from msgspec.structs import replace

from proxy import limits
from proxy.clock import ManualClock
from proxy.control.asking import Asking, question, question_of
from proxy.control.calling import Answer
from proxy.model.position import Phase, Position
from proxy.model.rollout import GateStep, Hook, RolloutPlan, WeightStep
from proxy.rollout.events import Ask, Heard
from proxy.tasks import TaskGroup
from tests.kit.outside import Pauses, PretendedClient, turns

pytestmark = pytest.mark.asyncio

SMOKE = Hook("before_rollout", "http://ci/smoke?token=abc", timeout_s=7.0, name="smoke")
PLAN = RolloutPlan(
    steps=(WeightStep(500, for_s=60.0), GateStep("remote", "http://board/ok", interval_s=5.0, timeout_s=3.0), WeightStep(5000)),
    hooks=(SMOKE, Hook("before_rollout", "http://ci/load", retries=0), Hook("after_rollback", "http://ci/gone", retries=0)),
)
BEGUN = Position("shop", "v1", Phase.PROGRESSING, "v2", "v2", rollout=3, plan=PLAN, asking="3/0/before_rollout")
ASK = Ask("before_rollout", "3/0/before_rollout")
AT_GATE = replace(BEGUN, step=1, weight_bp=500, asking="3/1/gate")
GATE = Ask("gate", "3/1/gate")


class Bench:
    """Questions, what was heard, and what people were told. ``deaf``: so many times the loop cannot act on what it hears."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.pauses = Pauses(self.clock)
        self.client = PretendedClient()
        self.heard: list[tuple[str, Heard]] = []
        self.said: list[tuple[str, str, str]] = []
        self.deaf = 0
        self.failures: list[BaseException] = []
        self.tasks = TaskGroup(lambda name, error: self.failures.append(error))
        self.asking = Asking(
            self.client, self.tasks, self.clock, self._hear, lambda *said: self.said.append(said), sleep=self.pauses.sleep
        )

    async def _hear(self, service: str, heard: Heard) -> bool:
        if self.deaf:
            self.deaf -= 1
            return False
        self.heard.append((service, heard))
        return True

    def only(self) -> Heard:
        """The one answer."""
        assert 1 == len(self.heard), self.said
        return self.heard[0][1]

    def urls(self) -> list[str]:
        return [call.url.partition("?")[0] for call in self.client.calls]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.tasks.close()
    assert [] == made.failures


async def test_a_hook_is_told_what_is_about_to_happen(bench: Bench) -> None:
    bench.asking.ask(BEGUN, ASK)
    await turns()
    call = bench.client.calls[0]

    assert ("POST", "http://ci/smoke?token=abc", 7.0, "application/json") == (
        call.method,
        call.url,
        call.timeout_s,
        call.headers["Content-Type"],
    )
    assert {
        "service": "shop",
        "rollout": 3,
        "from": "v1",
        "to": "v2",
        "step": 0,
        "weight": 0.0,
        "next_weight": 5.0,
        "point": "before_rollout",
        "key": "3/0/before_rollout",
    } == call.json


@pytest.mark.parametrize(
    ("position", "point", "weights"),
    [
        (replace(BEGUN, step=0), "before_step", (0.0, 5.0)),
        (replace(BEGUN, step=2, weight_bp=500), "before_step", (5.0, 50.0)),
        (replace(BEGUN, step=1, weight_bp=500), "before_step", (5.0, 5.0)),
        (replace(BEGUN, step=3, weight_bp=5000), "before_promotion", (50.0, 100.0)),
        (AT_GATE, "gate", (5.0, 5.0)),
    ],
)
async def test_a_question_says_the_weight_now_and_the_next(position: Position, point: str, weights: tuple[float, float]) -> None:
    asked = question(position, Ask(point, f"3/{position.step}/{point}"))  # type: ignore[arg-type]  # one of the points

    assert weights == (asked["weight"], asked["next_weight"])


async def test_after_a_promotion_the_versions_are_the_one_before_and_the_one_now() -> None:
    position = Position("shop", stable="v2", previous="v1", rollout=3, plan=PLAN)
    asked = question(position, Ask("after_promotion", "3/3/after_promotion"))

    assert ("v1", "v2") == (asked["from"], asked["to"])


@pytest.mark.parametrize(
    ("position", "ask"),
    [
        (BEGUN, ASK),
        (AT_GATE, GATE),
        (replace(BEGUN, phase=Phase.STABLE, asking="3/3/after_promotion"), Ask("after_promotion", "3/3/after_promotion")),
        (replace(BEGUN, phase=Phase.PAUSED), ASK),
        (replace(BEGUN, asking="3/1/freeze"), None),
        (replace(BEGUN, asking=""), None),
    ],
    ids=["hooks", "a gate", "hooks that are told", "held by a person", "a freeze", "nothing"],
)
async def test_a_position_says_what_has_to_be_asked_again(position: Position, ask: Ask | None) -> None:
    assert ask == question_of(position)


async def test_every_hook_of_the_point_is_called_in_order_and_no_other(bench: Bench) -> None:
    bench.asking.ask(BEGUN, ASK)
    await turns()

    assert ["http://ci/smoke", "http://ci/load"] == bench.urls()
    assert (ASK.key, True, "2 hooks answered 2xx") == (bench.only().key, bench.only().ok, bench.only().reason)


async def test_what_a_hook_said_is_in_the_figures_without_its_secrets(bench: Bench) -> None:
    bench.client.answers["http://ci/smoke"] = [Answer(200, b"all\r\n 12 tests \x1b[32mpassed " + b"x" * 1000)]
    bench.asking.ask(BEGUN, ASK)
    await turns()
    figures = bench.only().figures["calls"][0]

    assert ("smoke", "http://ci/smoke?...", 200, 1) == (figures["name"], figures["url"], figures["status"], figures["tries"])
    assert ("all 12 tests [32mpassed x", 512) == (figures["said"][:25], len(figures["said"]))


async def test_the_first_hook_that_fails_ends_the_row(bench: Bench) -> None:
    bench.client.answers["http://ci/smoke"] = [Answer(503, b"no database")]
    bench.asking.ask(BEGUN, ASK)
    await bench.pauses.after(10)

    assert ["http://ci/smoke"] * 3 == bench.urls()
    assert (False, "hook smoke answered 503 (3 tries): no database") == (bench.only().ok, bench.only().reason)


async def test_a_hook_is_tried_again_after_a_pause_that_doubles(bench: Bench) -> None:
    bench.client.answers["http://ci/smoke"] = ["refused the connection", Answer(500), Answer(200)]
    bench.asking.ask(BEGUN, ASK)
    await bench.pauses.after(10)

    assert [1.0, 2.0] == bench.pauses.asked
    assert bench.only().ok


async def test_the_pause_between_two_tries_has_a_bound(bench: Bench) -> None:
    plan = replace(PLAN, hooks=(replace(SMOKE, retries=8),))
    bench.client.answers["http://ci/smoke"] = [Answer(500)]
    bench.asking.ask(replace(BEGUN, plan=plan), ASK)
    await bench.pauses.after(500)

    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] == bench.pauses.asked


async def test_a_hook_without_an_answer_says_what_happened(bench: Bench) -> None:
    bench.client.answers["http://ci/smoke"] = ["did not answer within 7 s"]
    bench.asking.ask(BEGUN, ASK)
    await bench.pauses.after(10)

    assert "hook smoke did not answer within 7 s (3 tries)" == bench.only().reason
    assert None is bench.only().figures["calls"][0]["status"]


async def test_a_redirect_is_no_answer(bench: Bench) -> None:
    plan = replace(PLAN, hooks=(replace(SMOKE, retries=0, name=""),))
    bench.client.answers["http://ci/smoke"] = [Answer(302)]
    bench.asking.ask(replace(BEGUN, plan=plan), ASK)
    await turns()

    assert (False, "hook http://ci/smoke?... answered 302 (redirects are not followed)") == (bench.only().ok, bench.only().reason)


async def test_a_gate_is_asked_at_its_interval_until_it_opens(bench: Bench) -> None:
    bench.client.answers["http://board/ok"] = [Answer(403), Answer(403), Answer(200)]
    bench.asking.ask(AT_GATE, GATE)
    await bench.pauses.after(9.9)
    before = list(bench.heard)
    await bench.pauses.after(0.1)

    assert ([], 3) == (before, len(bench.client.calls))
    assert (GATE.key, True, "gate http://board/ok answered 200") == (bench.only().key, bench.only().ok, bench.only().reason)


async def test_a_gate_that_stays_closed_is_told_of_once_a_reason(bench: Bench) -> None:
    bench.client.answers["http://board/ok"] = [
        Answer(403),
        Answer(403),
        "refused the connection",
        Answer(403),
        "refused the connection",
    ]
    bench.asking.ask(AT_GATE, GATE)
    await bench.pauses.after(60)

    assert [
        ("gate_closed", "shop", "gate http://board/ok answered 403; it is asked every 5 s"),
        ("gate_closed", "shop", "gate http://board/ok refused the connection; it is asked every 5 s"),
    ] == bench.said


@pytest.mark.parametrize(("phase", "versions"), [(Phase.PROGRESSING, ("v1", "v2")), (Phase.ROLLING_BACK, ("v2", "v1"))])
async def test_a_question_of_a_batch_says_which_endpoints_are_to_run_what(phase: Phase, versions: tuple[str, str]) -> None:
    position = Position("shop", "v1", phase, "v2", part="hook", leaving=("a:1",), coming=("b:1",), plan=RolloutPlan(strategy="rolling"))
    asked = question(position, Ask("before_step", "3/0/before_step"))

    assert (["a:1"], ["b:1"], versions) == (asked["leaving"], asked["coming"], (asked["from"], asked["to"]))


async def test_people_can_read_how_a_question_stands(bench: Bench) -> None:
    bench.client.answers["http://board/ok"] = [Answer(403)]
    bench.asking.ask(AT_GATE, GATE)
    await turns()

    assert ("gate http://board/ok answered 403", "") == (bench.asking.says("shop", GATE.key), bench.asking.says("cart", GATE.key))


async def test_what_is_being_asked_is_not_asked_twice(bench: Bench) -> None:
    bench.client.answers["http://ci/smoke"] = [None]
    bench.asking.ask(BEGUN, ASK)
    bench.asking.ask(BEGUN, ASK)
    await turns()

    assert 1 == bench.client.hanging


@pytest.mark.parametrize(
    "after",
    [replace(BEGUN, phase=Phase.ROLLING_BACK, asking=""), replace(BEGUN, rollout=4, asking="4/0/before_rollout")],
    ids=["nothing is waited for", "another question is"],
)
async def test_a_question_that_nobody_waits_for_is_given_up(bench: Bench, after: Position) -> None:
    bench.client.answers["http://ci/smoke"] = [None]
    bench.asking.ask(BEGUN, ASK)
    await turns()
    bench.asking.follow(after)
    await turns()

    assert (0, 0, []) == (bench.client.hanging, len(bench.tasks), bench.heard)


async def test_a_question_that_is_still_waited_for_goes_on(bench: Bench) -> None:
    bench.client.answers["http://ci/smoke"] = [None]
    bench.asking.ask(BEGUN, ASK)
    await turns()
    bench.asking.follow(replace(BEGUN, phase=Phase.PAUSED))
    await turns()

    assert 1 == bench.client.hanging


async def test_a_question_of_a_service_that_is_gone_is_given_up(bench: Bench) -> None:
    bench.client.answers["http://ci/smoke"] = [None]
    bench.asking.ask(BEGUN, ASK)
    await turns()
    bench.asking.keep({"cart"})
    await turns()

    assert 0 == bench.client.hanging


async def test_hooks_that_are_only_told_go_on_when_the_service_has_moved_on(bench: Bench) -> None:
    bench.client.answers["http://ci/gone"] = [None]
    bench.asking.ask(BEGUN, Ask("after_rollback", "3/0/after_rollback"))
    await turns()
    bench.asking.follow(replace(BEGUN, rollout=4, asking=""))
    await turns()

    assert 1 == bench.client.hanging


async def test_hooks_that_are_only_told_have_a_bound(bench: Bench) -> None:
    bench.client.answers["http://ci/gone"] = [None]
    for number in range(limits.HOOKS_TELLING_MAX + 5):
        bench.asking.ask(BEGUN, Ask("after_rollback", f"{number}/0/after_rollback"))
    await turns()

    assert limits.HOOKS_TELLING_MAX == bench.client.hanging
    assert ["hook_given_up"] * 5 == [kind for kind, _, _ in bench.said]


async def test_no_more_calls_are_under_way_than_allowed(bench: Bench) -> None:
    bench.client.answers["http://ci/smoke"] = [None]
    for number in range(limits.CALLS_IN_FLIGHT_MAX + 5):
        bench.asking.ask(replace(BEGUN, service=f"s{number}"), ASK)
    await turns()

    assert limits.CALLS_IN_FLIGHT_MAX == bench.client.hanging


async def test_an_answer_that_could_not_be_acted_on_is_entered_again(bench: Bench) -> None:
    bench.deaf = 2
    bench.asking.ask(BEGUN, ASK)
    await bench.pauses.after(10)

    assert ([limits.HEARD_AGAIN_S] * 2, True) == (bench.pauses.asked, bench.only().ok)


async def test_after_an_answer_the_same_key_may_be_asked_again(bench: Bench) -> None:
    again: Callable[[], None] = lambda: bench.asking.ask(BEGUN, ASK)  # noqa: E731  # said twice below
    again()
    await turns()
    again()
    await turns()

    assert 2 == len(bench.heard)
