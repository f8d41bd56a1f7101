"""What the judges of running rollouts say, as metrics: the guard's evidence by kind, and the latest result of every check.

Labels are the services, the two kinds and the names of checks, so the configuration bounds them. Where nothing is tried there is no
sample of evidence or of a check: no data is not zero.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from proxy.analysis.checks import RESULTS
from proxy.analysis.guard import judged_kinds, threshold_of
from proxy.control.loop import Control


def judging(control: Control) -> Iterator[Metric]:
    """The gauges of every service with a target."""
    kind, by_check = ["service", "kind"], ["service", "check"]
    evidence = GaugeMetricFamily(
        "headgate_guard_evidence", "Natural log of the evidence against the candidate; absent when nothing is tried.", labels=kind
    )
    threshold = GaugeMetricFamily("headgate_guard_threshold", "Natural log of the evidence at which one kind alone acts.", labels=kind)
    result = GaugeMetricFamily("headgate_check_result", "1 for the latest result of a check.", labels=[*by_check, "result"])
    value = GaugeMetricFamily("headgate_check_value", "The value of a check's latest result, in its own unit.", labels=by_check)
    for name, standing in control.standings.items():
        guard = standing.position.plan.guard
        for each in judged_kinds(guard):
            threshold.add_metric([name, each], threshold_of(guard, each))
        if not standing.running or standing.verdict is None:
            continue
        for each, told in standing.verdict.figures["kinds"].items():
            evidence.add_metric([name, each], told["log_evidence"])
        for check in standing.verdict.figures["checks"]:
            for candidate in RESULTS:
                result.add_metric([name, check["name"], candidate], int(candidate == check["result"]))
            if check["value"] is not None:
                value.add_metric([name, check["name"]], check["value"])
    yield from (evidence, threshold, result, value)
