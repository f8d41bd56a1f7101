"""The blast radius of each service's latest rollout as metrics: gauges by service, which the next rollout begins anew.

Where users are not known there is no sample of them: no data is not zero.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from proxy.control.loop import Control

_GAUGES = {
    "requests": ("headgate_rollout_candidate_requests", "Requests that the latest rollout's candidate answered."),
    "errors": ("headgate_rollout_candidate_errors", "Requests that it failed."),
    "saved_by_fallback": ("headgate_rollout_saved_by_fallback", "Of those, the ones that stable answered in its place."),
    "users": ("headgate_rollout_candidate_users", "Distinct users that it answered, where the service is sticky; at least."),
    "users_with_errors": ("headgate_rollout_users_with_errors", "Distinct users that saw it fail, likewise."),
    "exposed_s": ("headgate_rollout_exposed_seconds", "From its first bad answer to the beginning of its last request."),
}
"""By the figure of ``Exposure.figures``."""


def exposure(control: Control) -> Iterator[Metric]:
    """The gauges; a service that never had a rollout has none."""
    families = {key: GaugeMetricFamily(name, text, labels=["service"]) for key, (name, text) in _GAUGES.items()}
    for name, standing in control.standings.items():
        if standing.memory.rollout:
            figures = standing.memory.exposure.figures()
            for key, family in families.items():
                if figures[key] is not None:
                    family.add_metric([name], figures[key])
    yield from families.values()
