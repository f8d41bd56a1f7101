"""The types of the schema's fields: the text of the file through ``scalars``, refused in our words, described for the JSON Schema.

A field takes its text as written, quoted or not (``Plain`` carries both readings); a number has to stand without quotes. Knows nothing
of which keys exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from proxy import limits
from proxy.config import scalars, scalars_rollout, scalars_route
from proxy.config.document import Plain

T = TypeVar("T")

OWN_WORDS: Final = "headgate"
"""The type of pydantic errors whose message is already ours."""


def given(value: object) -> str:
    """What stands in the file, in words."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if not isinstance(value, Plain):
        return f"the text {value!r}" if value else "an empty text"
    read = value.value
    if read is None:
        return "nothing"
    if isinstance(read, bool):
        return f"`{value}`"
    return f"the number {value}" if isinstance(read, int | float) else f"{str(value)!r}"


def refused(message: str) -> PydanticCustomError:
    """A pydantic error that says ``message`` and nothing else."""
    return PydanticCustomError(OWN_WORDS, "{message}", {"message": message})


def text_of(value: object, wanted: str) -> str:
    """The text as written; ``wanted`` names what is needed where a list, a mapping or nothing stands."""
    if not isinstance(value, str) or not value or (isinstance(value, Plain) and value.value is None):
        raise refused(f"{wanted} is needed here, and {given(value)} is given")
    return str(value)


def scalar(wanted: str, read: Callable[[str], T]) -> BeforeValidator:
    """Text of the file through ``read``, whose ValueError becomes the mistake's words."""

    def validate(value: object) -> T:
        text = text_of(value, wanted)
        try:
            return read(text)
        except ValueError as error:
            raise refused(str(error)) from None

    return BeforeValidator(validate)


def number_of(value: object, wanted: str) -> float:
    """The number as written; quoted digits are refused, for they may as well be a name."""
    number = value.value if isinstance(value, Plain) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        quoted = isinstance(value, str) and isinstance(Plain(value).value, int | float) and not isinstance(Plain(value).value, bool)
        raise refused(f"{wanted} is needed here, and {given(value)} is given" + ("; take the quotes away" if quoted else ""))
    return number


def whole(minimum: int, maximum: int) -> BeforeValidator:
    """A whole number, ends included."""
    wanted = f"a whole number from {minimum} to {maximum}"

    def validate(value: object) -> int:
        number = number_of(value, wanted)
        if not minimum <= number <= maximum or number != int(number):
            raise refused(f"{number} is not allowed; {wanted} is")
        return int(number)

    return BeforeValidator(validate)


def real(minimum: float, maximum: float, *, ends: bool = True) -> BeforeValidator:
    """A number; ``ends`` says whether the bounds themselves are allowed."""
    wanted = f"a number from {minimum:.12g} to {maximum:.12g}" if ends else f"a number above {minimum:.12g} and below {maximum:.12g}"

    def validate(value: object) -> float:
        number = number_of(value, wanted)
        if not (minimum <= number <= maximum if ends else minimum < number < maximum):
            raise refused(f"{number:.12g} is not allowed; {wanted} is")
        return float(number)

    return BeforeValidator(validate)


def duration(minimum_s: float, maximum_s: float) -> BeforeValidator:
    """A duration in seconds, ends included."""

    def read(text: str) -> float:
        seconds = scalars.duration_s(text)
        if not minimum_s <= seconds <= maximum_s:
            shortest, longest = scalars.shown_duration(minimum_s), scalars.shown_duration(maximum_s)
            raise ValueError(f"{text} is not allowed; a duration from {shortest} to {longest} is")
        return seconds

    return scalar("a duration like 250ms, 30s, 5m or 2h", read)


def workers(value: object) -> int | Literal["auto"]:
    """A number of processes, or ``auto``."""
    if isinstance(value, str) and value == "auto":
        return "auto"
    wanted = f"`auto` or a whole number from 1 to {limits.WORKERS_MAX}"
    number = number_of(value, wanted)
    if not 1 <= number <= limits.WORKERS_MAX or number != int(number):
        raise refused(f"{number} is not allowed; {wanted} is")
    return int(number)


def truth(value: object) -> bool:
    """``true`` or ``false`` without quotes."""
    read = value.value if isinstance(value, Plain) else value
    if not isinstance(read, bool):
        raise refused(f"`true` or `false` is needed here, and {given(value)} is given")
    return read


def line(value: object) -> str:
    """One line of text; an empty one has to be written as ``""``."""
    if value == "" and not isinstance(value, Plain):
        return ""
    text = text_of(value, "a text")
    try:
        return scalars.one_line(text)
    except ValueError as error:
        raise refused(str(error)) from None


def query(value: object) -> str:
    """A query, which may have several lines."""
    text = text_of(value, "a query")
    if len(text) > limits.QUERY_CHARS_MAX:
        raise refused(f"has {len(text)} characters; {limits.QUERY_CHARS_MAX} are allowed")
    try:
        scalars.one_line(text.translate({0x0A: " ", 0x09: " "}))
    except ValueError as error:
        raise refused(str(error)) from None
    return text.strip()


def word(wanted: str) -> BeforeValidator:
    """Text for a fixed set of words."""
    return BeforeValidator(lambda value: text_of(value, wanted))


def one_of(*numbers: int) -> BeforeValidator:
    """One of a few whole numbers."""
    wanted = f"{', '.join(map(str, numbers[:-1]))} or {numbers[-1]}"

    def validate(value: object) -> int:
        number = number_of(value, wanted)
        if number not in numbers:
            raise refused(f"{number} is not allowed; {wanted} is")
        return int(number)

    return BeforeValidator(validate)


