"""Who gets which version: shares within their binomial bounds, and users that only ever move with the weight."""

from __future__ import annotations

import itertools
import math

import pytest

from tests.kit.clients import ask_all, get
from tests.kit.origins import OriginProcess
from tests.kit.processes import Headgate
from tests.kit.scene import Scene, versions

REQUESTS = 100_000
USERS = 2_000
WEIGHTS = (1, 5, 25, 50, 100)


def binomial_bounds(n: int, p: float, confidence: float) -> tuple[int, int]:
    """The least and the most successes in ``n`` that are not among the ``1 - confidence`` least likely, half of them on each side."""
    tail = (1 - confidence) / 2
    whole = math.lgamma(n + 1)
    logs = [whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p) for k in range(n + 1)]
    low, mass = 0, math.exp(logs[0])
    while mass < tail:
        low += 1
        mass += math.exp(logs[low])
    high, mass = n, math.exp(logs[n])
    while mass < tail:
        high -= 1
        mass += math.exp(logs[high])
    return low, high


def test_the_bounds_are_those_of_the_tables() -> None:
    """100 throws of a coin; P(X <= 39) = 0.0176 and P(X <= 40) = 0.0284 in any table of the binomial distribution."""
    assert (40, 60) == binomial_bounds(100, 0.5, 0.95)


@pytest.fixture(scope="module")
def origins(shared_scene: Scene) -> tuple[OriginProcess, OriginProcess]:
    return shared_scene.origin("v1"), shared_scene.origin("v2")


@pytest.mark.slow
def test_100_000_requests_at_95_to_5_are_split_within_their_99_99_percent_bounds(
    shared_scene: Scene, origins: tuple[OriginProcess, OriginProcess], capsys: pytest.CaptureFixture[str]
) -> None:
    v1, v2 = origins
    traffic = {"v1": 95, "v2": 5}
    proxy = shared_scene.headgate({"shop": {"versions": versions(v1=v1.url, v2=v2.url), "traffic": traffic}})

    answers = ask_all(proxy.port, [get()] * REQUESTS, connections=16, depth=8)

    low, high = binomial_bounds(REQUESTS, 0.05, 0.9999)
    seen = sum(answer.body == "v2" for answer in answers)
    with capsys.disabled():
        print(f"\n    split 95/5: {seen} of {REQUESTS} on v2; allowed {low}..{high}")
    assert (REQUESTS, True) == (sum(answer.good for answer in answers), low <= seen <= high), (low, seen, high)


def of_users(proxy: Headgate) -> dict[str, str]:
    """Which version each user gets now."""
    users = [f"user-{number}" for number in range(USERS)]
    answers = ask_all(proxy.port, [get("shop", "/", f"Cookie: a=b; session={user}; c=d") for user in users])
    assert {200} == {answer.status for answer in answers}
    return dict(zip(users, (answer.body for answer in answers), strict=True))


def moved_back(history: list[dict[str, str]]) -> list[str]:
    """Users that met v2 and then v1, from one weight to a higher one."""
    return [user for before, after in itertools.pairwise(history) for user in before if before[user] > after[user]]


def within(share: float, users: dict[str, str]) -> bool:
    """Whether as many are on v2 as a share promises, in all but one of 10,000 cases."""
    seen = sum(version == "v2" for version in users.values())
    low, high = binomial_bounds(USERS, share, 0.9999) if share < 1 else (USERS, USERS)
    return low <= seen <= high


def test_no_user_moves_back_while_a_rollout_goes_from_1_to_100_percent(
    shared_scene: Scene, origins: tuple[OriginProcess, OriginProcess]
) -> None:
    v1, v2 = origins
    steps = [{"weight": weight, "min_requests": 1_000_000_000} for weight in WEIGHTS]
    service = {
        "versions": versions(v1=v1.url, v2=v2.url),
        "target": "v1",
        "sticky": {"by": "cookie", "name": "session"},
        "rollout": {"steps": steps},
    }
    proxy = shared_scene.headgate({"shop": service}, workers=2)
    first = of_users(proxy)
    proxy.say("start", to="v2")
    history = [of_users(proxy)]
    for _ in WEIGHTS[1:]:
        proxy.say("promote")
        history.append(of_users(proxy))

    shares = [sum(version == "v2" for version in step.values()) for step in history]
    assert ({"v1"}, []) == (set(first.values()), moved_back(history)), shares
    assert [True] * len(WEIGHTS) == [within(weight / 100, step) for weight, step in zip(WEIGHTS, history, strict=True)], shares


def test_after_a_rollback_every_user_is_on_stable_again(shared_scene: Scene, origins: tuple[OriginProcess, OriginProcess]) -> None:
    v1, v2 = origins
    service = {
        "versions": versions(v1=v1.url, v2=v2.url),
        "target": "v1",
        "sticky": {"by": "cookie", "name": "session"},
        "rollout": {"steps": [{"weight": 50, "min_requests": 1_000_000_000}]},
    }
    proxy = shared_scene.headgate({"shop": service}, workers=2)
    proxy.say("start", to="v2")
    during = of_users(proxy)
    proxy.say("abort", reason="told to")

    assert ({"v1", "v2"}, {"v1"}) == (set(during.values()), set(of_users(proxy).values()))


def test_no_user_moves_back_while_reloads_raise_the_weight(shared_scene: Scene, origins: tuple[OriginProcess, OriginProcess]) -> None:
    v1, v2 = origins
    service = {"versions": versions(v1=v1.url, v2=v2.url), "sticky": {"by": "header", "name": "cookie"}}
    proxy = shared_scene.headgate({"shop": service | {"traffic": {"v1": 99, "v2": 1}}})
    history = []
    for weight in WEIGHTS:
        proxy.settings["services"]["shop"]["traffic"] = {"v1": 100 - weight, "v2": weight}
        proxy.write()
        proxy.post("/-/reload")
        history.append(of_users(proxy))

    assert ([], {"v2"}) == (moved_back(history), set(history[-1].values()))
