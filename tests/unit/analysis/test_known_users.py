"""Who is counted once."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.analysis.known_users import KnownUsers, SavedUsers


def users(*events: tuple[int, bool]) -> KnownUsers:
    made = KnownUsers()
    for user, is_candidate in events:
        made.count(user, is_candidate=is_candidate)
    return made


def test_a_user_counts_once_on_the_version_where_it_happened_first() -> None:
    made = users((1, False), (1, True), (2, True), (2, False), (2, True))

    assert (1, 1) == (made.candidate, made.stable)


def test_only_the_first_event_of_a_user_is_to_be_counted() -> None:
    made = KnownUsers()

    assert [True, False, True] == [made.count(user, is_candidate=True) for user in (1, 1, 2)]


def test_those_to_whom_it_happened_on_the_candidate_include_those_who_had_met_it_on_stable() -> None:
    assert 2 == users((1, False), (1, True), (2, True), (3, False)).of_candidate


def test_signed_and_unsigned_hashes_of_a_user_are_the_same_user() -> None:
    assert 1 == users((-1, True), (2**64 - 1, True)).candidate


def test_when_there_is_no_room_the_next_are_not_counted_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FAILED_USERS_PER_ROLLOUT_MAX", 2)
    made = users((1, True), (2, False), (3, True), (1, True))

    assert (True, 1, 1, 1, 1) == (made.full, made.candidate, made.stable, made.uncounted, made.of_candidate)


def test_users_survive_a_restart_exactly() -> None:
    made = users((2**64 - 1, True), (7, False), (7, True))
    made.uncounted = 3
    again = KnownUsers(made.saved())

    assert made.saved() == again.saved()
    assert (False, 2) == (again.count(7, is_candidate=True), again.of_candidate)


def test_users_of_whom_only_the_number_was_stored_keep_it() -> None:
    assert 4 == KnownUsers(SavedUsers(candidate=4)).of_candidate


def test_a_set_that_is_no_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        KnownUsers(SavedUsers(seen="x"))


@pytest.mark.parametrize("count", range(8))
def test_what_is_saved_again_and_again_is_all_that_was_counted(count: int) -> None:
    """The text grows with the users, three hashes at a time."""
    made = KnownUsers()
    for user in range(count):
        made.count(user, is_candidate=user % 2 == 0)
        made.saved()
    again = KnownUsers(made.saved())
    again.count(99, is_candidate=True)
    once = KnownUsers()
    for user in (*range(count), 99):
        once.count(user, is_candidate=user % 2 == 0 or user == 99)

    assert once.saved() == again.saved()
