"""Certificates for tests, by trustme: an authority and what it issues, as files."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

from proxy.model.intent import Certificate


class Authority:
    """One authority. ``ca`` is its certificate as a file."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.ca = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.ca))

    def issue(self, *names: str, file: str = "site", common_name: str | None = None) -> Certificate:
        """A certificate for those names, in ``file``.pem and ``file``.key, in place of what was there."""
        made = self._ca.issue_cert(*names, common_name=common_name, organization_name="Tests")
        cert, key = self._folder / f"{file}.pem", self._folder / f"{file}.key"
        made.private_key_pem.write_to_path(str(key))
        cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return Certificate(str(cert), str(key))

    def client(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """What a client of a server with such a certificate needs; with a certificate of its own, if given."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if certificate is not None:
            context.load_cert_chain(certificate.cert, certificate.key)
        return context
