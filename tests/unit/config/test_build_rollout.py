"""The plan's form and the model are inverse, for every strategy; golden cases of the conformance tests have the words."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import load
from proxy.config.build_rollout import shown_rollout
from proxy.model.rollout import (
    Check,
    FreezeWindow,
    GateStep,
    Guard,
    Hook,
    HttpQuery,
    PrometheusQuery,
    Rolling,
    RolloutPlan,
    ShadowStep,
    Step,
    WeightStep,
)

FEWER = settings(max_examples=25)
URLS = st.sampled_from(["http://127.0.0.1:9090", "https://ci.internal/smoke?x=1"])
TOKENS = st.sampled_from(["", "/run/secrets/token"])


def seconds(most: float, least_ms: int = 0) -> st.SearchStrategy[float]:
    return st.integers(least_ms, int(most * 1000)).map(lambda milliseconds: milliseconds / 1000)


GATES = st.just(GateStep()) | st.builds(GateStep, st.just("remote"), URLS, seconds(60, 1), seconds(60, 1))
SHADOWS = st.builds(ShadowStep, st.integers(1, 10_000), seconds(60), st.integers(0, 10**9))
RATES = st.floats(0.0001, 1)
METRICS = st.one_of(
    st.builds(Check, st.just(""), metric=st.just("error_rate"), max=RATES, max_ratio=st.floats(0.1, 9) | st.none()),
    st.builds(
        Check,
        st.just(""),
        metric=st.just("latency_p99"),
        max=seconds(60, 1),
        max_delta=seconds(9, 1) | st.none(),
        window_s=seconds(3600),
    ),
    st.builds(Check, st.just(""), metric=st.just("requests_per_second"), min=st.floats(0, 1e6), dry_run=st.booleans()),
)
QUERIES = st.builds(PrometheusQuery, URLS, st.sampled_from(["up", 'sum(rate(x{a="b"}[1m]))\n/ 2']), seconds(9, 1), TOKENS)
OUTSIDE = st.builds(Check, st.just(""), prometheus=QUERIES, min=st.floats(-9, 9)) | st.builds(
    Check, st.just(""), http=st.builds(HttpQuery, URLS, st.just("$.a[0]"), seconds(9, 1), TOKENS), max=st.floats(-9, 9)
)
BARE = st.builds(Check, st.just(""), http=st.builds(HttpQuery, URLS))
HOOKS = st.builds(
    Hook, st.sampled_from(["before_rollout", "after_rollback"]), URLS, seconds(60, 1), st.integers(0, 10), st.just(""), TOKENS
)
FREEZES = st.builds(FreezeWindow, st.integers(0, 5000), st.integers(5001, 10_079), st.sampled_from(["UTC"]))


@st.composite
def plans(draw: st.DrawFn) -> RolloutPlan:
    """A plan that the configuration can say: keys of other strategies have their defaults."""
    strategy = draw(st.sampled_from(["canary", "blue_green", "rolling", "shadow"]))
    weights = sorted(draw(st.lists(st.integers(1, 10_000), min_size=1, max_size=3)))
    before: list[Step] = draw(st.lists(SHADOWS, min_size=int(strategy == "shadow"), max_size=2))
    steps: list[Step] = [*before, *(draw(st.lists(GATES, max_size=1)) if before or strategy == "blue_green" else [])]
    if strategy == "canary":
        steps += [WeightStep(weight, draw(seconds(60)), draw(st.integers(0, 10**9))) for weight in weights]
    measured = METRICS if strategy in ("canary", "rolling") else OUTSIDE
    checks = draw(st.lists(measured | OUTSIDE | BARE, max_size=3))
    plan = RolloutPlan(
        strategy=strategy,
        steps=() if strategy == "rolling" else tuple(steps),
        guard=draw(
            st.sampled_from(
                [Guard(), Guard(slow_over_s=None, max_errors=7), Guard(slow_over_s=0.5, slow_ratio=2.0, max_users_with_errors=3)]
            )
        ),
        on_deadline=draw(st.sampled_from(["rollback", "pause"])),
        hooks=tuple(draw(st.lists(HOOKS, max_size=2, unique_by=lambda hook: (hook.on, hook.url)))),
        freeze=tuple(draw(st.lists(FREEZES, max_size=1))),
    )
    if checks:
        named = tuple(msgspec.structs.replace(check, name=f"c{i}") for i, check in enumerate(checks))
        plan = msgspec.structs.replace(plan, checks=named, interval_s=draw(seconds(60, 100)), failure_limit=0)
    if strategy == "rolling":
        plan = msgspec.structs.replace(plan, rolling=Rolling(3, 1.0, 2.0, 3.0, "reverse"))
    if strategy == "blue_green":
        plan = msgspec.structs.replace(plan, keep_old_s=draw(seconds(60)))
    return plan if strategy == "shadow" else msgspec.structs.replace(plan, undo_window_s=draw(seconds(60)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build_rollout")


def written(folder: Path, rollout: object) -> RolloutPlan:
    file = folder / "f.yaml"
    service = {"versions": {"v1": {"endpoints": ["127.0.0.1:9001"]}}, "target": "v1", "sticky": {"by": "client_ip"}, "rollout": rollout}
    shown = {
        "listeners": [{"name": "web", "address": "127.0.0.1:8080"}],
        "services": {"shop": service},
        "routes": [{"match": {}, "service": "shop"}],
    }
    file.write_text(yaml.safe_dump(shown, sort_keys=False))
    (service_read,) = load(file, env={}).services
    return service_read.rollout


def test_every_plan_that_is_shown_reads_back(folder: Path) -> None:
    @FEWER
    @given(plans())
    def reads_back(plan: RolloutPlan) -> None:
        assert plan == written(folder, shown_rollout(plan))

    reads_back()


@pytest.mark.parametrize(("strategy", "steps"), [("canary", 3), ("blue_green", 0), ("rolling", 0)])
def test_only_a_canary_has_steps_that_nobody_wrote(folder: Path, strategy: str, steps: int) -> None:
    assert steps == len(written(folder, {"strategy": strategy}).steps)
