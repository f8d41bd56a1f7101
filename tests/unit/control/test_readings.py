"""A number, nothing yet, or an error that says what to do: never a guess, and never zero for nothing."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from proxy.control.calling import Answer
from proxy.control.readings import Reading, at, filled, from_http, from_prometheus
from proxy.model.position import Position


def success(kind: str, result: Any, **more: Any) -> Answer:
    return Answer(200, msgspec.json.encode({"status": "success", "data": {"resultType": kind, "result": result}, **more}))


def sample(value: str) -> dict[str, Any]:
    return {"metric": {"service": "shop"}, "value": [1_700_000_000.1, value]}


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (success("scalar", [1.0, "0.25"]), 0.25),
        (success("vector", [sample("0.97")]), 0.97),
        (success("vector", [sample("+Inf")]), math.inf),
        (success("vector", [sample("-1e3")]), -1000.0),
    ],
)
def test_a_scalar_and_a_single_series_are_a_value(answer: Answer, value: float) -> None:
    assert Reading("value", value) == from_prometheus(answer)


@pytest.mark.parametrize("answer", [success("vector", []), success("scalar", [1.0, "NaN"]), success("vector", [sample("NaN")])])
def test_an_empty_vector_and_nan_are_no_data(answer: Answer) -> None:
    assert "no_data" == from_prometheus(answer).kind


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            success("vector", [sample("1"), sample("2")]),
            "the query has 2 series and must have one; put sum(), max() or avg() around it",
        ),
        (success("matrix", []), "the query is a matrix and must be a scalar or one series"),
        (success("string", [1.0, "x"]), "the query is a string"),
        (success("vector", [{"metric": {}}]), "its sample is no pair"),
        (success("vector", [7]), "its sample is no pair"),
        (success("scalar", [1.0, "many"]), "its value 'many' is no number"),
        (Answer(400, b'{"status":"error","errorType":"bad_data","error":"parse error: unexpected end"}'), "answered 400: parse error"),
        (Answer(200, b'{"status":"error","errorType":"timeout","error":"query timed out"}'), "answered 200: query timed out"),
        (Answer(503, b"<html>no backend</html>"), "answered 503"),
        (Answer(302, b""), "answered 302"),
        (Answer(200, b"<html>hello</html>"), "answered 200 and no JSON: '<html>hello</html>'"),
        (Answer(200, b"[" * 100_000), "answered 200 and no JSON"),
        (Answer(200, b"[]"), "answered in a form that is not Prometheus's"),
        (Answer(200, b'{"status":"success","data":{"resultType":"vector","result":{}}}'), "answered in a form"),
        (Answer(200, b'{"status":"success"', cut=True), "its answer is over 1048576 bytes"),
    ],
)
def test_anything_else_is_an_error_that_says_what_to_do(answer: Answer, words: str) -> None:
    reading = from_prometheus(answer)

    assert "error" == reading.kind
    assert reading.text.startswith(words)


def test_a_warning_is_kept_with_the_value() -> None:
    told = from_prometheus(success("scalar", [1.0, "3"], warnings=["results may be incomplete"]))

    assert Reading("value", 3.0, "warning: results may be incomplete") == told


def test_a_warning_is_kept_with_no_data() -> None:
    told = from_prometheus(success("vector", [], warnings=["store timed out"]))

    assert Reading("no_data", None, "the query has no series now; warning: store timed out") == told


@pytest.mark.parametrize(("status", "kind"), [(200, "yes"), (204, "yes"), (301, "no"), (404, "no"), (500, "no")])
def test_without_a_path_2xx_is_all_that_counts(status: int, kind: str) -> None:
    assert kind == from_http(Answer(status, b"anything"), "").kind


@pytest.mark.parametrize(
    ("path", "value"),
    [("$.orders.rate", 0.5), ("$.list[1]", 7.0), ('$["a name"]', 3.0), ("$.list[2].deep-er[0]", -1.0)],
)
def test_the_number_at_a_path_is_the_value(path: str, value: float) -> None:
    body = b'{"orders": {"rate": 0.5}, "list": [1, 7, {"deep-er": [-1]}], "a name": 3}'

    assert Reading("value", value) == from_http(Answer(200, body), path)


def test_the_whole_document_may_be_the_number() -> None:
    assert Reading("value", 42.0) == from_http(Answer(200, b"42"), "$")


@pytest.mark.parametrize("body", [b"{}", b'{"a": null}', b'{"a": {"b": null}}', b'{"a": []}', b"[]", b"7"])
def test_nothing_at_the_path_is_no_data(body: bytes) -> None:
    assert "no_data" == from_http(Answer(200, body), "$.a.b").kind


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b'{"a": "5"}'), 'what is at $.a is no number but "5"'),
        (Answer(200, b'{"a": true}'), "what is at $.a is no number but true"),
        (Answer(200, b'{"a": [1]}'), "what is at $.a is no number but [1]"),
        (Answer(200, b'{"a": 1' + b"0" * 400 + b"}"), "what is at $.a has more digits than a number here can have"),
        (Answer(500, b'{"a": 5}'), "answered 500"),
        (Answer(200, b"a=5"), "answered 200 and no JSON"),
    ],
)
def test_what_is_no_number_is_an_error(answer: Answer, words: str) -> None:
    reading = from_http(answer, "$.a")

    assert "error" == reading.kind
    assert reading.text.startswith(words)


def test_an_index_is_not_a_name_and_a_name_no_index() -> None:
    assert (None, None) == (at({"0": 1}, "$[0]"), at([1], "$.a"))


def test_a_query_may_name_the_service_the_versions_and_the_rollout() -> None:
    position = Position("shop", stable="v1", candidate="v2", rollout=7)

    assert 'f{s="shop",v="v2",o="v1",n="7"}{{other}}' == filled(
        'f{s="{{service}}",v="{{candidate}}",o="{{stable}}",n="{{rollout}}"}{{other}}', position
    )
