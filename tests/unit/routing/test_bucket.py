from __future__ import annotations

import pytest

from proxy.routing.bucket import choose, edges, salt, sampled, user_hash

USERS = 100_000
SIGMAS_99_99 = 3.8906  # two-sided 99.99 % of the normal distribution

SALTS = (salt("shop", "v1"), salt("shop", "v2"))


@pytest.mark.parametrize(
    ("key", "expected"),
    [(b"alice", 0x4F1A4F97E8B355AA), (b"1", 0x71FBBBFE8A7B7C71), (b"\x00", 0x4610ABE56EFF5CB5), (b"a", 9607679276477937801)],
)
def test_a_users_hash_never_changes(key: bytes, expected: int) -> None:
    """Known answers: a library that hashed otherwise would move every sticky user and count each failed user twice."""
    assert expected == user_hash(key)


@pytest.mark.parametrize(
    ("names", "expected"), [(("shop", "v1"), 4218639177), (("shop", "v2"), 3900176320), (("a/b", "c"), 2379200214)]
)
def test_a_versions_salt_never_changes(names: tuple[str, str], expected: int) -> None:
    assert expected == salt(*names)


def test_users_of_the_first_percents_never_change() -> None:
    """Known answer: the first of these users in a candidate with 5 %."""
    users = [number for number in range(200) if choose(b"user-%d" % number, SALTS, (95, 5))]

    assert [4, 7, 14, 42, 59, 64, 93, 107, 127, 131, 146, 160, 161, 170, 173] == users


def test_a_users_hash_is_64_bits_and_spread() -> None:
    hashes = {user_hash(b"%d" % number) for number in range(10_000)}
    low, high, distinct = min(hashes), max(hashes), len(hashes)

    assert 10_000 == distinct
    assert 0 <= low < 2**63 < high < 2**64


@pytest.mark.parametrize(("service", "form"), [("shop", b"%d"), ("cart", b"%032x"), ("a", b"10.0.%d.1")])
def test_users_fall_to_versions_by_weight(service: str, form: bytes) -> None:
    """Of 100,000 users a candidate with 5 % gets what chance would give it, within 99.99 %."""
    salts = (salt(service, "v1"), salt(service, "v2"))
    chosen = sum(choose(form % number, salts, (95, 5)) for number in range(USERS))

    assert abs(chosen - 0.05 * USERS) <= SIGMAS_99_99 * (USERS * 0.05 * 0.95) ** 0.5


def test_users_fall_to_three_versions_by_weight() -> None:
    salts = tuple(salt("shop", version) for version in ("v1", "v2", "v3"))
    chosen = [0, 0, 0]
    for number in range(USERS):
        chosen[choose(b"%d" % number, salts, (50, 30, 20))] += 1

    for count, share in zip(chosen, (0.5, 0.3, 0.2), strict=True):
        assert abs(count - share * USERS) <= SIGMAS_99_99 * (USERS * share * (1 - share)) ** 0.5


def test_the_first_users_of_two_candidates_are_not_the_same() -> None:
    """Each version has its own salt, so nobody is the guinea pig of every release."""
    first = {n for n in range(10_000) if choose(b"%d" % n, SALTS, (95, 5))}
    second = {n for n in range(10_000) if choose(b"%d" % n, (SALTS[0], salt("shop", "v3")), (95, 5))}

    assert len(first & second) < len(first) / 2


@pytest.mark.parametrize(("weights", "index"), [((0, 1), 1), ((1, 0), 0), ((0.0, 0.0, 1e-9), 2)])
def test_a_weight_of_zero_is_never_chosen(weights: tuple[float, ...], index: int) -> None:
    salts = (1, 2, 3)[: len(weights)]

    assert {index} == {choose(b"%d" % number, salts, weights) for number in range(1000)}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((1,), (1.0,)),
        ((1, 3), (0.25, 1.0)),
        ((95, 5), (0.95, 1.0)),
        ((0, 5), (0.0, 1.0)),
        ((5, 0), (1.0, 1.0)),
        ((1, 0, 1, 0), (0.5, 0.5, 1.0, 1.0)),
        ((0.1, 0.2, 0.7), (0.1 / 1.0, 0.30000000000000004 / 1.0, 1.0)),
    ],
)
def test_edges_are_cumulative_shares_that_end_in_one(weights: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert pytest.approx(expected) == edges(weights)
    assert 1.0 == edges(weights)[-1]


@pytest.mark.parametrize("weights", [(0,), (0, 0), ()])
def test_a_split_without_weight_is_a_bug_of_ours(weights: tuple[float, ...]) -> None:
    with pytest.raises(AssertionError):
        edges(weights)
    with pytest.raises(AssertionError):
        choose(b"a", (0,) * len(weights), weights)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.97])
def test_a_share_of_known_users_is_sampled(share: float) -> None:
    users = [user_hash(b"user-%d" % i) for i in range(20_000)]
    seen = sum(sampled(user, share, never) for user in users) / len(users)

    assert abs(seen - share) < 5 * (share * (1 - share) / len(users)) ** 0.5


def test_a_greater_share_only_adds_users() -> None:
    users = [user_hash(b"user-%d" % i) for i in range(2000)]
    shares = [{user for user in users if sampled(user, share, never)} for share in (0.0, 0.1, 0.5, 1.0)]

    assert [shares[0], shares[3], shares[0] <= shares[1] <= shares[2] <= shares[3]] == [set(), set(users), True]


def test_who_is_sampled_does_not_depend_on_the_version() -> None:
    keys = [b"user-%d" % i for i in range(20_000)]
    salts = [salt("shop", "v1"), salt("shop", "v2")]
    candidates = [key for key in keys if choose(key, salts, (90.0, 10.0)) == 1]
    seen = sum(sampled(user_hash(key), 0.3, never) for key in candidates) / len(candidates)

    assert abs(seen - 0.3) < 5 * (0.3 * 0.7 / len(candidates)) ** 0.5


def test_an_unknown_user_is_drawn() -> None:
    assert [sampled(0, 0.3, lambda: 0.29), sampled(0, 0.3, lambda: 0.3)] == [True, False]


def never() -> float:
    raise AssertionError("a known user is not drawn")
