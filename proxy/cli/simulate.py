"""``simulate``: a service's plan against a synthetic candidate. Reads options and a configuration; ``proxy.simulation`` plays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from proxy import limits
from proxy.cli.configured import config_option, say_mistakes, set_option
from proxy.cli.output import output_option
from proxy.cli.quantities import duration, latency, outage, rate, share, stretch, time_of_day
from proxy.errors import OperatorError
from proxy.model.rollout import CAUSES

RUNS: Final = 1000
RUNS_COMPARED: Final = 200
POLICIES: Final = ("headgate", "flagger", "flagger-tuned", "argo", "argo-tuned")
"""As in ``proxy.simulation``, which is not imported before it is needed."""

if TYPE_CHECKING:
    from proxy.model.intent import Intent
    from proxy.model.service import Service
    from proxy.simulation import Report, Traffic


@click.command()
@click.argument("file", required=False)
@config_option
@set_option
@click.option("--service", metavar="S", help="Whose plan; may be left out when only one service has a target.")
@click.option("--rps", callback=rate, metavar="N", help="Requests a second of the whole service.")
@click.option("--candidate-errors", callback=share, metavar="P", help="Share of the candidate's requests that fail: 5% or 0.05.")
@click.option("--stable-errors", callback=share, metavar="P", default="0.1%", show_default=True, help="The same of stable.")
@click.option("--candidate-latency", callback=latency, metavar="T", help="Its median; as stable's unless said.")
@click.option(
    "--stable-latency",
    callback=latency,
    metavar="T",
    default="100ms",
    show_default=True,
    help="The same of stable; 0: answers take no time. The 99th percentile is 3.2 times the median.",
)
@click.option(
    "--onset",
    "onset_s",
    callback=duration,
    metavar="T",
    default="0",
    show_default=True,
    help="The candidate is as good as stable until then.",
)
@click.option("--cause", type=click.Choice(CAUSES), default="status_5xx", show_default=True, help="How requests fail.")
@click.option("--quiet-rps", callback=rate, metavar="N", help="Requests a second at 04:00; --rps is then the rate at 16:00.")
@click.option(
    "--begins",
    "begins_s",
    callback=time_of_day,
    metavar="HH:MM",
    default="10:00",
    show_default=True,
    help="Of the rollout, with --quiet-rps.",
)
@click.option(
    "--users",
    type=click.IntRange(1, limits.SIMULATED_USERS_MAX),
    metavar="N",
    help="People who ask, of whom errors strike some on every page; the service has to be sticky.",
)
@click.option("--outage", callback=outage, metavar="T+T:P", help="Both versions fail so much: 10m+2m:50% for two minutes after ten.")
@click.option("--sources-down", callback=stretch, metavar="T+T", help="Outside sources of checks cannot be asked: 10m+1m.")
@click.option("--policy", type=click.Choice(POLICIES), help="Other tools' rules on the same traffic instead of headgate's own.")
@click.option("--compare", is_flag=True, help="All of these rules, and headgate's, on incidents that are given; says no traffic.")
@click.option("--gates", type=click.Choice(["pass", "hold"]), default="pass", show_default=True, help="Pass them at once, or wait.")
@click.option(
    "--until",
    "until_s",
    callback=duration,
    metavar="T",
    default="24h",
    show_default=True,
    help="A rollout that is not over by then is held.",
)
@click.option("--runs", type=click.IntRange(1, limits.SIMULATED_RUNS_MAX), help="Rollouts to play; 1000 unless said, 200 to compare.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same report.")
@click.option("--max-false-alarms", callback=share, metavar="P", help="Exit 1 when more of the equal candidates are accused.")
@click.option("--min-caught", callback=share, metavar="P", help="Exit 1 when the guard catches the candidate in fewer rollouts.")
@output_option
def simulate(file: str | None, config: str | None, overrides: tuple[tuple[str, str], ...], output: str, **given: Any) -> int:
    """Play a service's rollout plan against a synthetic candidate, a thousand times on a virtual clock.

    The machine and the guard are those of the proxy. Says how often the candidate is promoted, caught or held, how soon, how many
    failed requests users meet, and how often a candidate as good as stable would be accused.
    """
    from proxy.config import ConfigInvalid, discover, load

    if file and config:
        raise click.UsageError("give the file once: as FILE or with --config")
    traffic = None if given["compare"] else described(given)
    path, _ = discover(file or config, env=os.environ, cwd=Path.cwd())
    try:
        intent = load(path, env=os.environ, overrides=overrides)
    except ConfigInvalid as error:
        return say_mistakes(output, path, error)
    service = chosen(intent, given["service"])
    told = {**given, "service": service.name, "file": str(path), "digest": intent.digest}
    return _compared(output, told, service) if traffic is None else _played(output, told, service, traffic)


def _played(output: str, given: dict[str, Any], service: Service, traffic: Traffic) -> int:
    from proxy.simulation import policies
    from proxy.simulation import simulate as played
    from proxy.simulation.report import HEADGATE

    if given["users"] and service.sticky is None:
        raise click.UsageError(f"--users is for a sticky service; {service.name} draws every request alone, whoever asks")
    given["runs"] = given["runs"] or RUNS
    report = played(
        service.rollout,
        traffic,
        runs=given["runs"],
        seed=given["seed"],
        gates=given["gates"],
        cause=given["cause"],
        horizon_s=given["until_s"],
        policy=given["policy"] or HEADGATE,
        endpoints=max(len(version.endpoints) for version in service.versions),
    )
    broken = broken_bounds(report, given["max_false_alarms"], given["min_caught"])
    remarks = notes(service, given["cause"], people=bool(given["users"]))
    if given["policy"] not in (None, HEADGATE):
        remarks = [f"{given['policy']}: {policies.told(policies.policy(given['policy'], service.rollout))}"]
    _say(output, given, report, remarks, broken)
    return 1 if broken else 0


def _compared(output: str, given: dict[str, Any], service: Service) -> int:
    from proxy.simulation.comparison import compare

    traffic = ("rps", "candidate_errors", "candidate_latency", "policy", "users", "quiet_rps", "outage", "sources_down")
    said = [name for name in traffic if given[name] is not None]
    if said:
        raise click.UsageError(f"--compare plays incidents of its own; leave out --{said[0].replace('_', '-')}")
    given["runs"] = given["runs"] or RUNS_COMPARED
    rows = compare(service.rollout, runs=given["runs"], seed=given["seed"], cause=given["cause"])
    if output == "json":
        import msgspec

        from proxy.cli.output import say

        say("json", {"given": given, "incidents": msgspec.to_builtins(rows)}, "")
    else:
        from proxy.cli.comparison_view import render
        from proxy.cli.status_view import show

        show(render(given, rows))
    return 0


def described(given: Mapping[str, Any]) -> Traffic:
    """The traffic that the options describe. Raises ``click.UsageError`` where two contradict each other."""
    from proxy.simulation import Traffic

    for name in ("rps", "candidate_errors"):
        if given[name] is None:
            raise click.UsageError(f"say --{name.replace('_', '-')}, or --compare for incidents that are given")
    quiet, stable_s, candidate_s = given["quiet_rps"], given["stable_latency"], given["candidate_latency"]
    if candidate_s is not None and not stable_s:
        raise click.UsageError("--candidate-latency means nothing while stable's answers take no time; say --stable-latency")
    if quiet is not None and quiet > given["rps"]:
        raise click.UsageError(f"--quiet-rps {quiet:g} is over --rps {given['rps']:g}, which is the rate of the busiest hour")
    if given["until_s"] <= given["onset_s"]:
        raise click.UsageError("--until must be later than --onset")
    return Traffic(
        rps=given["rps"],
        stable_errors=given["stable_errors"],
        candidate_errors=given["candidate_errors"],
        onset_s=given["onset_s"],
        quiet_rps=quiet,
        begins_s=given["begins_s"],
        stable_latency_s=stable_s,
        candidate_latency_s=stable_s if candidate_s is None else candidate_s,
        outage=given["outage"],
        users=given["users"] or 0,
        sources_down_s=given["sources_down"],
    )


def chosen(intent: Intent, name: str | None) -> Service:
    """The service to play: the one named, or the only one that has rollouts. Raises ``OperatorError`` or ``click.UsageError``."""
    able = [service for service in intent.services if service.target]
    if name is None:
        if len(able) == 1:
            return able[0]
        raise click.UsageError(f"say which service with --service; those with a target: {', '.join(s.name for s in able) or 'none'}")
    service = intent.service(name)
    if service is None:
        raise OperatorError(f"no service {name!r}; there is {', '.join(s.name for s in intent.services)}")
    if not service.target:
        raise OperatorError(f"service {name} has a fixed traffic split and no rollouts; give it target: instead of traffic:")
    return service


def notes(service: Service, cause: str, *, people: bool = False) -> list[str]:
    """What of this service is not as it was played, and what was taken for granted, as sentences."""
    from proxy.simulation.outside import assumptions

    found = [f"taken for granted: {said}" for said in assumptions(service.rollout)]
    if service.sticky is not None and not people:
        found.append("sticky: a user who keeps failing counts once, and may take longer to find; here all are strangers (see --users)")
    if service.fallback:
        found.append("fallback: stable answers safe requests that fail on the candidate; fewer users see an error than failures here")
    if cause not in service.rollout.guard.failures:
        found.append(f"this plan's guard does not count {cause}; it counts {', '.join(service.rollout.guard.failures)}")
    return found


def broken_bounds(report: Report, max_false_alarms: float | None, min_caught: float | None) -> list[str]:
    """The bounds that did not hold, as sentences."""
    broken = []
    if max_false_alarms is not None and report.false_alarms > max_false_alarms:
        broken.append(f"false alarms in {100 * report.false_alarms:g} % of rollouts, {100 * max_false_alarms:g} % allowed")
    if min_caught is not None and report.candidate.caught < min_caught:
        broken.append(f"the guard caught {100 * report.candidate.caught:g} % of the candidates, {100 * min_caught:g} % wanted")
    return broken


def _say(output: str, given: dict[str, Any], report: Report, remarks: list[str], broken: list[str]) -> None:
    if output == "json":
        import msgspec

        from proxy.cli.output import say

        say("json", {"given": given, **msgspec.to_builtins(report), "notes": remarks, "holds": not broken, "broken": broken}, "")
        return
    from proxy.cli.simulation_view import render
    from proxy.cli.status_view import show

    show(render(given, report, remarks, broken))
