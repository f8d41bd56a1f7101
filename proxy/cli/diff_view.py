"""A difference of configurations for people, as the API tells it. Pure: values in, rich renderables out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "moved": (">", "yellow"), "changed": ("~", "yellow")}
_VALUE_CHARS_MAX = 60
_LINES_MAX = 200  # of each section; who changes more wants --output json


def render(found: Mapping[str, Any]) -> RenderableType:
    """Everything ``diff`` shows."""
    parts: list[Text] = []
    if found["same"]:
        parts.append(Text(f"no difference: {found['file']} is what runs"))
    for title, lines in (
        ("routes", _routes(found["routes"])),
        ("services", _services(found["services"])),
        ("rollouts", _rollouts(found["rollouts"])),
        ("else", _values(found["other"], "  ")),
    ):
        parts += _section(title, list(lines))
    if found["refused"]:
        parts.append(Text("a reload would refuse this, and change nothing", style="bold red"))
        parts += [Text(f"  ! {why}", style="red") for why in found["refused"]]
    elif not found["same"]:
        parts.append(Text("a reload would take this; nothing has been applied", style="dim"))
    return Group(*parts)


def _section(title: str, lines: Sequence[Text]) -> list[Text]:
    if not lines:
        return []
    left = len(lines) - _LINES_MAX
    more = [Text(f"  and {left} more lines; --output json has them all", style="dim")] if left > 0 else []
    return [Text(title, style="bold"), *lines[:_LINES_MAX], *more]


def _line(change: str, what: str, *more: str) -> Text:
    sign, style = _SIGNS[change]
    return Text.assemble("  ", (f"{sign} {what}", style), *(f"  {text}" for text in more if text))


def _rate(rps: float | None) -> str:
    return "" if rps is None else f"{rps:.1f} requests/s now" if rps else "no requests now"


def _routes(routes: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    for route in sorted(routes, key=lambda each: -(each["rps"] or 0)):
        if route["change"] == "added":
            taken = f"takes from {route['instead']}" if route["instead"] else ""
            yield _line("added", route["route"], f"-> {route['to']}", taken)
        elif route["change"] == "removed":
            left = f"then {route['instead']}" if route["instead"] else ""
            yield _line("removed", route["route"], f"was {route['from']}", _rate(route["rps"]), left)
        elif route["change"] == "moved":
            yield _line("moved", route["route"], f"{route['from']} -> {route['to']}", _rate(route["rps"]))
        else:
            yield _line("changed", route["route"], f"-> {route['to']}", _rate(route["rps"]))
        yield from _conditions(route["match"])
        yield from _values(route["differences"], "      ")


def _conditions(match: Mapping[str, Any]) -> Iterator[Text]:
    """What the route's name leaves out."""
    said = [f"{kind} {name}: {value}" for kind in ("headers", "query") for name, value in match.get(kind, {}).items()]
    if said:
        yield Text(f"      with {', '.join(said)}", style="dim")


def _services(services: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    for service in services:
        yield _line(service["change"], service["service"], _rate(service["rps"]))
        for version in service["versions"]:
            sign, style = _SIGNS[version["change"]]
            yield Text(f"      {sign} version {version['version']}", style=style)
            yield from (Text(f"          + {address}", style="green") for address in version["endpoints_added"])
            yield from (Text(f"          - {address}", style="red") for address in version["endpoints_removed"])
            yield from _values(version["differences"], "          ")
        yield from _values(service["differences"], "      ")


def _rollouts(rollouts: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    for rollout in rollouts:
        tried = f" (now {rollout['phase']}, {rollout['candidate']})" if rollout["candidate"] else ""
        yield Text(f"  {rollout['service']}{tried}")
        for record in rollout["records"]:
            yield Text(f"      {record['kind'].replace('_', ' ')}: {record['reason']}", style="yellow")
        yield from (Text(f"      {note}", style="dim") for note in rollout["notes"])


def _values(differences: Sequence[Mapping[str, Any]], indent: str) -> Iterator[Text]:
    for found in differences:
        yield Text(f"{indent}{found['key']}: {_value(found['before'])} -> {_value(found['after'])}", style="dim")


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_CHARS_MAX else text[: _VALUE_CHARS_MAX - 3] + "..."
