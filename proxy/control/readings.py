"""What a source's answer means: a number, nothing yet, or an error that says what to do. Pure: bytes in, ``Reading`` out.

No data is not zero and not an error: an empty vector, a NaN and a JSON null are *nothing yet*. Knows nothing of limits, which are the
judge's, or of how the answer was got.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final, Literal

import msgspec

from proxy import limits
from proxy.control.calling import Answer, one_line
from proxy.model.position import Position

_JSON_PATH: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]{1,6})\]|\[\"([^\"\\\x00-\x1f]+)\"\]")


class Reading(msgspec.Struct, frozen=True):
    """``value`` belongs to ``value``. ``yes`` and ``no`` are of a source that only has to answer well. ``text`` says what was seen."""

    kind: Literal["value", "yes", "no", "no_data", "error"]
    value: float | None = None
    text: str = ""


def error(text: str) -> Reading:
    """The source could not be read; ``text`` says why and what to do."""
    return Reading("error", text=one_line(text, limits.QUERY_SAID_CHARS_MAX))


def filled(text: str, position: Position) -> str:
    """A query with what it may name put in: ``{{service}}``, ``{{stable}}``, ``{{candidate}}`` and ``{{rollout}}``.

    Names of services and versions have no characters that mean something in a query or a URL.
    """
    for name, value in (
        ("service", position.service),
        ("stable", position.stable),
        ("candidate", position.candidate),
        ("rollout", str(position.rollout)),
    ):
        text = text.replace("{{" + name + "}}", value)
    return text


def from_prometheus(answer: Answer) -> Reading:
    """Read the answer to an instant query: a scalar, or a vector of one sample.

    https://prometheus.io/docs/prometheus/latest/querying/api/: ``{status, data: {resultType, result}, errorType, error, warnings}``.
    """
    document = _json(answer)
    told = document.get("error") if isinstance(document, dict) else None
    if not answer.good or (isinstance(document, dict) and document.get("status") == "error"):
        return error(f"answered {answer.status}" + (f": {told}" if isinstance(told, str) else ""))
    if isinstance(document, Reading):
        return document
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("result"), list):
        return error("answered in a form that is not Prometheus's; is the address that of its root, without /api/v1?")
    return _with_warnings(_only(data.get("resultType"), data["result"]), document.get("warnings"))


def _only(kind: Any, result: list[Any]) -> Reading:
    """The one number of a query's result."""
    if kind == "scalar":
        return _sample(result)
    if kind != "vector":
        return error(f"the query is a {one_line(str(kind), 20)} and must be a scalar or one series; a range needs rate() or the like")
    if not result:
        return Reading("no_data", text="the query has no series now")
    if len(result) > 1:
        return error(f"the query has {len(result)} series and must have one; put sum(), max() or avg() around it")
    return _sample(result[0].get("value") if isinstance(result[0], dict) else None)


def _sample(pair: Any) -> Reading:
    """``[unix time, "number"]``."""
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], str):
        return error("its sample is no pair of a time and a number")
    try:
        return _number(float(pair[1]))
    except ValueError:
        return error(f"its value {pair[1]!r} is no number")


def _with_warnings(reading: Reading, warnings: Any) -> Reading:
    if not isinstance(warnings, list) or not warnings:
        return reading
    said = "; ".join(text for text in (reading.text, f"warning: {warnings[0]}") if text)
    return Reading(reading.kind, reading.value, one_line(said, limits.QUERY_SAID_CHARS_MAX))


def from_http(answer: Answer, path: str) -> Reading:
    """Without ``path`` whether it is a 2xx; else the number there, and then anything but a 2xx is an error."""
    if not path:
        return Reading("yes" if answer.good else "no", text=f"answered {answer.status}")
    if not answer.good:
        return error(f"answered {answer.status}")
    document = _json(answer)
    if isinstance(document, Reading):
        return document
    found = at(document, path)
    if found is None:
        return Reading("no_data", text=f"there is nothing at {path}")
    if isinstance(found, bool) or not isinstance(found, int | float):
        return error(f"what is at {path} is no number but {one_line(msgspec.json.encode(found), 40)}")
    try:
        return _number(float(found))
    except OverflowError:
        return error(f"what is at {path} has more digits than a number here can have")


def at(document: Any, path: str) -> Any:
    """What is at a JSON path (``$.orders.rate``, ``$.items[0]``, ``$["a name"]``); None when nothing is."""
    for name, index, quoted in _JSON_PATH.findall(path):
        if index:
            inside = isinstance(document, list) and int(index) < len(document)
            document = document[int(index)] if inside else None
        else:
            document = document.get(name or quoted) if isinstance(document, dict) else None
    return document


def _number(value: float) -> Reading:
    if math.isnan(value):
        return Reading("no_data", text="the value is NaN: most often a rate of nothing by nothing")
    return Reading("value", value)


def _json(answer: Answer) -> Any:
    """The document, or the error that there is none."""
    if answer.cut:
        return error(f"its answer is over {limits.QUERY_ANSWER_BYTES_MAX} bytes, and one number is wanted")
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return error(f"answered {answer.status} and no JSON: {one_line(answer.body, 60)!r}")
