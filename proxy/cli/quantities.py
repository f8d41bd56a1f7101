"""Quantities as people type them into options: shares, rates, durations, times of day. Callbacks of click; know no verb."""

from __future__ import annotations

import math
import re

import click

from proxy import limits


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
