"""The small grammars of rollouts: the week's hours, time zones, JSON paths, and limits in the unit of what they limit.

Text in, value or ValueError out, as ``scalars`` does it.
"""

from __future__ import annotations

import json
import math
import re
import zoneinfo
from decimal import Decimal
from typing import Final

from proxy import limits
from proxy.config import scalars, scalars_route
from proxy.model.member import member
from proxy.model.rollout import Metric

WEEK_MIN: Final = 7 * 24 * 60
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEKLY: Final = re.compile(r"([A-Za-z]{3,9}) +([0-9]{1,2}):([0-9]{2})")
_JSON_PATH: Final = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]{1,6}\]|\[\"[^\"\\\x00-\x1f]+\"\])*")
_CHAR: Final = r'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})'  # of a JSON string (RFC 8259 section 7)
_STEP: Final = re.compile(
    rf'\.\*|\[\]|\.(?P<word>[^.\[]+)|\[(?P<quoted>"{_CHAR}*")\]'
    rf'|\["[^\x00-\x1f]{{{limits.DIFFERENCE_CHARS_MAX - 1}}}\]'  # a name that was cut
)
_COOKIE: Final = re.compile(r"[ -:<>-\xff]*\]")  # a name is what stands before `=`, of bytes
_NUMBER: Final = re.compile(r"-?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")


def weekly_min(text: str) -> int:
    """``Fri 16:00`` in minutes since Monday 00:00; ``Sun 24:00`` is the end of the week, which is its beginning."""
    found = _WEEKLY.fullmatch(text)
    day = next((index for index, name in enumerate(DAYS) if found and found[1][:3].capitalize() == name), None)
    if found is None or day is None:
        raise ValueError(f"{text!r} is no time of the week; write a day of {', '.join(DAYS)} and a time, like Fri 16:00")
    hour, minute = int(found[2]), int(found[3])
    if hour > 24 or minute > 59 or (hour == 24 and minute):
        raise ValueError(f"{found[2]}:{found[3]} is no time of day; those are 00:00 to 24:00")
    return (day * 24 * 60 + hour * 60 + minute) % WEEK_MIN


def shown_weekly(minutes: int) -> str:
    """What ``weekly_min`` reads as ``minutes``."""
    day, rest = divmod(minutes, 24 * 60)
    return f"{DAYS[day]} {rest // 60:02d}:{rest % 60:02d}"


def zone(text: str) -> str:
    """A time zone of the IANA's names that this machine knows."""
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{text!r} is no time zone that this machine knows; write one like UTC or Europe/Berlin") from None
    return text


def copies_bp(text: str) -> int:
    """The share of requests that is copied, 0.01 to 100 percent, in basis points."""
    try:
        bp = scalars.percent_bp(text)
    except ValueError:
        bp = 0
    if not 1 <= bp <= 10_000:
        raise ValueError(f"{text} is not allowed; a percentage from 0.01 to 100 is, to two decimals")
    return bp


def slow_over_s(text: str) -> float | None:
    """Above how many seconds an answer is a slow one: a duration; ``stable_p99`` is 0, and ``off`` None."""
    if text == "off":
        return None
    if text == "stable_p99":
        return 0.0
    try:
        seconds = scalars.duration_s(text)
    except ValueError as error:
        raise ValueError(f"{error}; or stable_p99, or off") from None
    if not seconds:
        raise ValueError("0 would call every answer slow; write a duration like 500ms, stable_p99 (as when it is left out), or off")
    return seconds


def shown_slow_over(seconds: float | None) -> str:
    """What ``slow_over_s`` reads as ``seconds``."""
    return "off" if seconds is None else scalars.shown_duration(seconds) if seconds else "stable_p99"


def json_path(text: str) -> str:
    """A place in a JSON document: ``$``, then ``.name``, ``["any name"]`` and ``[0]``."""
    if len(text) > limits.JSON_PATH_CHARS_MAX or not _JSON_PATH.fullmatch(text):
        raise ValueError(f'{text!r} is no JSON path; write one like $.orders.rate, $.items[0] or $["a name"]')
    return text


