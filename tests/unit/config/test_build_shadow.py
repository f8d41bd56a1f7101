from __future__ import annotations

import pytest

from proxy.config import schema
from proxy.config.build_shadow import percent, shadow, shown_shadow
from proxy.model.service import Shadow


@pytest.mark.parametrize(
    "copies",
    [
        Shadow(),
        Shadow(version="v2", percent_bp=1250, timeout_s=1.5, max_in_flight=3, compare=False),
        Shadow(version="v2", ignore=("$.at", "header:etag"), allow=("$.new",), noise="v1", redact=(), max_bytes=1024),
    ],
)
def test_what_is_shown_of_copies_reads_back(copies: Shadow) -> None:
    given = {
        key: str(value) if key in ("percent", "timeout", "max_bytes") else value for key, value in shown_shadow(copies).items()
    }  # as the file gives them

    assert copies == shadow(schema.Shadow.model_validate(given))


@pytest.mark.parametrize(("bp", "shown"), [(2000, 20), (1250, 12.5), (1, 0.01)])
def test_percent_is_whole_where_it_is_whole(bp: int, shown: float) -> None:
    assert str(shown) == str(percent(bp))
