"""Whom a candidate reached: headgate's count against what the users themselves saw, and the story told of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.kit.clients import ask_all, get
from tests.kit.processes import ROOT, Headgate
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

USERS = 150
ROUNDS = 4


def cli(proxy: Headgate, *args: str) -> str:
    """What the command line prints."""
    command = [sys.executable, "-m", "proxy", *args, "--admin", f"http://127.0.0.1:{proxy.admin_port}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=proxy.directory, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("fallback", [False, True])
def test_the_blast_radius_is_what_the_users_saw(scene: Scene, fallback: bool) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    service: dict[str, Any] = {
        "versions": versions(v1=v1.url, v2=v2.url),
        "target": "v1",
        "sticky": {"by": "header", "name": "x-user"},
        "fallback": fallback,
        "rollout": {"steps": [{"weight": 30, "for": "1h"}], "guard": {"min_failures": 100_000}},
    }
    proxy = scene.headgate({"shop": service}, workers=2)
    v2.behave(error_rate=0.3)
    proxy.say("start", to="v2")
    users = [f"user-{n % USERS}" for n in range(USERS * ROUNDS)]
    answers = ask_all(proxy.port, [get("shop", "/", f"x-user: {user}") for user in users])
    met = {user for user, answer in zip(users, answers, strict=True) if answer.body == "v2" or answer.status == 500}
    hurt = {user for user, answer in zip(users, answers, strict=True) if answer.status == 500}
    until(lambda: proxy.service()["blast_radius"]["requests"] == v2.seen().requests, 10, "all counts")
    proxy.say("abort", reason="seen enough")
    told = json.loads(cli(proxy, "rollout", "explain", "shop", "--output", "json"))
    radius = told["blast_radius"]

    assert ("rolled_back", v2.seen().requests) == (told["outcome"], radius["requests"])
    assert not radius["users_at_least"]
    if fallback:
        assert (set(), 0, radius["errors"]) == (hurt, radius["users_with_errors"], radius["saved_by_fallback"])
        assert radius["users"] >= len(met) > 0  # whom stable answered each time has met it without knowing
    else:
        assert (len(met), len(hurt), 0) == (radius["users"], radius["users_with_errors"], radius["saved_by_fallback"])
    assert radius["exposed_s"] > 0
    assert "seen enough" in cli(proxy, "rollout", "explain", "shop")
