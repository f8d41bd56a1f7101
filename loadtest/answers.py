"""Right before fast: every contender must hand on status and body, and every proxy must split, forward and reuse alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address

from loadtest import driving
from loadtest.contenders.site import Contender
from loadtest.faults import RigError
from loadtest.processes import connect
from loadtest.scenarios import SPLIT, Scenario
from loadtest.setting import Setting

TIMEOUT_S = 5.0
REQUESTS = 200
USERS, RETURNS = 50, 4
"""Users who come back; with a split of 5 % a random one keeps all of them to one version with a chance of 1e-4."""
HOST = "shop.example"
SHARE_B_MAX = 0.20
"""Of REQUESTS, for a split of 5 %: the chance of more is under 1e-13, and of none at all 4e-5."""


def check(contender: Contender, port: int, scenarios: Sequence[Scenario]) -> None:
    """RigError, with what came instead, at the first answer that is not right. All ``scenarios`` have the same setting."""
    first = scenarios[0]
    if first.kind == "websocket":
        driving.websocket(port, first.connections, 1, None)  # compares every message
        return
    with closing(connect(port, first.setting.tls, TIMEOUT_S)) as connection:
        try:
            for scenario in scenarios:
                _exact(contender.name, connection, scenario)
            if not contender.floor and first.cast != "mirror":
                _alike(contender, connection, first.setting)
            if first.setting.sticky:
                _sticks(contender.name, connection)
        except (OSError, HTTPException) as error:
            raise RigError(f"{contender.name} broke off a request: {error!r}") from error


def cookie(port: int, scenario: Scenario) -> str:
    """What a proxy gives a user to be known by, as ``name=value``; empty if it knows them by what they have."""
    with closing(connect(port, scenario.setting.tls, TIMEOUT_S)) as connection:
        connection.request("GET", "/echo", headers={"Host": HOST})
        answer = connection.getresponse()
        answer.read()
        return (answer.getheader("Set-Cookie") or "").partition(";")[0]


def _exact(name: str, connection: HTTPConnection, scenario: Scenario) -> None:
    body = b"x" * scenario.request_bytes or None
    headers = {"Host": HOST, **{key: value.replace("{user:032x}", "7").replace("{user}", "7") for key, value in scenario.headers}}
    connection.request(scenario.method, scenario.path, body, headers)
    answer = connection.getresponse()
    chunked = answer.getheader("Transfer-Encoding") == "chunked"
    got = answer.read()
    if answer.status != 200 or got != scenario.answer:
        raise RigError(f"{name} answered {scenario.name} with {answer.status} and {len(got)} bytes: {got[:200]!r}")
    if scenario.chunk_bytes and not chunked:
        raise RigError(f"{name} answered {scenario.name} with no chunks")


def _ask(name: str, connection: HTTPConnection, cookies: str) -> tuple[dict[str, str], str]:
    """What reached the origin, and the cookie that the proxy gave."""
    connection.request("GET", "/echo", headers={"Host": HOST, "Cookie": cookies})
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise RigError(f"{name} answered /echo with {answer.status}: {text[:200]}")
    given = (answer.getheader("Set-Cookie") or "").partition(";")[0]
    return dict(line.partition("=")[::2] for line in text.splitlines()), given


def _alike(contender: Contender, connection: HTTPConnection, setting: Setting) -> None:
    name = contender.name
    seen: Counter[str] = Counter()
    reused = 0
    for at in range(REQUESTS):
        told, _ = _ask(name, connection, f"session=user-{at}")
        if wrong := differences(told, "https" if setting.tls else "http", contender.unsaid):
            raise RigError(f"{name} forwards other headers than the rest: {'; '.join(wrong)}")
        seen[told["origin"]] += 1
        reused += int(told["nth"]) > 1
    if not 1 <= seen["b"] <= REQUESTS * SHARE_B_MAX or seen["a"] + seen["b"] != REQUESTS:
        raise RigError(f"{name} does not split {SPLIT[0]}/{SPLIT[1]}: of {REQUESTS} requests {dict(seen)}")
    if reused < REQUESTS * 0.9:
        raise RigError(f"{name} does not keep its origin connections: {reused} of {REQUESTS} requests came on a used one")


def _sticks(name: str, connection: HTTPConnection) -> None:
    """Each of a number of users meets one version only."""
    for user in range(USERS):
        cookies, met = f"session=returning-{user}", set()
        for _ in range(RETURNS):
            told, given = _ask(name, connection, cookies)
            cookies += f"; {given}" if given else ""
            met.add(told["origin"])
        if len(met) != 1:
            raise RigError(f"{name} let user {user} meet {sorted(met)}")


def differences(told: dict[str, str], scheme: str = "http", unsaid: Collection[str] = ()) -> list[str]:
    """What the origin was told that it should not have been, or was not told, but for what is ``unsaid``."""
    wanted = {
        "host": told.get("host") == HOST,
        "for": _is_address(told.get("for", "")),  # Envoy writes the host's own address for a loopback client
        "proto": told.get("proto") == scheme,
        "forwarded-host": told.get("forwarded-host") == HOST,
        "request-id": len(told.get("request-id", "")) >= 16,
        "via": bool(told.get("via")),
    }
    return [f"{name} was {told.get(name)!r}" for name, right in wanted.items() if not right and name not in unsaid]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
