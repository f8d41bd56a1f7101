"""The small grammars of the format: durations, percents, addresses, names, hosts, paths. Text in, value or ValueError out.

The text of a ValueError continues "KEY: ..." and says what is allowed. Knows nothing of YAML, pydantic or of where the text stood.
"""

from __future__ import annotations

import ipaddress
import re
import warnings
from decimal import Decimal
from typing import Final, NamedTuple
from urllib.parse import quote

from proxy import limits
from proxy.errors import DownstreamError
from proxy.model.position import WEIGHT_BP_MAX
from proxy.wire.target import normalise

_DURATION: Final = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?")
_UNIT_MS: Final = (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_DECIMAL: Final = re.compile(r"-?(?:[0-9]{1,12}(?:\.[0-9]*)?|\.[0-9]+)")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_DNS_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_PATH_SAFE: Final = "".join(map(chr, range(0x21, 0x7F)))  # what may stand in a target, escapes included; the rest is escaped
_HOST_CHARS_MAX: Final = 253  # RFC 1035 section 2.3.4, without the root's dot


class Address(NamedTuple):
    """``host`` and ``port``, or ``unix`` (a socket path) with those two empty. ``tls``: an origin that speaks https."""

    host: str = ""
    port: int = 0
    unix: str = ""
    tls: bool = False

    def __str__(self) -> str:
        if self.unix:
            return f"unix:{self.unix}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def duration_s(text: str) -> float:
    """``250ms``, ``30s``, ``5m``, ``2h``, ``1m30s`` or ``0`` in seconds."""
    if text == "0":
        return 0.0
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        hint = f"; {text} of what? Perhaps {text}s" if text.isdecimal() else ""
        raise ValueError(f"{text!r} is no duration; write whole numbers with units, like 250ms, 30s, 5m, 2h or 1m30s{hint}")
    total_ms = sum(int(count or 0) * unit_ms for count, (_, unit_ms) in zip(found.groups(), _UNIT_MS, strict=True))
    seconds = total_ms / 1000
    if seconds > limits.DURATION_S_MAX:
        raise ValueError(f"{text} is over a year; that is the longest duration there is")
    return seconds


def shown_duration(seconds: float) -> str:
    """The shortest text that ``duration_s`` reads as ``seconds`` (whole milliseconds)."""
    left_ms = round(seconds * 1000)
    text = ""
    for unit, unit_ms in _UNIT_MS:
        count, left_ms = divmod(left_ms, unit_ms)
        text += f"{count}{unit}" if count else ""
    return text or "0"


def percent_bp(text: str) -> int:
    """``5``, ``12.5`` or ``12.5%`` in basis points (1/100 of a percent), exactly; not bounded here."""
    number = text.removesuffix("%").rstrip()
    if not _DECIMAL.fullmatch(number):
        raise ValueError(f"{text!r} is no percentage; write a number from 0.01 to 100, like 5 or 12.5")
    bp = Decimal(number) * 100
    if bp != int(bp):
        raise ValueError(f"{text} has more than two decimals; weights are resolved to 0.01 percent")
    return int(bp)


def step_weight_bp(text: str) -> int:
    """A rollout step's weight, 0.01 to 100 percent, in basis points."""
    bp = percent_bp(text)
    if bp > WEIGHT_BP_MAX:
        raise ValueError(f"{text} is over 100; steps are percent of the service's traffic")
    if bp < 0:
        raise ValueError(f"{text} is negative; steps are percent of the service's traffic, from 0.01 to 100")
    if bp == 0:
        raise ValueError("0 sends the candidate nothing, so nothing is learnt; use 0.01 to 100, or leave the step out")
    return bp


def fraction(text: str) -> float:
    """``0.1`` or ``10%`` as a fraction from 0 to 1."""
    number = text.removesuffix("%").rstrip()
    if not _DECIMAL.fullmatch(number):
        raise ValueError(f"{text!r} is no fraction; write a number from 0 to 1, like 0.1, or a percentage, like 10%")
    value = float(Decimal(number) / 100) if text.endswith("%") else float(number)
    if not 0 <= value <= 1:
        allowed = "a percentage is from 0% to 100%" if text.endswith("%") else "a fraction is from 0 to 1; write 10% for a percentage"
        raise ValueError(f"{text} is out of range; {allowed}")
    return value


def name(text: str) -> str:
    """The name of a listener, service or version."""
    if len(text) > limits.NAME_CHARS_MAX or not _NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is no name; use letters, digits, `.`, `_` and `-`, a letter or digit first, "
            f"at most {limits.NAME_CHARS_MAX} characters"
        )
    return text


