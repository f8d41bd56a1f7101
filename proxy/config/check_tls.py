"""The files that TLS settings name, opened as a worker will open them, so that what is wrong with one has a place in the configuration.

Only asked for where a configuration is going to be served: who merely reads one may not be allowed to read its keys.
"""

from __future__ import annotations

import os
import ssl
import stat

from proxy import limits
from proxy.config import schema_listener
from proxy.config.places import KeyPath
from proxy.config.report import Report

_CERTIFICATE_ENDS = b"CERTIFICATE-----"
_KEY_ENDS = b"PRIVATE KEY-----"
_PASSWORDS = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


def check_tls_files(report: Report) -> None:
    """Open the files of every listener and service; mistakes are added to the document's."""
    for index, listener in enumerate(report.file.listeners):
        path: KeyPath = ("listeners", index, "tls")
        if listener is not None and listener.tls is not None and report.whole(path):
            _listener(report, path, listener.tls)
    for name, service in report.file.services.items():
        path = ("services", name, "tls")
        if service is not None and service.tls is not None and report.whole(path):
            tls = service.tls
            if tls.ca and tls.verify:
                _authorities(report, (*path, "ca"), tls.ca)
            if tls.cert and tls.key:
                _pair(report, path, tls.cert, tls.key)


def _listener(report: Report, path: KeyPath, tls: schema_listener.ListenerTls) -> None:
    for number, pair in enumerate(tls.certificates):
        if pair is not None:
            _pair(report, (*path, "certificates", number), pair.cert, pair.key)
    if tls.client is not None:
        _authorities(report, (*path, "client", "ca"), tls.client.ca)


def _pair(report: Report, path: KeyPath, cert: str, key: str) -> None:
    """A certificate and its key; ``path`` is that of the two."""
    cert_usable = _authorities(report, (*path, "cert"), cert)
    data = _read(report, (*path, "key"), key)
    if data is None:
        return
    if _KEY_ENDS not in data:
        report.wrong((*path, "key"), f"{key} has no private key in PEM form; -----BEGIN PRIVATE KEY----- is looked for")
    elif any(mark in data for mark in _PASSWORDS):
        words = "is encrypted, and nobody is there to type its password; store it without one, for headgate alone to read"
        report.wrong((*path, "key"), f"the key in {key} {words}")
    elif cert_usable:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
        except (OSError, ValueError) as error:
            words = f"cannot be used with {cert}: {_why(error)}"
            if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
                words = f"is not the key of the certificate in {cert}; the first certificate there has to be its own"
            report.wrong((*path, "key"), f"{key} {words}")


def _authorities(report: Report, path: KeyPath, file: str) -> bool:
    """Whether a file has certificates that can be used; reported when it has not."""
    data = _read(report, path, file)
    if data is None:
        return False
    if _CERTIFICATE_ENDS not in data:
        report.wrong(path, f"{file} has no certificate in PEM form; -----BEGIN CERTIFICATE----- is looked for")
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data.decode("ascii", "replace"))
    except (OSError, ValueError) as error:
        report.wrong(path, f"a certificate in {file} cannot be read: {_why(error)}")
        return False
    return True


def _read(report: Report, path: KeyPath, file: str) -> bytes | None:
    """What is in it, or None after it was reported."""
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):  # opening a pipe would wait for its writer
            report.wrong(path, f"{file} is no file")
            return None
        with open(file, "rb") as opened:
            data = opened.read(limits.TLS_FILE_BYTES_MAX + 1)
    except OSError as error:
        where = "" if os.path.isabs(file) else f" in {os.getcwd()}"
        report.wrong(path, f"{file} cannot be read: {error.strerror}{where}; headgate's user has to be allowed to read it")
        return None
    if len(data) > limits.TLS_FILE_BYTES_MAX:
        report.wrong(path, f"{file} is over {limits.TLS_FILE_BYTES_MAX} bytes; PEM files are far smaller")
        return None
    return data


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).lower().replace("_", " ")
