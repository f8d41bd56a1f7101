"""What a receiver gets of a decision, and how it knows that it is ours."""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from proxy.control.messages import Told, signature, slack, webhook
from proxy.model.position import Phase, Position, Record

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
