"""What the figures were taken on: processor, kernel, versions, commit. A figure without them is a rumour."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtest.contenders.site import Contender


def about(contenders: Sequence[Contender]) -> dict[str, Any]:
    """The head of a result file."""
    return {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": first_line(["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]),
        "versions": {each.name: number(told(argv)) for each in contenders if (argv := each.version())},
    }


def processor() -> str:
    """The processor's name, as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def first_line(argv: Sequence[str]) -> str:
    """The first line that a program writes, on either stream; empty if it cannot be run."""
    return next(iter(told(argv).splitlines()), "")


def told(argv: Sequence[str]) -> str:
    """What a program writes, on either stream; empty if it cannot be run."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip()


def number(text: str) -> str:
    """The version in what a program says of itself: the first number with a dot, after the word if it is there."""
    _, word, after = text.lower().partition("version")
    found = re.search(r"\d+(?:\.\d+)+", after if word else text)
    return found.group() if found else ""
