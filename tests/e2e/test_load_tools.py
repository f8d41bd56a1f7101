"""wrk, hey and k6 through the proxy to a real nginx: no tool that people measure with sees an error."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.processes import Headgate, program
from tests.kit.scene import Scene, versions

# Ten users for two seconds; every check of every answer has to hold, or k6 ends with another code than 0.
SCRIPT = """\
import http from "k6/http";
import { check, group } from "k6";

export const options = {
  vus: 10,
  duration: "2s",
  thresholds: { checks: ["rate==1"], http_req_failed: ["rate==0"] },
  summaryTrendStats: ["med", "p(99)"],
};
const body = "x".repeat(100000);

export default function () {
  const id = `${__VU}-${__ITER}`;
  group("get", () => {
    const got = http.get(`${__ENV.PROXY}/`);
    check(got, { "200": (r) => r.status === 200, "its body": (r) => r.body === "v1\\n", "HTTP/1.1": (r) => r.proto === "HTTP/1.1" });
  });
  group("methods", () => {
    const said = http.request("OPTIONS", `${__ENV.PROXY}/say?id=${id}`);
    check(said, { "its own answer": (r) => r.body.startsWith(`OPTIONS /say?id=${id} |127.0.0.1|`) });
    check(http.head(`${__ENV.PROXY}/`), { "HEAD has a length and no body": (r) => r.headers["Content-Length"] === "3" && !r.body });
  });
  group("file", () => {
    const url = `${__ENV.PROXY}/files/k6-${id}`;
    check(http.put(url, body), { created: (r) => r.status === 201 });
    check(http.get(url), { "what was put": (r) => r.status === 200 && r.body === body });
    check(http.del(url), { deleted: (r) => r.status === 204 });
  });
  group("batch", () => {
    const urls = [1, 2, 3, 4].map((n) => ["GET", `${__ENV.PROXY}/say?id=${id}&n=${n}`]);
    http.batch(urls).forEach((r, n) => check(r, { "each its own": (r) => r.body.includes(`id=${id}&n=${n + 1} `) }));
  });
}

export function handleSummary(data) {
  return { stdout: JSON.stringify(data.metrics) };
}
"""


@pytest.fixture(scope="module")
def proxy(shared_scene: Scene) -> Headgate:
    origin = shared_scene.nginx("v1")
    return shared_scene.headgate({"shop": {"versions": versions(v1=origin.url), "target": "v1"}})


def ran(*command: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A tool to its end."""
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, cwd=directory)


def test_wrk_sees_neither_an_error_nor_another_answer_than_200(proxy: Headgate) -> None:
    done = ran(program("wrk"), "-t1", "-c32", "-d3s", f"http://127.0.0.1:{proxy.port}/")

    requests = re.search(r"(\d+) requests in", done.stdout)
    assert requests is not None, done.stdout + done.stderr
    assert (True, False, False) == (int(requests[1]) > 1000, "Socket errors" in done.stdout, "Non-2xx" in done.stdout), done.stdout


def test_every_answer_hey_gets_is_200(proxy: Headgate) -> None:
    done = ran(program("hey"), "-n", "10000", "-c", "32", f"http://127.0.0.1:{proxy.port}/")

    statuses = re.findall(r"\[(\d+)\]\s+(\d+) responses", done.stdout)
    # hey divides the requests among its connections and leaves the remainder out.
    assert ([("200", str(10000 // 32 * 32))], False) == (statuses, "Error distribution" in done.stdout), done.stdout


def test_every_post_of_hey_is_200(proxy: Headgate) -> None:
    url = f"http://127.0.0.1:{proxy.port}/say"
    done = ran(program("hey"), "-n", "2000", "-c", "20", "-m", "POST", "-d", "x" * 10_000, url)

    statuses = re.findall(r"\[(\d+)\]\s+(\d+) responses", done.stdout)
    assert ([("200", "2000")], False) == (statuses, "Error distribution" in done.stdout), done.stdout


def test_hey_without_keep_alive_is_answered_every_time(proxy: Headgate) -> None:
    done = ran(program("hey"), "-n", "1000", "-c", "20", "-disable-keepalive", f"http://127.0.0.1:{proxy.port}/")

    statuses = re.findall(r"\[(\d+)\]\s+(\d+) responses", done.stdout)
    assert ([("200", "1000")], False) == (statuses, "Error distribution" in done.stdout), done.stdout


def test_every_check_of_a_k6_script_holds(proxy: Headgate, tmp_path: Path) -> None:
    """pip puts k6 beside the interpreter."""
    beside = shutil.which("k6", path=str(Path(sys.executable).parent))
    script = tmp_path / "script.js"
    script.write_text(SCRIPT)
    quiet = ("--quiet", "--no-usage-report", "--no-color", "--address", "")
    done = ran(beside or program("k6"), "run", *quiet, "-e", f"PROXY=http://127.0.0.1:{proxy.port}", str(script), directory=tmp_path)

    assert 0 == done.returncode, done.stdout + done.stderr
    checks = json.loads(done.stdout)["checks"]["values"]
    assert (True, 0) == (checks["passes"] > 1000, checks["fails"]), checks
