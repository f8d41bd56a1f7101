"""Where a service's copies go, and how they are compared."""

from __future__ import annotations

import pytest

from proxy.control.comparisons import Nowhere, rules_of, shadow_of
from proxy.model.position import Phase, Position
from proxy.model.rollout import RolloutPlan, ShadowStep, WeightStep
from proxy.model.service import Endpoint, Service, Shadow, Version
from proxy.shadow.messages import Rules

VERSIONS = tuple(Version(name, (Endpoint("127.0.0.1", 9001),)) for name in ("v1", "v2", "v3"))
PLAN = RolloutPlan(steps=(ShadowStep(percent_bp=2000), WeightStep(weight_bp=500)))


def service(shadow: Shadow | None = None) -> Service:
    return Service("shop", VERSIONS, target="v2", shadow=shadow)


def position(phase: Phase, step: int = 0) -> Position:
    return Position("shop", "v1", phase=phase, candidate="v2", target="v2", rollout=4, plan=PLAN, step=step)


def test_without_a_word_of_it_nothing_is_copied() -> None:
    assert [shadow_of(service(), None), shadow_of(service(), position(Phase.STABLE))] == [None, None]


def test_the_configured_shadow_gets_copies_whatever_the_phase() -> None:
    shadow = Shadow("v3", percent_bp=500)

    assert [shadow_of(service(shadow), p) for p in (None, position(Phase.PROGRESSING, 1))] == [shadow, shadow]


def test_a_shadow_step_sends_its_share_to_the_candidate() -> None:
    assert shadow_of(service(), position(Phase.SHADOWING)) == Shadow("v2", percent_bp=2000)


def test_a_shadow_step_keeps_what_the_configuration_says_of_comparing() -> None:
    shadow = Shadow("v3", 1, timeout_s=1.0, max_in_flight=2, ignore=("$.a",), allow=("$.b",), noise="v1", redact=("x",))

    assert shadow_of(service(shadow), position(Phase.SHADOWING)) == Shadow(
        "v2", 2000, timeout_s=1.0, max_in_flight=2, ignore=("$.a",), allow=("$.b",), noise="v1", redact=("x",)
    )


def test_settings_for_shadow_steps_alone_copy_nothing_outside_of_them() -> None:
    assert shadow_of(service(Shadow(ignore=("$.a",))), position(Phase.PROGRESSING, 1)) is None


@pytest.mark.parametrize(
    ("shadow", "phase", "rules"),
    [
        (None, Phase.PROGRESSING, None),
        (Shadow("v3", compare=False), Phase.PROGRESSING, None),
        (Shadow("v3", noise="v1", ignore=("$.a",), allow=("$.b",)), Phase.PROGRESSING, Rules("v3", "v1", ("$.a",), ("$.b",))),
        (None, Phase.SHADOWING, Rules("v2", rollout=4)),
    ],
)
def test_pairs_are_compared_by_the_rules_of_their_shadow(shadow: Shadow | None, phase: Phase, rules: Rules | None) -> None:
    assert rules_of(service(shadow), position(phase, 0 if phase is Phase.SHADOWING else 1)) == rules


@pytest.mark.asyncio
async def test_nowhere_compares_nothing() -> None:
    nowhere = Nowhere()
    nowhere.use({"shop": Rules("v2")})

    assert (nowhere.path, nowhere.summaries, await nowhere.report("shop")) == ("", {}, None)
