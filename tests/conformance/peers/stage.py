"""Proxies started before a recording origin each, and the corpus played through them, all at the same time."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from loadtest.contenders import CONTENDERS
from loadtest.contenders.site import Contender, Site
from loadtest.processes import Children, await_ready, free_port
from tests.conformance.peers.origin import Origin
from tests.conformance.peers.playing import LOST_S, Case, play_request, play_response
from tests.conformance.peers.verdicts import Verdict, judge

HERE = Path(__file__).parent
OURS = "headgate"
PEERS = (OURS, "nginx", "haproxy", "envoy")
QUIET_S = 0.2  # a peer that says nothing for so long after the last byte waits for more of a message


def corpus(kind: str) -> list[Case]:
    """``requests`` or ``responses``."""
    cases: list[Case] = yaml.safe_load((HERE.parent / "framing" / "cases" / f"{kind}.yaml").read_text())
    return cases


def rules() -> dict[int, str]:
    """What each rule says, by number."""
    found: dict[int, str] = yaml.safe_load((HERE.parent / "rules.yaml").read_text())
    return found


def version(contender: Contender) -> str:
    """What a program says of itself, in a word or two."""
    done = subprocess.run(contender.version(), capture_output=True, text=True, timeout=20, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    words = next((word for word in " ".join(lines[:2]).replace("/", " ").split() if word[:1].isdigit() and "." in word), "")
    return words or (lines[0][:40] if lines else "unknown")


async def play_through(port: int, origin: Origin, words: str, *, exact: bool) -> list[Verdict]:
    """Every case whose name has ``words`` in it, one after another."""
    quiet_s = LOST_S if exact else QUIET_S
    verdicts = []
    for kind, play in (("requests", play_request), ("responses", play_response)):
        for case in corpus(kind):
            if words in case["name"]:
                verdicts.append(judge(await play(case, port, origin, quiet_s), exact=exact))
    return verdicts


async def play_at(name: str, folder: Path, children: Children, words: str) -> list[Verdict]:
    """Start one proxy and play."""
    origin = Origin()
    await origin.open()
    home = folder / name
    home.mkdir()
    site = Site(home, free_port(), free_port(), (origin.port, origin.port))
    launch = CONTENDERS[name].launch(site)
    child = children.start(name, launch.argv, core=None)
    await asyncio.to_thread(await_ready, child, *launch.ready)
    try:
        return await play_through(site.port, origin, words, exact=name == OURS)
    finally:
        await origin.close()


async def play_all(names: Sequence[str], folder: Path, words: str) -> dict[str, list[Verdict]]:
    """By proxy, in the order of ``names``."""
    with Children(folder) as children:
        played: list[Any] = await asyncio.gather(*(play_at(name, folder, children, words) for name in names))
    return dict(zip(names, played, strict=True))
