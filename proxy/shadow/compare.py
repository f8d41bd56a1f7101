"""How two answers to one request differ: status, head and body, by the operator's rules. The one entry to comparing.

A copy that broke, or was refused, is a difference like any other: its path is ``failure``. Nothing more is compared then, nor when the
statuses differ: another answer has another body, and one cause should have one path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from proxy import limits
from proxy.shadow import bodies, fields
from proxy.shadow.json_diff import Difference, Text
from proxy.shadow.reply import Reply

STATUS: Final = "status"
FAILURE: Final = "failure"


class Rules:
    """Paths that are not compared. A rule is a path as differences have it; it covers what is below it too.

    ``$.meta`` covers ``$.meta.at`` and ``$.meta[]``; ``$.*.at`` is literal, for a path of a map has its star. ``header:NAME`` covers a
    header, and ``header:set-cookie[NAME]`` a cookie.
    """

    def __init__(self, ignore: Iterable[str] = ()) -> None:
        self._ignored = tuple(dict.fromkeys(ignore))

    def cover(self, path: str) -> bool:
        """Whether a rule covers the path."""
        return any(path == rule or (path.startswith(rule) and path[len(rule)] in ".[") for rule in self._ignored)


def compare(original: Reply, copy: Reply, rules: Rules) -> list[Difference]:
    """The differences of ``copy``, at most ``limits.DIFFERENCES_PER_PAIR_MAX``, without those that the rules cover."""
    uncovered = (difference for difference in _all(original, copy) if not rules.cover(difference.path))
    return list(islice(uncovered, limits.DIFFERENCES_PER_PAIR_MAX))  # what is covered takes no room of what is not


def _all(original: Reply, copy: Reply) -> Iterator[Difference]:
    if original.failure or copy.failure:
        if original.failure != copy.failure:
            yield Difference(FAILURE, "value", *(Text(reply.failure or reply.status) for reply in (original, copy)))
    elif original.status != copy.status:
        yield Difference(STATUS, "value", original.status, copy.status)
    else:
        yield from fields.differences(original, copy)
        yield from bodies.body_differences(original, copy)
