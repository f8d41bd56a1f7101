"""Right before fast: every contender must hand on status and body, and every proxy must split, forward and reuse alike."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address

from loadtest.contenders.site import Contender
from loadtest.faults import RigError
from loadtest.scenarios import SPLIT, Scenario

REQUESTS = 200
HOST = "shop.example"
SHARE_B_MAX = 0.20
"""Of REQUESTS, for a split of 5 %: the chance of more is under 1e-13, and of none at all 4e-5."""


def check(contender: Contender, port: int, scenarios: list[Scenario]) -> None:
    """RigError, with what came instead, at the first answer that is not right."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            for scenario in scenarios:
                _exact(contender.name, connection, scenario)
            if not contender.floor:
                _alike(contender.name, connection)
        except (OSError, HTTPException) as error:
            raise RigError(f"{contender.name} broke off a request: {error!r}") from error


def _exact(name: str, connection: HTTPConnection, scenario: Scenario) -> None:
    body = b"x" * scenario.request_bytes or None
    connection.request(scenario.method, scenario.path, body, {"Host": HOST, **dict(scenario.headers)})
    answer = connection.getresponse()
    got = answer.read()
    if answer.status != 200 or got != scenario.answer:
        raise RigError(f"{name} answered {scenario.name} with {answer.status} and {len(got)} bytes: {got[:200]!r}")


def _alike(name: str, connection: HTTPConnection) -> None:
    seen: Counter[str] = Counter()
    reused = 0
    for _ in range(REQUESTS):
        connection.request("GET", "/echo", headers={"Host": HOST})
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise RigError(f"{name} answered /echo with {answer.status}: {text[:200]}")
        told = dict(line.partition("=")[::2] for line in text.splitlines())
        if wrong := differences(told):
            raise RigError(f"{name} forwards other headers than the rest: {'; '.join(wrong)}")
        seen[told["origin"]] += 1
        reused += int(told["nth"]) > 1
    if not 1 <= seen["b"] <= REQUESTS * SHARE_B_MAX or seen["a"] + seen["b"] != REQUESTS:
        raise RigError(f"{name} does not split {SPLIT[0]}/{SPLIT[1]}: of {REQUESTS} requests {dict(seen)}")
    if reused < REQUESTS * 0.9:
        raise RigError(f"{name} does not keep its origin connections: {reused} of {REQUESTS} requests came on a used one")


def differences(told: dict[str, str]) -> list[str]:
    """What the origin was told that it should not have been, or was not told."""
    wanted = {
        "host": told.get("host") == HOST,
        "for": _is_address(told.get("for", "")),  # Envoy writes the host's own address for a loopback client
        "proto": told.get("proto") == "http",
        "forwarded-host": told.get("forwarded-host") == HOST,
        "request-id": len(told.get("request-id", "")) >= 16,
        "via": bool(told.get("via")),
    }
    return [f"{name} was {told.get(name)!r}" for name, right in wanted.items() if not right]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