def listen_address(text: str) -> Address:
    """``host:port``, ``[v6]:port`` or ``unix:/path`` to listen on; port 0 takes any free port."""
    if text.startswith("unix:"):
        return _unix(text)
    if "://" in text:
        raise ValueError(f"{text!r} is a URL; write the address alone, like 0.0.0.0:8080")
    if text.isdecimal():
        raise ValueError(f"{text!r} is a port alone; write host:port, like 127.0.0.1:{text} or 0.0.0.0:{text}")
    if text.startswith(":") and text.count(":") == 1:
        raise ValueError(f"{text!r} has no host; write 0.0.0.0{text} for every IPv4 address, [::]{text} for every IPv6 one")
    return _host_port(text, port_min=0, default_port=None)


def endpoint_address(text: str) -> Address:
    """``http://host:port``, ``https://host:port``, ``host:port`` or ``unix:/path`` of an origin; left out, the port is 80 or 443."""
    if text.startswith("unix:"):
        return _unix(text)
    scheme, found, rest = text.partition("://")
    tls = bool(found) and scheme.lower() == "https"
    if found and not tls and scheme.lower() != "http":
        raise ValueError(f"{text!r} has the scheme {scheme!r}; write http://host:port, https://host:port, host:port or unix:/path")
    authority = (rest if found else text).removesuffix("/")
    if "@" in authority:
        raise ValueError(f"{text!r} carries a user name; an endpoint is an address only: http://host:port")
    if any(mark in authority for mark in "/?#"):
        raise ValueError(f"{text!r} has a path; an endpoint is an address only, and paths belong to routes: http://host:port")
    address = _host_port(authority, port_min=1, default_port=(443 if tls else 80) if found else None)
    return address._replace(tls=tls)


def nameserver(text: str) -> str:
    """``address`` or ``address:port`` of a DNS server as ``address:port`` (IPv6 in brackets); left out, the port is 53."""
    host, port = _host_port(f"[{text}]" if text.count(":") > 1 and "[" not in text else text, port_min=1, default_port=53)[:2]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"{text!r} is a name, which would have to be looked up itself; write an IP address, like 10.0.0.2") from None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _unix(text: str) -> Address:
    path = text.removeprefix("unix:")
    if not path.startswith("/") or _CONTROL.search(path):
        raise ValueError(f"{text!r} is no absolute socket path; write unix:/run/name.sock")
    if len(path.encode()) > limits.UNIX_PATH_BYTES_MAX:
        raise ValueError(f"the socket path has {len(path.encode())} bytes; the system allows {limits.UNIX_PATH_BYTES_MAX}")
    return Address(unix=path)


def _host_port(text: str, *, port_min: int, default_port: int | None) -> Address:
    form = "write host:port, [v6]:port or unix:/path"
    if text.startswith("["):
        host, found, port = text[1:].partition("]")
        if not found or (port and not port.startswith(":")):
            raise ValueError(f"{text!r} is no address; {form}")
        host, port = _ipv6(host), port[1:]
    else:
        host, _, port = text.rpartition(":") if ":" in text else (text, "", "")
        if ":" in host:
            raise ValueError(f"{text!r} looks like IPv6; put the address in brackets, like [{host}]:{port}")
        host = _host_name(host)
    if not port and default_port is not None:
        return Address(host, default_port)
    if not port:
        raise ValueError(f"{text!r} has no port; {form}")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and port_min <= int(port) <= 65535):
        raise ValueError(f"{port!r} is no port; ports are numbers from {port_min} to 65535")
    return Address(host, int(port))


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no IPv6 address; only those stand in brackets, like [::1]:8080") from None


