"""The supervisor's own log on standard error: JSON lines for machines, readable lines for a terminal. Not the access log."""

from __future__ import annotations

import sys
from typing import Any

from proxy.telemetry.plain_structlog import structlog


def configure() -> None:
    """Once, before the first line."""
    last: Any
    if sys.stderr.isatty():
        last = structlog.dev.ConsoleRenderer()
    else:
        last = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
