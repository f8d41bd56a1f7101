from __future__ import annotations

import pytest

from proxy.model.position import Finding, Verdict
from proxy.model.rollout import RolloutPlan
from proxy.rollout.events import VERBS, Applied, Command, Event, EventKind, Heard, Measured, TargetSet, kind_of


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (TargetSet("v2", "f", RolloutPlan()), EventKind.TARGET_SET),
        (Measured(0.1, 3, Verdict(Finding.PASS, "")), EventKind.MEASURED),
        (Applied(7, 0.01), EventKind.APPLIED),
        (Heard("1/0/gate", True, "200"), EventKind.HEARD),
        (Command("retry", "ann"), EventKind.RETRY),
    ],
)
def test_every_event_has_its_column(event: Event, kind: EventKind) -> None:
    assert kind is kind_of(event)


def test_every_verb_is_a_column_and_the_rest_are_not_verbs() -> None:
    assert {EventKind.TARGET_SET, EventKind.MEASURED, EventKind.APPLIED, EventKind.HEARD} == set(EventKind) - set(VERBS)
