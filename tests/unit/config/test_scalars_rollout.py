from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import limits
from proxy.config import scalars_rollout as scalars
from proxy.model.member import member
from proxy.model.pair import Seen
from proxy.shadow import fields
from proxy.shadow.json_diff import differences
from proxy.shadow.reply import Reply


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("Mon 00:00", 0), ("Fri 16:00", 4 * 1440 + 960), ("Friday 16:00", 4 * 1440 + 960), ("sun 23:59", 10079), ("Sun 24:00", 0)],
)
def test_a_time_of_the_week_counts_from_monday(text: str, minutes: int) -> None:
    assert minutes == scalars.weekly_min(text)


@pytest.mark.parametrize("text", ["16:00", "Fri", "Fri 16", "Fre 16:00", "Fri 25:00", "Fri 24:01", "Fri 12:60", "Fri  -1:00", ""])
def test_what_is_no_time_of_the_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time of"):
        scalars.weekly_min(text)


@given(st.integers(0, scalars.WEEK_MIN - 1))
def test_a_shown_time_of_the_week_reads_back(minutes: int) -> None:
    assert minutes == scalars.weekly_min(scalars.shown_weekly(minutes))


def test_a_time_zone_has_a_name() -> None:
    assert "UTC" == scalars.zone("UTC")


@pytest.mark.parametrize("text", ["Moon/Base", "../etc/passwd", "/etc/localtime", ""])
def test_what_is_no_time_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        scalars.zone(text)


@pytest.mark.parametrize(("text", "bp"), [("20", 2000), ("0.01", 1), ("100%", 10_000), ("12.5", 1250)])
def test_copies_are_a_percentage(text: str, bp: int) -> None:
    assert bp == scalars.copies_bp(text)


@pytest.mark.parametrize("text", ["0", "0.001", "100.01", "-5", "many"])
def test_copies_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a percentage from 0.01 to 100 is"):
        scalars.copies_bp(text)


@pytest.mark.parametrize(("text", "seconds"), [("off", None), ("stable_p99", 0.0), ("500ms", 0.5)])
def test_slow_answers_have_a_bound_or_none(text: str, seconds: float | None) -> None:
    assert (seconds, text) == (scalars.slow_over_s(text), scalars.shown_slow_over(seconds))


@pytest.mark.parametrize("text", ["0", "never", "500"])
def test_what_is_no_bound_of_slow_answers_is_told_the_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"stable_p99.*or off"):
        scalars.slow_over_s(text)


@pytest.mark.parametrize("text", ["$", "$.orders.rate", "$.items[0].n", '$["a name"].b', "$.a-b"])
def test_a_json_path_is_names_and_indexes(text: str) -> None:
    assert text == scalars.json_path(text)


@pytest.mark.parametrize(
    "text", ["orders", "$orders", "$.", "$.a..b", "$.a[*]", "$[-1]", "$['a']", "$." + "a" * limits.JSON_PATH_CHARS_MAX]
)
def test_what_is_no_json_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no JSON path"):
        scalars.json_path(text)


@pytest.mark.parametrize(
    "text",
    ["$", "$.a.b", "$.items[].id", "$[][].*", "$.*.at", '$["a key"]', '$["*"]', "$._a-ä", "status", "body", "failure", "header:etag"],
)
def test_a_path_of_a_difference_is_one_that_comparing_gives(text: str) -> None:
    assert text == scalars.difference_path(text)


KEYS = [
    "a",
    "A_b-c",
    "-",
    "a key",
    "",
    "*",
    "1a",
    "²",
    "a.b",
    "a]b",
    '"',
    "\\",
    "\n\x01",
    "é",
    "\ud800",
    "x" * 121,
    "x" * 118 + '"\n',
    "日 " * 80,
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [{"id": 1, "v": value}], lambda value: {"a b": value, "c": 0}])
def test_whatever_the_comparer_writes_may_be_named(key: str, wrap: Callable[[Any], Any]) -> None:
    one, other = ({key: value, "beside": 0} for value in (1, 2))
    paths = [difference.path for difference in differences(wrap(one), wrap(other))]

    assert paths == [scalars.difference_path(path) for path in paths] != []


@given(st.text(max_size=200))
def test_whatever_a_member_is_called_it_may_be_named(key: str) -> None:
    path = f"${member(key)}"

    assert path == scalars.difference_path(path)


