"""The supervisor's own log."""

from __future__ import annotations

import json

import pytest
import structlog

from proxy.supervisor import logs


def test_a_line_is_json_when_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    structlog.get_logger().info("accepting", workers=2)
    structlog.reset_defaults()
    line = json.loads(capsys.readouterr().err)

    assert ("accepting", "info", 2, "Z") == (line["event"], line["level"], line["workers"], line["timestamp"][-1])