def difference_path(text: str) -> str:
    """Where two answers differ, as the comparer writes it: a place in JSON, ``header:NAME``, ``status``, ``body`` or ``failure``."""
    if len(text) > limits.JSON_PATH_CHARS_MAX:
        raise ValueError(f"is {len(text)} characters long, and a path of a difference {limits.JSON_PATH_CHARS_MAX} at most")
    if text.startswith("header:"):
        return _header_path(text)
    if text.startswith("$"):
        _check_steps(text)
    elif text not in ("status", "body", "failure"):
        raise ValueError(f"{text!r} is no path of a difference; write one like $.generated_at, $.items[].id, header:etag or status")
    return text


def _header_path(text: str) -> str:
    """A header, its name in lower case, or one of the cookies that are set."""
    name, mark, cookie = text.removeprefix("header:").partition("[")
    name = scalars.header_name(name)
    if mark and not (name == "set-cookie" and _COOKIE.fullmatch(cookie)):
        raise ValueError(f"{text!r} is no path of a difference; write header:NAME, or header:set-cookie[NAME] for a cookie")
    return f"header:{name}{mark}{cookie}"


def _check_steps(text: str) -> None:
    """Refuse a place in JSON that no difference can be at: it would be looked away from, and nothing would ever be seen there."""
    at = 1
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise ValueError(
                f"{text!r} is no path of a difference: no step begins at {text[at:]!r}; "
                'write .name, ["a name"], .* for every value of a map, or [] for every item'
            )
        key = json.loads(step["quoted"]) if step["quoted"] else step["word"]
        if key is not None and (written := member(key)) != step[0]:
            raise ValueError(f"{text!r} is no path of a difference: {step[0]!r} is written {written!r}")
        at = step.end()


def called_url(text: str) -> str:
    """An http or https URL that is POSTed to as it stands: who is meant stands in the body."""
    if "{{" in text:
        raise ValueError(f"{text!r}: nothing is put into this URL; its body names the service, the versions and the rollout")
    return scalars_route.location(text)


def asked_url(text: str) -> str:
    """An http or https URL that may name the rollout: ``http://{{candidate}}.internal/ready``."""
    named = text
    for word in ("service", "stable", "candidate", "rollout"):
        named = named.replace("{{" + word + "}}", "x")
    if "{{" in named:
        raise ValueError(
            f"{text!r} names what is not known; {{{{service}}}}, {{{{stable}}}}, {{{{candidate}}}} and {{{{rollout}}}} are"
        )
    scalars_route.location(named)
    return text


def number(text: str) -> float:
    """Any finite number."""
    if not _NUMBER.fullmatch(text) or not math.isfinite(value := float(text)):
        raise ValueError(f"{text!r} is no number; write one like 0.9 or 250")
    return value


def limit(metric: Metric, text: str) -> float:
    """A limit in the metric's unit: a rate is a fraction or a percentage, a latency a duration (in seconds), the rest a number."""
    if metric in ("error_rate", "shadow_mismatch_rate"):
        return scalars.fraction(text)
    if metric == "requests_per_second":
        value = number(text)
        if value < 0:
            raise ValueError(f"{text} is negative; there are at least 0 requests a second")
        return value
    seconds = scalars.duration_s(text)
    if not seconds:
        raise ValueError("0 is not allowed; no answer takes so little. Write a duration like 500ms")
    return seconds


def shown_limit(metric: Metric | None, value: float) -> str | float:
    """What ``limit`` (without a metric: ``number``) reads as ``value``."""
    if metric is not None and metric.startswith("latency"):
        return scalars.shown_duration(value)
    if metric in ("error_rate", "shadow_mismatch_rate") and 0 < value < 0.001:
        return format(Decimal(repr(value)), "f")  # fractions are written without exponent
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
