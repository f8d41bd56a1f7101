"""Who is moved by a change of weights: only users into what grew, and back exactly the same ones."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from proxy.model.plan import ServicePlan
from proxy.model.service import Endpoint, Sticky, Version
from proxy.routing.bucket import choose, edges, salt
from proxy.routing.table import Split
from proxy.wire.request import Request, Starts, new_table, parse

USERS = [b"user-%d" % number for number in range(400)]
RAMP = (1, 5, 25, 50, 100)

names = st.text("abcdefghij-0123456789", min_size=1, max_size=8)
basis_points = st.integers(0, 10_000)
weights = st.lists(st.floats(0.0, 1e6, allow_subnormal=False), min_size=2, max_size=6).filter(any)
chances = st.floats(0.0, 1.0, exclude_max=True)


def places(salts: tuple[int, ...], shares: tuple[float, ...]) -> list[int]:
    return [choose(user, salts, shares) for user in USERS]


def inside(service: str, candidate_bp: int) -> set[bytes]:
    """Users of the candidate at a weight, as a rollout sets it: what it gains the stable version loses."""
    salts = (salt(service, "v1"), salt(service, "v2"))
    return {user for user, place in zip(USERS, places(salts, (10_000 - candidate_bp, candidate_bp)), strict=True) if place}


@given(names)
def test_a_ramp_moves_users_only_into_the_candidate_and_back_returns_the_same(service: str) -> None:
    up = [inside(service, percent * 100) for percent in (0, *RAMP)]
    down = [inside(service, percent * 100) for percent in reversed((0, *RAMP))]

    assert all(before <= after for before, after in itertools.pairwise(up))
    assert up == down[::-1]
    assert (set(), set(USERS)) == (up[0], up[-1])


@given(names, basis_points, basis_points)
def test_raising_any_weight_moves_users_only_into_the_candidate(service: str, one: int, other: int) -> None:
    assert inside(service, min(one, other)) <= inside(service, max(one, other))


@given(weights, st.data())
def test_of_many_versions_only_users_of_what_grew_are_new(shares: list[float], data: st.DataObject) -> None:
    """Raised alone, a version takes from all others and no user moves between those."""
    salts = tuple(salt("shop", f"v{number}") for number in range(len(shares)))
    grown = data.draw(st.integers(0, len(shares) - 1))
    more = [*shares[:grown], shares[grown] + data.draw(st.floats(0.0, 1e6)), *shares[grown + 1 :]]

    for before, after in zip(places(salts, tuple(shares)), places(salts, tuple(more)), strict=True):
        assert after in (before, grown)


@given(weights, st.floats(1e-3, 1e3))
def test_weights_are_relative(shares: list[float], factor: float) -> None:
    """Powers of two, so that rounding does not decide."""
    power = 2.0 ** round(factor % 8)
    salts = tuple(range(len(shares)))

    assert places(salts, tuple(shares)) == places(salts, tuple(share * power for share in shares))


@given(weights, st.integers(0, 5))
def test_a_version_added_without_weight_moves_nobody(shares: list[float], at: int) -> None:
    salts = tuple(salt("shop", f"v{number}") for number in range(len(shares)))
    at = min(at, len(shares))
    moved = places((*salts[:at], 99, *salts[at:]), (*shares[:at], 0.0, *shares[at:]))

    assert places(salts, tuple(shares)) == [place - (place > at) for place in moved]
    assert at not in moved


@given(weights, chances)
def test_a_draw_falls_to_a_version_with_weight_whose_share_it_is_in(shares: list[float], chance: float) -> None:
    bounds = edges(shares)
    drawn = next(index for index, edge in enumerate(bounds) if chance < edge)

    assert shares[drawn] > 0
    assert sorted(bounds) == list(bounds)
    assert (bounds[drawn - 1] if drawn else 0.0) <= chance < bounds[drawn]


class Nobody:
    """A client without an address."""

    def client(self, request: Request) -> bytes:
        return b""


@given(weights, chances, st.sampled_from(["", "u1", "u2", "u3"]))
def test_a_version_without_weight_gets_neither_draws_nor_users(shares: list[float], chance: float, user: str) -> None:
    versions = tuple(Version(f"v{number}", (Endpoint("127.0.0.1", 1),)) for number in range(len(shares)))
    plan = ServicePlan("shop", versions, tuple(shares), sticky=Sticky("header", "x-user"))
    head = f"GET / HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n".encode()

    leg, drawn, known = Split(plan, list(range(len(shares)))).choose(parse(head, Starts(), new_table()), Nobody(), chance)

    assert shares[leg] > 0
    assert (True, bool(user)) == (drawn, bool(known))
