"""Whatever a source answers, it is a reading: nobody outside can make the control plane raise."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy import limits
from proxy.control.calling import Answer, one_line
from proxy.control.readings import Reading, from_http, from_prometheus

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
KEYS = st.sampled_from(["status", "data", "resultType", "result", "value", "error", "warnings", "metric", "a", "b"]) | st.text(
    max_size=5
)
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=20)
RESULTS = st.lists(DOCUMENTS | st.fixed_dictionaries({"value": st.tuples(SCALARS, SCALARS)}), max_size=3) | DOCUMENTS
SHAPED = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["success", "error"]),
        "data": st.fixed_dictionaries(
            {"resultType": st.sampled_from(["scalar", "vector", "matrix", "string"]) | SCALARS, "result": RESULTS}
        ),
    },
    optional={"warnings": DOCUMENTS, "error": DOCUMENTS},
)
STATUSES = st.sampled_from([200, 204, 302, 400, 503])
PATHS = st.sampled_from(["", "$", "$.a", "$.a.b[0]", '$["a"]', "$.data.result[0].value[1]"])


def bodies() -> st.SearchStrategy[bytes]:
    return st.binary(max_size=60) | (SHAPED | DOCUMENTS).map(lambda document: json.dumps(document).encode())


def is_whole(reading: Reading) -> bool:
    """A value is a number, an error says why, and what is for people is one line of bounded length."""
    value: Any = reading.value
    return (
        (reading.kind == "value") == (value is not None)
        and (value is None or (isinstance(value, float) and not math.isnan(value)))
        and (reading.kind != "error" or bool(reading.text))
        and reading.text == one_line(reading.text, limits.QUERY_SAID_CHARS_MAX)
    )


@given(STATUSES, bodies(), st.booleans())
def test_any_answer_of_a_prometheus_is_a_reading(status: int, body: bytes, cut: bool) -> None:
    assert is_whole(from_prometheus(Answer(status, body, cut)))


@given(STATUSES, bodies(), PATHS, st.booleans())
def test_any_answer_of_an_http_check_is_a_reading(status: int, body: bytes, path: str, cut: bool) -> None:
    assert is_whole(from_http(Answer(status, body, cut), path))
