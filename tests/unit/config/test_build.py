"""The file's form and the model are inverse: what ``effective`` shows, ``load`` reads back."""

from __future__ import annotations

import json
import string
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import effective, load
from proxy.model.intent import AccessLog, Admin, Intent, Listener
from proxy.model.rollout import CAUSES, GateStep, Guard, RolloutPlan, WeightStep
from proxy.model.route import Match, Route
from proxy.model.service import Endpoint, Override, Service, Sticky, Timeouts, Version

FEWER = settings(max_examples=15)  # a whole configuration is drawn each time

NAMES = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=8).map(lambda text: f"n{text}") | st.sampled_from(
    ["1", "2.10", "no", "null", "0x1"]
)
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12) | st.sampled_from(
    ["${A}", "$${A}", "1", "true", "null", "", " ", "~", "a: b", "# c"]
)
TOKENS = st.text(string.ascii_lowercase + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=8)
PORTS = st.integers(1, 65535)
HOSTS = st.sampled_from(["127.0.0.1", "::1", "origin.internal", "10.1.2.3", "localhost"])
PATHS = st.lists(st.sampled_from([*string.ascii_letters, *"-_~{}$", "%2F", "%C3%A9"]), max_size=10).map(
    lambda parts: "/" + "".join(parts)
)


def seconds(most: float, least_ms: int = 0) -> st.SearchStrategy[float]:
    return st.integers(least_ms, int(most * 1000)).map(lambda milliseconds: milliseconds / 1000)


def pairs(keys: st.SearchStrategy[str], least: int = 0) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    return st.dictionaries(keys, TEXTS, min_size=least, max_size=3).map(lambda found: tuple(sorted(found.items())))


@st.composite
def matches(draw: st.DrawFn, least_headers: int = 0) -> Match:
    kind = draw(st.sampled_from(["", "path", "path_prefix", "path_regex"]))
    return Match(
        host=draw(st.sampled_from(["", "shop.example.com", "*.example.com", "[::1]"])),
        methods=tuple(draw(st.lists(st.sampled_from(["GET", "POST", "PURGE"]), unique=True, max_size=3))),
        headers=draw(pairs(TOKENS, least_headers)),
        query=draw(pairs(st.text(string.printable.strip() + " ä", min_size=1, max_size=6))),
        **({kind: draw(PATHS if kind != "path_regex" else st.sampled_from(["/[a-z]+", "/a{2}", "/${x}"]))} if kind else {}),
    )


STEPS = st.lists(
    st.builds(WeightStep, weight_bp=st.integers(1, 10_000), for_s=seconds(3600), min_requests=st.integers(0, 10**9))
    | st.just(GateStep()),
    min_size=1,
    max_size=5,
).filter(lambda steps: isinstance(steps[0], WeightStep))


@st.composite
def rollouts(draw: st.DrawFn) -> RolloutPlan:
    weights = iter(sorted(draw(st.lists(st.integers(1, 10_000), min_size=5, max_size=5))))  # they only grow
    steps = tuple(msgspec.structs.replace(s, weight_bp=next(weights)) if isinstance(s, WeightStep) else s for s in draw(STEPS))
    shortest = sum(step.for_s for step in steps if isinstance(step, WeightStep))
    deadline_s = draw(st.just(0.0) | seconds(3600, 1).map(lambda more: round(shortest + more, 3)))
    guard = Guard(
        alpha=draw(st.floats(1e-9, 0.499)),
        ratio=draw(st.floats(1, 1000)),
        min_failures=draw(st.integers(1, 1_000_000)),
        failures=tuple(draw(st.lists(st.sampled_from(CAUSES), min_size=1, unique=True))),
        action=draw(st.sampled_from(["rollback", "pause"])),
    )
    return RolloutPlan("canary", steps, guard, deadline_s, draw(st.sampled_from(["rollback", "pause"])))


@st.composite
def services(draw: st.DrawFn, name: str) -> Service:
    endpoint = st.builds(Endpoint, host=HOSTS, port=PORTS) | st.just(Endpoint(unix="/run/a b.sock"))
    endpoints = st.lists(endpoint, min_size=1, max_size=3, unique=True).map(tuple)
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    has_target = draw(st.booleans())
    weights = st.floats(0.001, 1_000_000)
    sticky = st.builds(Sticky, by=st.sampled_from(["cookie", "header"]), name=TOKENS) | st.just(Sticky("client_ip")) | st.none()
    version = st.sampled_from(names)
    return Service(
        name=name,
        versions=tuple(Version(each, draw(endpoints), draw(pairs(TEXTS.filter(bool)))) for each in names),
        traffic=() if has_target else tuple((each, draw(weights)) for each in names),
        target=draw(version) if has_target else "",
        sticky=draw(sticky),
        overrides=tuple(draw(st.lists(st.builds(Override, matches(least_headers=1), version), max_size=2))),
        timeouts=Timeouts(draw(seconds(60, 1)), draw(seconds(60, 1)), draw(seconds(86_400, 1))),
        balance=draw(st.sampled_from(["least_requests", "round_robin"])),
        expose_version=draw(st.booleans()),
        rollout=draw(rollouts()),
    )


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    networks = st.lists(st.sampled_from(["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"]), max_size=2, unique=True).map(tuple)
    ports = draw(st.lists(PORTS, min_size=3, max_size=3, unique=True))
    route = st.builds(Route, matches(), st.sampled_from(names))
    return Intent(
        digest="",
        listeners=(
            Listener("web", draw(HOSTS), ports[0], trusted_proxies=draw(networks)),
            Listener("local", unix="/run/headgate.sock"),
            Listener("any", "127.0.0.1", 0),
        ),
        services=tuple(draw(services(name)) for name in names),
        routes=tuple(draw(st.lists(route, min_size=1, max_size=3, unique_by=lambda each: msgspec.json.encode(each.match)))),
        admin=draw(
            st.sampled_from([Admin("127.0.0.1", ports[1]), Admin("0.0.0.0", ports[2], token_file="/run/t"), Admin("", 0, "/run/a")])
        ),
        workers=draw(st.integers(1, 256)),
        state_path=draw(st.sampled_from(["state/headgate.db", "/var/lib/${x}.db"])),
        access_log=draw(st.none() | st.builds(AccessLog, path=st.just("-"), sample=st.floats(0.001, 1))),
        drain_timeout_s=draw(seconds(3600)),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build")


@FEWER
@given(intents())
def test_the_effective_configuration_reads_back_to_the_same_intent(folder: Path, intent: Intent) -> None:
    file = folder / "f.yaml"
    file.write_text(yaml.safe_dump(effective(intent), sort_keys=False, allow_unicode=True), encoding="utf-8")

    assert intent == msgspec.structs.replace(load(file, env={}), digest="")


@FEWER
@given(intents())
def test_the_effective_configuration_is_json_which_is_yaml_too(folder: Path, intent: Intent) -> None:
    file = folder / "f.json"
    file.write_text(json.dumps(effective(intent), ensure_ascii=False), encoding="utf-8")

    assert intent == msgspec.structs.replace(load(file, env={}), digest="")


def test_workers_auto_is_one_a_core(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    file = folder / "auto.yaml"
    file.write_text(
        "listeners: [{name: web, address: 127.0.0.1:8080}]\nworkers: auto\n"
        "services: {a: {versions: {v1: {endpoints: [127.0.0.1:9001]}}, target: v1}}\nroutes: [{match: {}, service: a}]\n"
    )

    assert 7 == load(file, env={}).workers