def _json(kind: str | list[str], **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


_DURATION_PATTERN: Final = r"^(0|(?=[0-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$"
_DURATION_JSON: Final = _json(["string", "integer"], pattern=_DURATION_PATTERN, maximum=0, examples=["250ms", "30s", "5m", "2h"])
_WRITTEN: Final = ["string", "number", "boolean"]

Name = Annotated[str, scalar("a name", scalars.name), _json(["string", "number"], maxLength=limits.NAME_CHARS_MAX)]
Line = Annotated[str, scalar("a text", scalars.one_line), _json("string", minLength=1)]
Value = Annotated[str, BeforeValidator(line), _json(_WRITTEN)]
Duration = Annotated[float, duration(0, limits.DURATION_S_MAX), _DURATION_JSON]
RatePeriod = Annotated[float, duration(0.001, 24 * 3600), _DURATION_JSON]
Timeout = Annotated[float, duration(0.001, 24 * 3600), _DURATION_JSON]
DrainTime = Annotated[float, duration(0, 3600), _DURATION_JSON]
ListenAddress = Annotated[scalars.Address, scalar("an address like 0.0.0.0:8080", scalars.listen_address), _json("string")]
EndpointAddress = Annotated[scalars.Address, scalar("an address like http://127.0.0.1:9001", scalars.endpoint_address), _json("string")]
Nameserver = Annotated[str, scalar("an address like 10.0.0.2 or 10.0.0.2:53", scalars.nameserver), _json("string")]
Network = Annotated[str, scalar("a network like 10.0.0.0/8", scalars.network), _json("string")]
Host = Annotated[str, scalar("a host like shop.example.com", scalars.match_host), _json("string")]
Path = Annotated[str, scalar("a path like /api", scalars.match_path), _json("string", pattern="^/")]
Regex = Annotated[str, scalar("a regular expression", scalars.match_regex), _json("string", format="regex")]
Method = Annotated[str, scalar("a method like GET", scalars.method), _json("string")]
HeaderName = Annotated[str, scalar("a header name like x-from", scalars.header_name), _json("string")]
PlainPath = Annotated[str, scalar("a path like /api", scalars_route.plain_path), _json("string", pattern="^/")]
Authority = Annotated[str, scalar("a host like shop.example.com", scalars_route.authority), _json("string")]
Location = Annotated[str, scalar("a URL like https://shop.example.com/", scalars_route.location), _json("string", format="uri")]
CalledUrl = Annotated[str, scalar("a URL like http://ci.internal/smoke", scalars_rollout.called_url), _json("string", format="uri")]
AskedUrl = Annotated[str, scalar("a URL like http://shop.internal/ready", scalars_rollout.asked_url), _json("string")]
RateKey = Annotated[
    scalars_route.RateKey,
    scalar("client_ip, none or header:NAME", scalars_route.rate_key),
    _json("string", pattern="^(client_ip|none|header:.+)$"),
]
Size = Annotated[
    int,
    scalar("a size like 64KiB", scalars_route.size_bytes),
    _json(["string", "integer"], pattern="^(0|[0-9]+(B|KiB|MiB|GiB))$", maximum=0, examples=["64KiB", "10MiB"]),
]
BodyRate = Annotated[
    int,
    scalar("a size like 240B, for each second", scalars_route.body_rate),
    _json(["string", "integer"], pattern="^(0|[0-9]+(B|KiB|MiB))$", maximum=0, examples=["240B", "1KiB"]),
]
StepWeight = Annotated[
    int,
    scalar("a percentage like 5 or 12.5", scalars.step_weight_bp),
    _json(["number", "string"], exclusiveMinimum=0, maximum=100),
]
CopiedPercent = Annotated[
    int, scalar("a percentage like 20", scalars_rollout.copies_bp), _json(["number", "string"], exclusiveMinimum=0, maximum=100)
]
SlowOver = Annotated[float | None, scalar("a duration like 500ms, stable_p99 or off", scalars_rollout.slow_over_s), _json("string")]
CheckInterval = Annotated[float, duration(0.1, 3600), _DURATION_JSON]
CheckWindow = Annotated[float, duration(0, limits.CHECK_WINDOW_S_MAX), _DURATION_JSON]
FailureWindow = Annotated[float, duration(0.1, 24 * 3600), _DURATION_JSON]
Weekly = Annotated[
    int,
    scalar("a time of the week like Fri 16:00", scalars_rollout.weekly_min),
    _json("string", examples=["Fri 16:00", "Mon 08:00"]),
]
Zone = Annotated[str, scalar("a time zone like Europe/Berlin", scalars_rollout.zone), _json("string")]
Query = Annotated[str, BeforeValidator(query), _json("string", minLength=1, maxLength=limits.QUERY_CHARS_MAX)]
JsonPath = Annotated[str, scalar("a JSON path like $.orders.rate", scalars_rollout.json_path), _json("string", pattern=r"^\$")]
DifferencePath = Annotated[
    str,
    scalar("a path like $.generated_at or header:etag", scalars_rollout.difference_path),
    _json("string", examples=["$.generated_at"]),
]
Number = Annotated[float, scalar("a number", scalars_rollout.number), _json("number")]
Limit = Annotated[str, scalar("a limit like 0.01, 1% or 500ms", scalars.one_line), _json(["number", "string"])]
Fraction = Annotated[float, scalar("a fraction like 0.1 or 10%", scalars.fraction), _json(["number", "string"], minimum=0, maximum=1)]
Weight = Annotated[float, real(0, 1_000_000), _json("number", minimum=0, maximum=1_000_000)]
Truth = Annotated[bool, BeforeValidator(truth)]
Workers = Annotated[
    int | Literal["auto"],
    BeforeValidator(workers),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": limits.WORKERS_MAX}, {"const": "auto"}]}),
]
