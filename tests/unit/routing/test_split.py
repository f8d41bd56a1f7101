"""Which version of a service a request gets: overrides, then the user, then chance."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from proxy.errors import PlanRefused
from proxy.model.plan import ServicePlan
from proxy.model.route import Match
from proxy.model.service import Endpoint, Override, Sticky, Version
from proxy.routing.bucket import user_hash
from proxy.routing.table import Split
from proxy.wire.request import Request, Starts, new_table, parse

DRAWS = 100_000
SIGMAS_99_99 = 3.8906  # two-sided 99.99 % of the normal distribution
JUST_BELOW_1 = 1.0 - 2.0**-53


class At:
    """A client at one address."""

    def __init__(self, address: bytes = b"10.0.0.1") -> None:
        self.address = address

    def client(self, request: Request) -> bytes:
        return self.address


def split(weights: tuple[float, ...] = (95, 5), *, sticky: Sticky | None = None, overrides: tuple[Override, ...] = ()) -> Split[str]:
    names = [f"v{n + 1}" for n in range(len(weights))]
    versions = tuple(Version(name, (Endpoint("127.0.0.1", 1),)) for name in names)
    return Split(ServicePlan("shop", versions, weights, sticky=sticky, overrides=overrides), names)


def get(*lines: str, target: str = "/") -> Request:
    return parse("\r\n".join([f"GET {target} HTTP/1.1", "Host: shop", *lines, "", ""]).encode(), Starts(), new_table())


# -- chance -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "chance", "version"),
    [
        ((95, 5), 0.0, "v1"),
        ((95, 5), 0.9499, "v1"),
        ((95, 5), 0.9501, "v2"),
        ((95, 5), JUST_BELOW_1, "v2"),
        ((0, 100), 0.0, "v2"),
        ((100, 0), JUST_BELOW_1, "v1"),
        ((0, 1, 0, 1, 0), 0.0, "v2"),
        ((0, 1, 0, 1, 0), 0.5, "v4"),
        ((0, 1, 0, 1, 0), JUST_BELOW_1, "v4"),
        ((0.1,) * 10, JUST_BELOW_1, "v10"),
        ((1e-12, 1), 0.0, "v1"),
    ],
)
def test_a_draw_falls_to_the_version_whose_share_it_is_in(weights: tuple[float, ...], chance: float, version: str) -> None:
    assert (version, True, 0) == split(weights).choose(get(), At(), chance)


def test_a_chance_of_one_is_a_bug_of_ours() -> None:
    with pytest.raises(AssertionError, match="not below 1"):
        split().choose(get(), At(), 1.0)


def test_100_000_draws_fall_by_weight() -> None:
    """With 95/5 the candidate's count stays inside the bounds that chance leaves 99.99 times in 100."""
    chance, service, request = Random(20_260_101).random, split(), get()
    counts = Counter(service.choose(request, At(), chance())[0] for _ in range(DRAWS))

    assert abs(counts["v2"] - 0.05 * DRAWS) <= SIGMAS_99_99 * (DRAWS * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize("weights", [(), (1.0,), (1.0, 2.0, 3.0), (0.0, 0.0), (-1.0, 2.0)])
def test_weights_that_do_not_fit_refuse_the_plan(weights: tuple[float, ...]) -> None:
    versions = tuple(Version(name, (Endpoint("127.0.0.1", 1),)) for name in ("v1", "v2"))

    with pytest.raises(PlanRefused, match="service shop: weights do not fit its versions"):
        Split(ServicePlan("shop", versions, weights), ["v1", "v2"])


# -- users --------------------------------------------------------------------------------------------------------------------

BY_COOKIE = Sticky(by="cookie", name="session")
BY_HEADER = Sticky(by="header", name="X-User")
BY_ADDRESS = Sticky(by="client_ip")


@pytest.mark.parametrize(
    ("sticky", "line", "key"),
    [
        (BY_COOKIE, "Cookie: a=b; session=u42", b"u42"),
        (BY_HEADER, "x-user: u42", b"u42"),
        (BY_ADDRESS, "X-A: b", b"10.0.0.1"),
    ],
)
def test_a_user_gets_one_version_whatever_chance_says(sticky: Sticky, line: str, key: bytes) -> None:
    service, again = split((50, 50), sticky=sticky), get(line)
    answers = {service.choose(request, At(), chance) for chance in (0.0, 0.3, 0.7, JUST_BELOW_1) for request in (get(line), again)}

    assert 1 == len(answers)
    assert {(True, user_hash(key))} == {(drawn, user) for _, drawn, user in answers}


@pytest.mark.parametrize(
    ("sticky", "lines"),
    [
        (BY_COOKIE, []),
        (BY_COOKIE, ["Cookie: a=b"]),
        (BY_COOKIE, ["Cookie: session="]),
        (BY_HEADER, []),
        (BY_HEADER, ["X-User:"]),
        (BY_HEADER, ["X-User-Id: u42"]),
    ],
)
def test_a_request_without_a_user_is_drawn(sticky: Sticky, lines: list[str]) -> None:
    service, request = split((50, 50), sticky=sticky), get(*lines)

    assert [("v1", True, 0), ("v2", True, 0)] == [service.choose(request, At(), chance) for chance in (0.1, 0.9)]


def test_a_client_without_an_address_is_drawn() -> None:
    """A unix socket that no proxy speaks on."""
    service = split((50, 50), sticky=BY_ADDRESS)

    assert [("v1", True, 0), ("v2", True, 0)] == [service.choose(get(), At(b""), chance) for chance in (0.1, 0.9)]


def test_users_by_address_fall_by_weight() -> None:
    service = split(sticky=BY_ADDRESS)
    counts = Counter(service.choose(get(), At(b"%d" % number), 0.0)[0] for number in range(DRAWS))

    assert abs(counts["v2"] - 0.05 * DRAWS) <= SIGMAS_99_99 * (DRAWS * 0.05 * 0.95) ** 0.5


def test_a_user_stays_in_another_process_and_after_a_new_plan() -> None:
    first, second = (split((70, 30), sticky=BY_HEADER) for _ in range(2))
    requests = [get(f"X-User: {number}") for number in range(100)]

    assert [first.choose(r, At(), 0.0) for r in requests] == [second.choose(r, At(), 0.9) for r in requests]


def test_fields_that_come_again_are_placed_anew_by_another_plan() -> None:
    before, after = split((100, 0), sticky=BY_HEADER), split((0, 100), sticky=BY_HEADER)
    request = get("X-User: u42")

    assert ["v1", "v2", "v1"] == [service.choose(request, At(), 0.0)[0] for service in (before, after, before)]


def test_an_override_by_path_beats_what_is_known_of_a_user() -> None:
    """The start line is news where the fields are not."""
    service = split((100, 0), sticky=BY_HEADER, overrides=(Override(Match(path_prefix="/new"), "v2"),))
    request, starts = get("X-User: u42"), Starts()
    answers = []
    for target in (b"/", b"/new", b"/"):
        request.again(starts[b"GET %b HTTP/1.1" % target])
        answers.append(service.choose(request, At(), 0.0)[0])

    assert ["v1", "v2", "v1"] == answers


# -- overrides ----------------------------------------------------------------------------------------------------------------

CANARY = Override(Match(headers=(("x-canary", "1"),)), "v2")


def test_an_override_beats_the_user_and_chance_and_is_no_draw() -> None:
    service = split((100, 0), sticky=BY_HEADER, overrides=(CANARY,))

    assert ("v2", False, 0) == service.choose(get("X-Canary: 1", "X-User: u42"), At(), 0.0)


def test_a_request_no_override_matches_is_drawn() -> None:
    assert ("v1", True, 0) == split(overrides=(CANARY,)).choose(get("X-Canary: 0"), At(), 0.0)


def test_the_first_override_that_matches_decides() -> None:
    overrides = (Override(Match(path_prefix="/a"), "v1"), Override(Match(), "v2"))
    service = split((0, 100), overrides=overrides)

    assert ["v1", "v2"] == [service.choose(get(target=target), At(), 0.5)[0] for target in ("/a/b", "/ab")]


def test_an_override_to_a_version_that_is_not_there_refuses_the_plan() -> None:
    with pytest.raises(PlanRefused, match="service shop: an override names a version that does not exist"):
        split(overrides=(Override(Match(), "v9"),))


def test_legs_stand_beside_versions() -> None:
    assert ["v1", "v2", "v3"] == split((1, 1, 1)).legs
