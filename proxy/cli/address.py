"""Where the running proxy is and by what right we call it: the admin address and the token, by one order of precedence.

``--admin``, else ``$HEADGATE_ADMIN``, else the ``admin`` of the configuration, else ``http://127.0.0.1:9900``. The token comes from
``--token-file``, else ``$HEADGATE_TOKEN``, else, when the address came from the configuration, its ``token_file``. Opens no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from proxy import limits
from proxy.errors import OperatorError
from proxy.model.intent import Admin

DEFAULT = "http://127.0.0.1:9900"
ENV_ADMIN = "HEADGATE_ADMIN"
ENV_TOKEN = "HEADGATE_TOKEN"
_FORMS = "http://HOST:PORT or unix:/PATH"


class Address(msgspec.Struct, frozen=True):
    """``host``/``port``, or ``unix`` (a socket path). ``why`` says what chose it, for error texts."""

    host: str = ""
    port: int = 0
    unix: str = ""
    why: str = ""

    def __str__(self) -> str:
        if self.unix:
            return f"unix:{self.unix}"
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


class Found(msgspec.Struct, frozen=True):
    """An address and the token to show there (empty: none)."""

    address: Address
    token: str = ""


def parse(text: str, *, why: str) -> Address:
    """An address from ``http://host:port``, ``host:port`` or ``unix:/path``; OperatorError says what is allowed."""
    text = text.strip()
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if not path:
            raise OperatorError(f"{why}: {text!r} names no socket; allowed: {_FORMS}")
        return Address(unix=path, why=why)
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OperatorError(f"{why}: {text!r} is not an address ({error}); allowed: {_FORMS}") from None
    if parts.scheme != "http":
        raise OperatorError(f"{why}: {text!r}: the admin API speaks plain http; allowed: {_FORMS}")
    if not host or parts.path.strip("/") or parts.query or parts.username is not None:
        raise OperatorError(f"{why}: {text!r} is not an address; allowed: {_FORMS}")
    return Address(host=host, port=80 if port is None else port, why=why)


def of_admin(admin: Admin, *, why: str) -> Address:
    """How to reach what a configuration says the admin listens on; a wildcard address is reached over loopback."""
    if admin.unix:
        return Address(unix=admin.unix, why=why)
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(admin.host, admin.host)
    return Address(host=host, port=admin.port, why=why)


Configured = Callable[[], tuple[Admin, str] | None]
"""The ``admin`` of the configuration and where it stands, or None when there is no configuration."""


def find(option: str | None, token_file: str | None, *, env: Mapping[str, str], configured: Configured) -> Found:
    """The running proxy by the order above. ``configured`` is asked only when nothing before it answers."""
    configured_token = ""
    if option:
        address = parse(option, why="--admin")
    elif text := env.get(ENV_ADMIN, ""):
        address = parse(text, why=f"${ENV_ADMIN}")
    elif (known := configured()) is not None:
        admin, where = known
        address = of_admin(admin, why=where)
        configured_token = admin.token_file
    else:
        address = parse(DEFAULT, why="the default")
    if token_file:
        token = read_token(Path(token_file), why="--token-file")
    elif env.get(ENV_TOKEN):
        token = _checked(env[ENV_TOKEN], why=f"${ENV_TOKEN}")
    elif configured_token:
        token = read_token(Path(configured_token), why=f"admin.token_file of {address.why}")
    else:
        token = ""
    return Found(address, token)


def read_token(path: Path, *, why: str) -> str:
    """The token in a file, without surrounding white space; OperatorError when there is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(limits.TOKEN_BYTES_MAX + 1)
    except OSError as error:
        raise OperatorError(f"{why}: {path}: {error.strerror}") from None
    if len(raw) > limits.TOKEN_BYTES_MAX:
        raise OperatorError(f"{why}: {path} is over {limits.TOKEN_BYTES_MAX} bytes; a token file holds one token")
    return _checked(raw.decode("latin-1"), why=f"{why}: {path}")


def _checked(text: str, *, why: str) -> str:
    token = text.strip()
    if not token or not all("!" <= c <= "~" for c in token):
        raise OperatorError(f"{why}: not a token; a token is one word of printable ASCII")
    return token
