"""What people may see of a URL."""

from __future__ import annotations

import pytest

from proxy.model.url import shown


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("http://ci/smoke", "http://ci/smoke"),
        ("https://ann:s3cret@ci.example:8443/smoke?token=abc#x", "https://ci.example:8443/smoke?..."),
        ("http://a@b@[::1]:80/", "http://[::1]:80/"),
        ("http://ann:s3cret@[::1/", "a URL that is none"),
    ],
)
def test_people_see_no_user_no_password_and_no_query(url: str, seen: str) -> None:
    assert seen == shown(url)
