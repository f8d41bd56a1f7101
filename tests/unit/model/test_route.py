"""What routes are called."""

from __future__ import annotations

import pytest

from proxy.model.route import Match


@pytest.mark.parametrize(
    ("match", "name"),
    [
        (Match(), "*/*"),
        (Match(path_prefix="/"), "*/*"),
        (Match(host="shop.example.com", path="/cart"), "shop.example.com/cart"),
        (Match(path_prefix="/api/"), "*/api/*"),
        (Match(path_regex="^/v[12]"), "*~^/v[12]"),
        (Match(host="*.example.com", path="/", methods=("GET", "HEAD")), "GET,HEAD *.example.com/"),
    ],
)
def test_a_route_is_called_by_what_it_matches(match: Match, name: str) -> None:
    assert match.name == name
