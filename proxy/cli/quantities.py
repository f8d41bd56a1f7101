"""Quantities as people type them into options: shares, rates, durations, times of day. Callbacks of click; know no verb."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import click

from proxy import limits

if TYPE_CHECKING:
    from proxy.simulation.traffic import Spell


def share(ctx: click.Context | None, param: click.Parameter | None, text: str | None) -> float | None:
    """``5%`` or ``0.05`` as 0.05; None stays None. click.BadParameter on anything else."""
    if text is None:
        return None
    value = _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= value <= 1:
        raise click.BadParameter(f"{text!r} is no share of everything; write 5% or 0.05, 100% or 1 at most", ctx, param)
    return value


def rate(ctx: click.Context | None, param: click.Parameter | None, text: str | None) -> float | None:
    """Requests a second; None stays None. click.BadParameter on anything else."""
    if text is None:
        return None
    value = _number(text)
    if not 0 < value <= limits.SIMULATED_RPS_MAX:
        allowed = f"write requests a second, over 0 and {limits.SIMULATED_RPS_MAX:,.0f} at most"
        raise click.BadParameter(f"{text!r} is no rate; {allowed}", ctx, param)
    return value


def duration(ctx: click.Context | None, param: click.Parameter | None, text: str) -> float:
    """The configuration's durations, in seconds. click.BadParameter on anything else."""
    from proxy.config.scalars import duration_s

    try:
        return duration_s(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def latency(ctx: click.Context | None, param: click.Parameter | None, text: str | None) -> float | None:
    """A duration of a minute at most, in seconds; None stays None. click.BadParameter on anything else."""
    if text is None:
        return None
    seconds = duration(ctx, param, text)
    if seconds > limits.SIMULATED_LATENCY_S_MAX:
        raise click.BadParameter(f"{text!r} is no latency; write {limits.SIMULATED_LATENCY_S_MAX:.0f}s at most", ctx, param)
    return seconds


def stretch(ctx: click.Context | None, param: click.Parameter | None, text: str | None) -> tuple[float, float] | None:
    """``10m+1m`` (from when, for how long) as beginning and end in seconds; None stays None. click.BadParameter on anything else."""
    if text is None:
        return None
    begin, plus, length = text.partition("+")
    if not plus:
        raise click.BadParameter(f"{text!r} is no stretch of time; write from when and for how long: 10m+1m", ctx, param)
    begin_s = duration(ctx, param, begin)
    return begin_s, begin_s + duration(ctx, param, length)


def outage(ctx: click.Context | None, param: click.Parameter | None, text: str | None) -> Spell | None:
    """``10m+2m:50%`` as a spell in which both versions fail so much; None stays None. click.BadParameter on anything else."""
    from proxy.simulation.traffic import Spell

    if text is None:
        return None
    when, colon, errors = text.partition(":")
    if not colon:
        raise click.BadParameter(f"{text!r} is no outage; write from when, for how long and how much fails: 10m+2m:50%", ctx, param)
    between, failing = stretch(ctx, param, when), share(ctx, param, errors)
    assert between is not None
    assert failing is not None
    return Spell(*between, failing)


def time_of_day(ctx: click.Context | None, param: click.Parameter | None, text: str) -> float:
    """``HH:MM`` in seconds since midnight. click.BadParameter on anything else."""
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no time of day; write HH:MM, 00:00 to 23:59", ctx, param)
    return int(found[1]) * 3600.0 + int(found[2]) * 60.0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan  # which is within no bounds
