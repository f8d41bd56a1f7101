"""The certificate that every contender shows in scenarios with TLS: of an authority of its own, on the curve that is usual now."""

from __future__ import annotations

from pathlib import Path

from loadtest.scenarios import Scenario

NAMES = ("shop.example", "127.0.0.1")


def certificates(folder: Path, scenario: Scenario) -> tuple[Path, Path]:
    """Paths of the chain and the key, made when they are first wanted; empty ones where the scenario has no TLS."""
    if not scenario.setting.tls:
        return Path(), Path()
    chain, key = folder / "site.pem", folder / "site.key"
    if not chain.exists():
        import trustme  # here: it takes a while, and the scenarios without TLS do without

        made = trustme.CA().issue_cert(*NAMES)
        made.private_key_pem.write_to_path(str(key))
        chain.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        key.chmod(0o644)  # a proxy that drops its rights reads it too
    return chain, key
