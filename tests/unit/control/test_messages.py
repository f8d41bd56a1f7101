"""What a receiver gets of a decision, and how it knows that it is ours."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from proxy.clock import SystemClock
from proxy.control.messages import Told, signature, slack, webhook
from proxy.model.position import Phase, Position, Record
from tests.house.tree import ROOT

POSITION = Position("shop", stable="v1", phase=Phase.ROLLING_BACK, candidate="v2", rollout=3, weight_bp=0)
RECORD = Record("rolling_back", "candidate fails: 5 of 12", {"from": "v1", "to": "v2", "rollout": 3, "evidence": 7.1})


def test_a_webhook_has_the_record_in_the_names_of_the_history() -> None:
    assert {
        "service": "shop",
        "revision": 12,
        "at": 1_700_000_000.5,
        "kind": "rolling_back",
        "stable": "v1",
        "candidate": "v2",
        "phase": "rolling_back",
        "weight": 0.0,
        "by": "headgate",
        "reason": "candidate fails: 5 of 12",
        "figures": {"from": "v1", "to": "v2", "rollout": 3, "evidence": 7.1},
    } == msgspec.json.decode(webhook(Told("shop", 12, 1_700_000_000.5, RECORD, POSITION)))


def test_slack_gets_a_line_in_which_nothing_is_a_mention() -> None:
    record = Record("paused", "see <!channel> & <https://evil|this>", by="ann <x>")

    assert {"text": "*shop*: paused. see &lt;!channel&gt; &amp; &lt;https://evil|this&gt; (by ann &lt;x&gt;)"} == msgspec.json.decode(
        slack(Told("shop", 1, 0.0, record, POSITION))
    )


def test_the_signature_is_over_the_time_and_the_body() -> None:
    expected = hmac.new(b"s3cret", b"1700000000." + b'{"a":1}', hashlib.sha256).hexdigest()

    assert f"sha256={expected}" == signature(b"s3cret", "1700000000", b'{"a":1}')


def documented() -> Callable[[bytes, dict[str, str], bytes], bool]:
    """``is_ours``, as docs/hooks-and-checks.md tells receivers to write it."""
    text = (ROOT / "docs" / "hooks-and-checks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile("\n".join(blocks), "hooks-and-checks.md", "exec"), names)
    is_ours: Callable[[bytes, dict[str, str], bytes], bool] = names["is_ours"]
    return is_ours


def headers(at_s: float, body: bytes) -> dict[str, str]:
    timestamp = str(int(at_s))
    return {"X-Headgate-Timestamp": timestamp, "X-Headgate-Signature": signature(b"s3cret", timestamp, body)}


def test_a_receiver_that_does_as_documented_takes_what_is_ours() -> None:
    assert documented()(b"s3cret", headers(SystemClock().wall(), b"{}"), b"{}")


@pytest.mark.parametrize(
    ("secret", "body", "age_s"),
    [(b"other", b"{}", 0), (b"s3cret", b'{"forged": 1}', 0), (b"s3cret", b"{}", 301)],
    ids=["another secret", "another body", "sent again later"],
)
def test_a_receiver_that_does_as_documented_refuses_what_is_not(secret: bytes, body: bytes, age_s: float) -> None:
    assert not documented()(secret, headers(SystemClock().wall() - age_s, b"{}"), body)
