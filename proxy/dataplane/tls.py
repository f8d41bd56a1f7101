"""TLS of a listener: which certificate for which name, whom to ask for one, and new files without a lost connection.

Facts. RFC 6066 section 3: the client names the host (SNI) before any certificate is chosen. RFC 6125 section 6.4.3: a wildcard is
one whole label. A generation of files is loaded whole or not at all; connections keep what they began with. Names come from the
certificates themselves. Knows nothing of sockets.
"""

from __future__ import annotations

import os
import ssl
from typing import Any, Final

from proxy.errors import HeadgateError
from proxy.model.intent import Certificate, ListenerTls

_VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_NO_TIME_CHECK: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: an expired certificate has names too
_NAMES: Final = {
    "commonName": "CN",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "emailAddress": "emailAddress",
}


class TlsBroken(HeadgateError):
    """Files that no TLS can be made of; the text names the file and says why."""


class _Chosen:
    """One generation: the context that handshakes begin with, and those that names lead to."""

    def __init__(self, plan: ListenerTls) -> None:
        self.by_name: dict[str, ssl.SSLContext] = {}
        self.expires_s = 0.0
        contexts = []
        for pair in plan.certificates:
            context = _server_context(plan, pair)
            contexts.append(context)
            names, expires_s = _read_certificate(context, pair.cert)
            self.expires_s = min(self.expires_s or expires_s, expires_s)
            for name in names:
                self.by_name.setdefault(name, context)
        self.context = contexts[0]
        self.context.sni_callback = self._choose

    def _choose(self, connection: Any, name: str | None, _context: ssl.SSLContext) -> None:
        if name:
            connection.asked_name = name = name.lower()
            found = self.find(name)
            if found is not None:
                connection.context = found

    def find(self, name: str) -> ssl.SSLContext | None:
        """The context for a host name in lower case, or None when no certificate covers it."""
        return self.by_name.get(name) or self.by_name.get("*." + name.partition(".")[2])


class ServerTls:
    """One listener's TLS. ``error`` is what the last look at changed files found wrong, or empty."""

    def __init__(self, plan: ListenerTls) -> None:
        """Raises TlsBroken."""
        self.plan = plan
        self.error = ""
        self._seen = self._look()
        self._chosen = _Chosen(plan)

    @property
    def context(self) -> ssl.SSLContext:
        """What the next handshake uses."""
        return self._chosen.context

    @property
    def expires_s(self) -> float:
        """When the first of the certificates expires, in Unix seconds."""
        return self._chosen.expires_s

    def covers(self, host: bytes) -> bool:
        """Whether a certificate names ``host`` (lower case, without port)."""
        return self._chosen.find(host.decode("latin-1")) is not None

    def refresh(self) -> None:
        """Take changed files for later handshakes; what cannot be used changes nothing but ``error``."""
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._chosen = _Chosen(self.plan)
            self.error = ""
        except TlsBroken as error:
            self.error = str(error)

    def _look(self) -> Seen:
        files = [path for pair in self.plan.certificates for path in (pair.cert, pair.key)]
        return look_at(*files, self.plan.client_ca)


Seen = list[tuple[int, int, int] | None]
"""What files were like: equal lists, same files."""


def look_at(*paths: str) -> Seen:
    """What the files are like now; an empty path is none, and one that cannot be looked at is None."""
    return [_identity(path) for path in paths if path]


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _server_context(plan: ListenerTls, pair: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[plan.minimum]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    load_pair(context, pair.cert, pair.key)
    if plan.client_mode:
        load_ca(context, plan.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if plan.client_mode == "required" else ssl.CERT_OPTIONAL
    return context


def load_pair(context: ssl.SSLContext, cert: str, key: str) -> None:
    """A certificate and its key. Raises TlsBroken."""
    for path in (cert, key):
        _readable(path)
    try:
        context.load_cert_chain(cert, key, password=lambda: "")  # never ask a terminal for a password
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        words = f"{cert} and {key} cannot be used together: {_why(error)}"
        raise TlsBroken(f"{words}; PEM files and a key without a password are needed") from None


def load_ca(context: ssl.SSLContext, path: str) -> None:
    """Certificates to trust. Raises TlsBroken."""
    _readable(path)
    try:
        context.load_verify_locations(path)
    except (OSError, ValueError) as error:
        raise TlsBroken(f"{path} has no certificates that can be used: {_why(error)}; PEM is needed") from None


def _readable(path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise TlsBroken(f"{path} cannot be read: {error.strerror}; the user that headgate runs as has to be allowed to") from None


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).lower().replace("_", " ")


def _read_certificate(context: ssl.SSLContext, path: str) -> tuple[list[str], float]:
    """Names (lower case, wildcards as ``*.suffix``) and expiry in Unix seconds. Raises TlsBroken.

    The ssl module shows only what a peer presented, so the certificate is presented to ourselves, in memory.
    """
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            asking.load_verify_locations(cadata=file.read())
        asking.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_TIME_CHECK
        found = _shake_hands(context, asking)
    except (OSError, ValueError) as error:
        raise TlsBroken(f"{path} cannot be used by a server: {_why(error)}") from None
    names = [value.lower() for kind, value in found.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    return names, float(ssl.cert_time_to_seconds(found["notAfter"]))


def _shake_hands(serving: ssl.SSLContext, asking: ssl.SSLContext) -> dict[str, Any]:
    """What a client sees of the server's certificate."""
    wanted, serving.verify_mode = serving.verify_mode, ssl.CERT_NONE
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(down, up)
    server = serving.wrap_bio(up, down, server_side=True)
    waiting = [client, server]
    for _ in range(8):  # a handshake takes three turns
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
        if not waiting:
            break
    serving.verify_mode = wanted
    return dict(client.getpeercert() or {})


def subject(connection: Any) -> bytes:
    """The verified client certificate as the value of X-Forwarded-Client-Cert: its SHA-256 and its subject; empty without one."""
    import hashlib

    shown = connection.getpeercert() if connection is not None else None
    if not shown:
        return b""
    digest = hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest()
    parts = [f"{_NAMES.get(key, key)}={_escaped(value)}" for names in reversed(shown.get("subject", ())) for key, value in names]
    return f'Hash={digest};Subject="{",".join(parts)}"'.encode("ascii")


def _escaped(value: str) -> str:
    """RFC 4514 section 2.4, every special byte in its hexadecimal form: nothing here can end the quotes, the field or the line."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -._@:/()'*&!?"
    return "".join(chr(byte) if byte in plain else f"\\{byte:02X}" for byte in value.encode())