@pytest.mark.parametrize("name", ["SID", "", "foo[bar]", "a b", "\xe9"])
def test_a_cookie_may_be_named_as_it_is_written(name: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nSet-Cookie: {name}=1\r\n\r\n".encode("latin-1")
    (found,) = fields.differences(Reply.of(Seen(200, head)), Reply.of(Seen(200)))

    assert found.path == scalars.difference_path(found.path)


def test_a_header_of_a_difference_is_in_lower_case() -> None:
    assert "header:set-cookie[SID]" == scalars.difference_path("header:Set-Cookie[SID]")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("generated_at", r"write one like \$\.generated_at"),
        ("headers.etag", "write one like"),
        ("$generated", "no step begins at 'generated'; write"),
        ("$.", r"no step begins at '\.';"),
        ("$.a..b", r"no step begins at '\.\.b'"),
        ("$.items[0].x", r"no step begins at '\[0\]\.x'; write \.name, .* or \[\] for every item"),
        ("$['a key']", r"no step begins at .*; write \.name, \[\"a name\"\]"),
        ('$["a]', r"no step begins at '\[\"a\]'"),
        ("$.*x", "no step begins at 'x'"),
        ('$.a["b"]', r"'\[\"b\"\]' is written '\.b'$"),
        ("$.1a", r"'\.1a' is written '\[\"1a\"\]'$"),
        ("$.a b.c", r"'\.a b' is written"),
        ('$["\\u0061 b"]', "is written"),
        ("header:a b", "is no header name"),
        ("header:etag[0]", r"write header:NAME, or header:set-cookie\[NAME\] for a cookie"),
        ("header:set-cookie[SID", "write header:NAME"),
        ("header:set-cookie[SID].path", "write header:NAME"),
        ("$.a\x1b", r"'\.a\\x1b' is written"),
        ('$["a\x1b"]', "no step begins"),
        ("header:set-cookie[a\x1b]", "write header:NAME"),
        (
            "header:set-cookie[" + "a" * limits.JSON_PATH_CHARS_MAX + "]",
            "is 275 characters long, and a path of a difference 256 at most",
        ),
        ("$." + "a" * limits.JSON_PATH_CHARS_MAX, "is 258 characters long"),
    ],
)
def test_what_no_difference_can_be_at_is_refused_with_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        scalars.difference_path(text)


@pytest.mark.parametrize(
    ("text", "value"), [("0.9", 0.9), ("-3", -3.0), ("1e3", 1000.0), ("2.5056108060793403e-121", 2.5056108060793403e-121), (".5", 0.5)]
)
def test_a_number_is_decimal(text: str, value: float) -> None:
    assert value == scalars.number(text)


@pytest.mark.parametrize("text", ["inf", "nan", "1e999", "1%", "0x10", "1_000", "", "many"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        scalars.number(text)


@pytest.mark.parametrize(
    ("metric", "text", "value"),
    [
        ("error_rate", "0.01", 0.01),
        ("error_rate", "1%", 0.01),
        ("shadow_mismatch_rate", "0", 0.0),
        ("latency_p99", "500ms", 0.5),
        ("requests_per_second", "20.5", 20.5),
    ],
)
def test_a_limit_is_in_the_unit_of_its_metric(metric: scalars.Metric, text: str, value: float) -> None:
    assert value == scalars.limit(metric, text)


@pytest.mark.parametrize(
    ("metric", "text"),
    [("error_rate", "2"), ("error_rate", "1s"), ("latency_p50", "0.5"), ("latency_p50", "0"), ("requests_per_second", "-1")],
)
def test_a_limit_in_another_unit_is_refused(metric: scalars.Metric, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        scalars.limit(metric, text)


@given(st.sampled_from(["error_rate", "shadow_mismatch_rate"]), st.floats(0, 1, allow_subnormal=False))
def test_a_shown_rate_reads_back(metric: scalars.Metric, value: float) -> None:
    if value and value < 1e-9:
        value = 1e-9

    assert value == scalars.limit(metric, str(scalars.shown_limit(metric, value)))


def test_nothing_is_put_into_a_url_that_is_called() -> None:
    assert "http://ci/smoke?a=1" == scalars.called_url("http://ci/smoke?a=1")
    with pytest.raises(ValueError, match="its body names the service"):
        scalars.called_url("http://ci/{{candidate}}")