def _host_name(text: str) -> str:
    labels = text.lower().split(".")
    if labels[-1].isdecimal():
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            raise ValueError(f"{text!r} is no IPv4 address; it has four numbers from 0 to 255, like 127.0.0.1") from None
    if len(text) > _HOST_CHARS_MAX or not all(_DNS_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{text!r} is no host; write an IP address or a host name of letters, digits, `-` and `.`")
    return text.lower()


def is_loopback(address: Address) -> bool:
    """Whether only this machine reaches ``address``."""
    if address.unix or address.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return False


def network(text: str) -> str:
    """A CIDR network; a bare address is the network of that one."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no network; write an address with its prefix length, like 10.0.0.0/8 or fd00::/8") from None
    raise ValueError(f"{text!r} has bits set behind its prefix length; the network is {meant}")


def match_host(text: str) -> str:
    """A host that routes match: exact or ``*.suffix``, in lower case, without port."""
    if not text.isascii():
        raise ValueError(f"{text!r} is not ASCII; clients send the punycode form (xn--...), so write that")
    if "://" in text or "/" in text:
        raise ValueError(f"{text!r} is a URL; write the host alone, like shop.example.com")
    if text in ("*", "*."):
        raise ValueError("`*` is every host; leave `host` out for that")
    if text.startswith("["):
        if not text.endswith("]"):
            raise ValueError(f"{text!r} has a port; requests match on the host alone, whatever the port")
        return f"[{_ipv6(text[1:-1])}]"
    if ":" in text:
        raise ValueError(f"{text!r} has a port; requests match on the host alone, whatever the port")
    if text.endswith("."):
        raise ValueError(f"{text!r} ends in a dot; leave it out")
    wildcard = "*." if text.startswith("*.") else ""
    if "*" in text.removeprefix("*."):
        raise ValueError(f"{text!r} has a `*` in the middle; it may stand once, in front: *.example.com")
    return wildcard + _host_name(text.removeprefix("*."))


def match_path(text: str) -> str:
    """A path or path prefix that routes match, in the one form that requests are routed on: ``/café`` becomes ``/caf%C3%A9``."""
    if not text.startswith("/"):
        raise ValueError(f"{text!r} does not begin with `/`; every path does, like /{text[:40].lstrip('.')}")
    if found := re.search(r"[?#\s\x00-\x1f\x7f]", text):
        hint = "; use `query` for parameters" if found[0] == "?" else ""
        raise ValueError(f"{text!r} has {found[0]!r} in it, which no path has{hint}")
    if any(segment in (".", "..") for segment in text.split("/")):
        raise ValueError(f"{text!r} has a `.` or `..` segment; write the path it leads to")
    if len(text.encode()) > limits.TARGET_BYTES_MAX:
        raise ValueError(f"has {len(text.encode())} bytes; a request target has at most {limits.TARGET_BYTES_MAX}")
    try:
        return normalise(quote(text, safe=_PATH_SAFE).encode()).decode()
    except DownstreamError as error:
        raise ValueError(f"{text!r}: {error.reason}; no request with it would be served") from None


def match_regex(text: str) -> str:
    """A regular expression (Python's syntax) over the path."""
    if len(text) > limits.REGEX_CHARS_MAX:
        raise ValueError(f"has {len(text)} characters; {limits.REGEX_CHARS_MAX} are allowed, so split the route")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a set that a later Python reads otherwise is refused, not guessed
            re.compile(text.encode())  # as the request path does: it matches bytes
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return text


def method(text: str) -> str:
    """A request method."""
    if not _TOKEN.fullmatch(text) or len(text) > limits.METHOD_BYTES_MAX:
        raise ValueError(f"{text!r} is no request method; write one like GET or POST")
    if text != text.upper():
        raise ValueError(f"{text!r} is not in capitals; methods are matched exactly, so write {text.upper()}")
    return text


def header_name(text: str) -> str:
    """A header name, lower-cased."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{text!r} is no header name; use letters, digits and !#$%&'*+-.^_`|~, without spaces or colons")
    return text.lower()


def cookie_name(text: str) -> str:
    """A cookie's name (RFC 6265 section 4.1.1: a token); its case counts."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{text!r} is no cookie name; use letters, digits and !#$%&'*+-.^_`|~, without spaces, `=` or `;`")
    return text


def one_line(text: str) -> str:
    """Text without control characters, as header values, labels and file paths are."""
    if found := _CONTROL.search(text):
        raise ValueError(f"has the control character U+{ord(found[0]):04X} in it; write one line of plain text")
    return text
