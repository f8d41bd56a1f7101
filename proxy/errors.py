"""Every error says whose fault it is; errors of an exchange also say what a retry may assume.

Three faults: the *downstream* client broke a rule, the *upstream* origin broke one, or an *operator* asked for something impossible.
A bug of ours is none of these: it is an ``AssertionError`` and is never caught for show.
"""

from __future__ import annotations


class HeadgateError(Exception):
    """Base of everything raised on purpose."""


class DownstreamError(HeadgateError):
    """The client's message cannot be served. ``status`` is the answer it gets; its connection is closed after it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class UpstreamError(HeadgateError):
    """The origin's answer cannot be relayed. ``cause`` is the failure label charged to the version."""

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason


class OperatorError(HeadgateError):
    """What the operator asked for cannot be done; the text says what is wrong and what is allowed."""


class PlanRefused(HeadgateError):
    """A worker could not compile a plan whole, so nobody takes it."""
