"""A decision as a message: the two forms of a notification, and the signature by which a receiver knows it is ours. Pure.

Knows nothing of targets, queues or the network.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec

from proxy.model.position import Position, Record


class Told(msgspec.Struct, frozen=True):
    """One kept record: of which service, its number in that service's history, when (Unix time), and where the service stood then."""

    service: str
    revision: int
    at_s: float
    record: Record
    position: Position


def webhook(told: Told) -> bytes:
    """The record as JSON, in the names of the API's history."""
    record, position = told.record, told.position
    return msgspec.json.encode(
        {
            "service": told.service,
            "revision": told.revision,
            "at": told.at_s,
            "kind": record.kind,
            "stable": record.figures.get("from") or position.stable,
            "candidate": record.figures.get("to") or position.candidate or None,
            "phase": position.phase.value,
            "weight": position.weight_bp / 100,
            "by": record.by or "headgate",
            "reason": record.reason,
            "figures": record.figures,
        }
    )


def slack(told: Told) -> bytes:
    """A line of text, as Slack's incoming webhooks and their like take it (https://docs.slack.dev/messaging/formatting-message-text)."""
    kind = told.record.kind.replace("_", " ")
    by = f" (by {told.record.by})" if told.record.by else ""
    text = f"*{_escaped(told.service)}*: {_escaped(kind)}. {_escaped(told.record.reason)}{_escaped(by)}"
    message: dict[str, Any] = {"text": text}
    return msgspec.json.encode(message)


def _escaped(text: str) -> str:
    """The three characters that would begin a mention, a link or an entity."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """``sha256=`` and the HMAC of the timestamp, a full stop and the body: neither can be changed, nor an old one sent again later."""
    return "sha256=" + hmac.new(secret, timestamp.encode("ascii") + b"." + body, hashlib.sha256).hexdigest()
