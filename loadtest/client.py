"""The client: one wrk thread that keeps a fixed number of connections busy, its figures read back as JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from loadtest.faults import RigError
from loadtest.processes import Cores, pinned
from loadtest.scenarios import Scenario

# One user: no request() function. wrk then builds the request once, and no Lua runs while it measures.
SCRIPT = """\
wrk.method = {method}
{headers}
{body}
{users}
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n{{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "p999_us": %d, "broken": %d, "statuses": %d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    e.connect + e.read + e.write + e.timeout, e.status))
end
"""


@dataclass(frozen=True)
class Reading:
    """What the client saw in one run."""

    requests: int
    duration_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_us: float = 0.0  # the client's own, a request

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.duration_s


# More users: every request is built before the first is sent, and only picked while measuring.
USERS = """\
local requests, turn = {{}}, 0
init = function(args)
  for user = 1, {users} do
{own}
    requests[user] = wrk.format()
  end
end
request = function()
  turn = turn % {users} + 1
  return requests[turn]
end"""


def own_headers(scenario: Scenario) -> str:
    """Lua that sets the headers which differ from user to user."""
    parts = ((name, *re.split(r"\{user(?::(\w+))?\}", value)) for name, value in scenario.headers if "{user" in value)
    return "\n".join(
        f"    wrk.headers[{json.dumps(name)}] = {json.dumps(before)} .. string.format('%{form or 'd'}', user) .. {json.dumps(after)}"
        for name, before, form, after in parts
    )


def script(scenario: Scenario, cookie: str = "") -> str:
    """The wrk script of a scenario; ``cookie`` goes after the others."""
    scenario = scenario.with_cookie(cookie)
    users = USERS.format(users=scenario.users, own=own_headers(scenario)) if scenario.users > 1 else ""
    headers = "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in scenario.headers)
    body = f"wrk.body = string.rep('x', {scenario.request_bytes})" if scenario.request_bytes else ""
    return SCRIPT.format(method=json.dumps(scenario.method), headers=headers, body=body, users=users)


def run(wrk: str, scenario: Scenario, port: int, seconds: int, *, core: Cores, folder: Path, cookie: str = "") -> Reading:
    """Keep ``scenario.connections`` busy for ``seconds``; RigError if any request failed, for failures are cheap to serve."""
    lua = folder / f"{scenario.name}.lua"
    lua.write_text(script(scenario, cookie))
    scheme = "https" if scenario.setting.tls else "http"
    argv = [wrk, "-t1", f"-c{scenario.connections}", f"-d{seconds}s", "--timeout", "5s", "-s", str(lua)]
    before = _children_s()
    try:
        done = subprocess.run(
            [*argv, f"{scheme}://127.0.0.1:{port}{scenario.path}"],
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            check=True,
            preexec_fn=pinned(core),
        )
    except subprocess.SubprocessError as error:
        raise RigError(f"wrk did not finish: {error}\n{getattr(error, 'stderr', '') or ''}") from error
    seen = parse(done.stdout)
    return replace(seen, cpu_us=(_children_s() - before) * 1e6 / seen.requests)


def _children_s() -> float:
    """CPU seconds of the children that have ended."""
    now = os.times()
    return now.children_user + now.children_system


def parse(output: str) -> Reading:
    """The figures that the script's ``done`` wrote last."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise RigError(f"wrk wrote no figures:\n{output}")
    figures: dict[str, int] = json.loads(lines[-1])
    if figures["broken"] or figures["statuses"]:
        raise RigError(f"{figures['broken']} requests broke and {figures['statuses']} had an error status:\n{output}")
    if not figures["requests"]:
        raise RigError(f"no request was answered:\n{output}")
    return Reading(
        figures["requests"], figures["duration_us"] / 1e6, figures["p50_us"] / 1e3, figures["p99_us"] / 1e3, figures["p999_us"] / 1e3
    )
