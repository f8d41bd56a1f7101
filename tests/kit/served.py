"""The format as it will be: keys and words that nothing acts on yet, read all the same."""

from __future__ import annotations

import pytest

from proxy.config import served


def serve_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """For this test nothing is refused for not being served."""
    for part in list(served.NOT_SERVED):
        monkeypatch.delitem(served.NOT_SERVED, part)
    for key in list(served.NOT_SERVED_WORDS):
        monkeypatch.delitem(served.NOT_SERVED_WORDS, key)
