"""A member of a JSON object as a step of a path: as the comparer writes it, and so as the configuration has to name it."""

from __future__ import annotations

import json
from functools import lru_cache

from proxy import limits


@lru_cache(limits.MEMBERS_REMEMBERED_MAX)
def member(key: str) -> str:
    """``.name``, or ``["a key"]`` when it is no plain word, cut to ``limits.DIFFERENCE_CHARS_MAX`` between the brackets."""
    if len(key) <= limits.DIFFERENCE_CHARS_MAX and key.replace("_", "a").replace("-", "a").isalnum() and not key[0].isdigit():
        return f".{key}"
    return f"[{sendable(json.dumps(key, ensure_ascii=False))[: limits.DIFFERENCE_CHARS_MAX]}]"


def sendable(text: str) -> str:
    """The text with ``?`` for halves of surrogate pairs: JSON can say those (RFC 8259 section 8.2), UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
